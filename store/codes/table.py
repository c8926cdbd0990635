"""The codes table: where a document's row is, and what is in it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from saelake.store.codes.characters import CHARACTERS, Characters
from saelake.store.codes.held import HeldTokens, held_tokens
from saelake.store.codes.poles import by_pole, stored_columns
from saelake.store.codes.terse import FIRING, is_terse, occurrences_in, terse_columns, whole
from saelake.store.errors import Corrupt
from saelake.store.format.lists import Array, Lists, runs
from saelake.store.format.schema import MAX_PART_TOKENS, CollectionSettings
from saelake.store.lake.lake import Lake
from saelake.store.tables.tables import Table, address, metadata

SCAN_ROWS = 256  # with all their codes
DOCS_PER_RUN_SCAN = 65_536

_WHOLE = ("features", "counts", "positions", "values")

Fired = tuple[Array, Array, Array]
Rows = TypeVar("Rows", pa.RecordBatch, pa.Table)
CODE_COLUMNS = ("features", "max", "counts", "positions", "values")


@dataclass(frozen=True, slots=True, kw_only=True)
class Locations:
    """Where each encoded document's first row is, as runs of neighbours.

    In run i document `docs[i] + j` is at address `addresses[i] + j`, for j < `lengths[i]`; `docs`
    is ascending. `extra_parts` counts the further rows of documents that have them.
    """

    docs: npt.NDArray[np.uint64]
    lengths: npt.NDArray[np.int64]
    addresses: npt.NDArray[np.uint64]
    extra_parts: dict[int, int]

    @property
    def n_documents(self) -> int:
        """How many documents have codes."""
        return int(self.lengths.sum())

    def ranges(self) -> list[tuple[int, int]]:
        """The encoded documents as half-open ranges, ascending."""
        return [(int(d), int(d) + int(n)) for d, n in zip(self.docs, self.lengths, strict=True)]

    def find(self, docs: npt.NDArray[np.uint64]) -> list[tuple[int, int]]:
        """(index into `docs`, row address) of every row of these documents, parts in order.

        A document that is not encoded has no entry.
        """
        if len(self.docs) == 0:
            return []
        run = np.searchsorted(self.docs, docs, side="right").astype(np.int64) - 1
        offset = docs.astype(np.int64) - self.docs[run].astype(np.int64)
        present = (run >= 0) & (offset < self.lengths[run])
        first = self.addresses[run].astype(np.int64) + offset
        found: list[tuple[int, int]] = []
        for index in np.flatnonzero(present):
            n_rows = 1 + self.extra_parts.get(int(docs[index]), 0)
            found += [(int(index), int(first[index]) + part) for part in range(n_rows)]
        return found


@dataclass(frozen=True, slots=True)
class CodeRow:
    """What one feature-sorted row of codes holds, by pole; values decoded to float32.

    `position_base` is what to add to `positions` to count the document's tokens.
    """

    position_base: int
    features: Array
    max: Array
    counts: Array
    positions: Array
    values: Array

    def occurrences(self, feature: int) -> tuple[Array, Array]:
        """Token positions int64 (ascending) and float32 values of a feature."""
        index = int(np.searchsorted(self.features, feature))
        if index == len(self.features) or self.features[index] != feature:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        begin = int(self.counts[:index].sum(dtype=np.int64))
        span = slice(begin, begin + int(self.counts[index]))
        return self.positions[span].astype(np.int64) + self.position_base, self.values[span]


@dataclass(frozen=True, slots=True)
class Occurrences:
    """Where a feature fires in some documents: parallel arrays (n,), by document, then position.

    `index` int64 says which of the documents, `position` int64 counts the document's tokens,
    `value` is float32.
    """

    index: Array
    position: Array
    value: Array

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, chosen: Array) -> "Occurrences":
        return Occurrences(self.index[chosen], self.position[chosen], self.value[chosen])


def collection_of(table: Table) -> CollectionSettings:
    """What a collection's table says that it is of."""
    return CollectionSettings.from_json(metadata(table.schema)["saelake:collection"])


class CodesTable:
    """A snapshot of a collection's codes, in whatever form they are stored.

    They are read whole (see `codes.terse`) and by pole (see `codes.poles`).
    """

    def __init__(self, table: Table, held: HeldTokens | None = None) -> None:
        self.table = table
        self.settings = collection_of(table)
        self.codec = self.settings.codec
        self.held = held or HeldTokens.of(self.settings)
        self.is_terse = is_terse(table.schema)
        self._locations: Locations | None = None
        self._locatable: tuple[int, ...] | None = None  # fragments; None: all

    def __getstate__(self) -> dict[str, object]:
        """What is sent elsewhere: not where the documents are, which is read there."""
        return {**self.__dict__, "_locations": None}

    def within(self, fragments: Sequence[int]) -> "CodesTable":
        """This snapshot, in which only the documents of these fragments are found."""
        same = CodesTable(self.table, self.held)
        same._locatable = tuple(fragments)
        return same

    @classmethod
    def of(cls, lake: Lake, table: Table) -> "CodesTable":
        """The codes in a table of the lake, which may know better which tokens they are of."""
        return cls(table, held_tokens(lake, collection_of(table), table))

    def token_counts(self, batch: pa.RecordBatch | pa.Table) -> Array:
        """How many tokens of each row have codes or could, int64 (n_rows,): all, or a sample's.

        The rows need the columns `TOKEN_COUNT_COLUMNS`.
        """
        return self.held.counts(batch)

    @property
    def locations(self) -> Locations:
        """Where the documents are; read when first asked for."""
        if self._locations is None:
            every = tuple(fragment.id for fragment in self.table.fragments)
            within = every if self._locatable is None else self._locatable
            self._locations = locate(self.table, within)
        return self._locations

    def take(self, docs: npt.NDArray[np.uint64], columns: Sequence[str]) -> tuple[Array, pa.Table]:
        """The rows of these documents: for each row the index into `docs`, and the columns."""
        index, part, table = self._taken(docs, self._stored(columns))
        return index, self._read(table, columns).add_column(0, "part", pa.array(part))

    def _taken(
        self, docs: npt.NDArray[np.uint64], stored: Sequence[str]
    ) -> tuple[Array, Array, pa.Table]:
        """The rows of these documents as they are stored: which of `docs` and which part each is.

        A document's parts follow each other, so that they are not read.
        """
        found = self.locations.find(docs)
        index = np.array([index for index, _ in found], np.int64)
        part = np.arange(len(index)) - np.searchsorted(index, index)
        table = self.table.take_addresses([row for _, row in found], stored)
        return index, part.astype(np.uint16), table

    def rows(self, docs: npt.NDArray[np.uint64]) -> Iterator[tuple[int, CodeRow]]:
        """(index into `docs`, codes) of every row of these documents."""
        index, table = self.take(docs, CODE_COLUMNS)
        yield from zip(map(int, index), self.code_rows(table), strict=True)

    def code_rows(self, table: pa.Table) -> Iterator[CodeRow]:
        """The codes of rows that `take` gave with `CODE_COLUMNS`."""
        lists = [Lists.of(table[name]) for name in CODE_COLUMNS]
        features, maxima, counts, positions, values = lists
        for row, part in enumerate(table["part"].to_pylist()):
            yield CodeRow(
                part * MAX_PART_TOKENS,
                features[row],
                self.codec.decode(maxima[row]),
                counts[row],
                positions[row],
                self.codec.decode(values[row]),
            )

    def occurrences(
        self, docs: npt.NDArray[np.uint64], features: Sequence[int]
    ) -> dict[int, Occurrences]:
        """Where each of these features fires in these documents, which are read at once."""
        return self.fired(docs, features, characters=False)[0]

    def fired(
        self, docs: npt.NDArray[np.uint64], features: Sequence[int], *, characters: bool
    ) -> tuple[dict[int, Occurrences], Characters | None]:
        """See `occurrences`; and with `characters` where all tokens are in their texts."""
        also = CHARACTERS if characters else ()
        numbers = sorted(set(features))
        found: Iterable[Fired]
        if self.is_terse and (self.settings.by_pole or not self.settings.signed):
            index, part, rows = self._taken(docs, [*FIRING, *also])
            found = self._terse_occurrences(rows, numbers)
        else:
            index, rows = self.take(docs, [*_WHOLE, *also])
            part, found = rows["part"].to_numpy(), self._whole_occurrences(rows, numbers)
        base = part.astype(np.int64) * MAX_PART_TOKENS
        occurrences = {
            number: Occurrences(index[row], position + base[row], self.codec.decode(code))
            for number, (row, position, code) in zip(numbers, found, strict=True)
        }
        return occurrences, Characters.of(index, rows) if characters else None

    def _terse_occurrences(self, rows: pa.Table, features: Sequence[int]) -> list[Fired]:
        """The rows, positions and value codes at which each feature fires, of terse rows."""
        try:
            return list(occurrences_in(rows, features))
        except ValueError as error:
            raise self._damaged() from error

    def _whole_occurrences(self, rows: pa.Table, features: Sequence[int]) -> Iterator[Fired]:
        """The rows, positions and value codes at which each feature fires, of whole rows."""
        from saelake.store.arrays.kernels import spans_of  # not every reader of codes needs numba

        held, values = Lists.of(rows["features"]), Lists.of(rows["values"])
        counts, positions = (Lists.of(rows[name]).values for name in ("counts", "positions"))
        wanted = np.array(features, np.int64)
        first, count = spans_of(held.offsets, held.values, counts, values.offsets, wanted)
        for begin, n in zip(first, count, strict=True):
            row = np.repeat(np.arange(len(n)), n)
            at = np.arange(len(row)) + (begin - np.cumsum(n) + n)[row]
            yield row, positions[at], values.values[at]

    def scan(
        self,
        columns: Sequence[str],
        *,
        fragments: Iterable[int] | None = None,
        batch_rows: int | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Batches of the table, in table order; small enough for all codes, by default."""
        rows, stored = batch_rows or SCAN_ROWS, self._stored(columns)
        batches = self.table.scan(stored, fragments=fragments, batch_rows=rows)
        return (self._read(batch, columns) for batch in batches)

    def _stored(self, columns: Sequence[str]) -> list[str]:
        """The columns of the table from which `_read` makes these."""
        wanted = stored_columns(columns, self.settings)
        return terse_columns(wanted) if self.is_terse else wanted

    def _read(self, rows: Rows, columns: Sequence[str]) -> Rows:
        read = self.whole(rows, stored_columns(columns, self.settings))
        self._check_features(read)
        return by_pole(read, columns, self.settings)

    @property
    def n_features(self) -> int:
        """What all features in rows are below: poles, where these are stored by pole."""
        return self.settings.width if self.settings.by_pole else self.settings.d_sae

    def _check_features(self, rows: pa.RecordBatch | pa.Table) -> None:
        """Raise `Corrupt` for features that no dictionary has: compiled loops count by them."""
        if "features" in rows.schema.names:
            features = Lists.of(rows["features"]).values
            if len(features) and features.max() >= self.n_features:
                raise self._damaged()

    def whole(self, rows: Rows, columns: Sequence[str]) -> Rows:
        """These columns of rows of the table, as `codes_schema` says. Raises `Corrupt`."""
        if not self.is_terse:
            return rows
        try:
            return whole(rows, columns)
        except ValueError as error:
            raise self._damaged() from error

    def _damaged(self) -> Corrupt:
        name = self.settings.name
        return Corrupt(
            f"Codes of {name} are damaged: run `saelake verify {name} --repair`.", collection=name
        )


def locate(table: Table, fragments: Iterable[int]) -> Locations:
    """Where the documents of these fragments are."""
    docs: list[Array] = []
    addresses: list[Array] = []
    extra: dict[int, int] = {}
    for fragment in fragments:
        row = 0
        for batch in table.scan(
            ["doc", "part"], fragments=[fragment], batch_rows=DOCS_PER_RUN_SCAN
        ):
            doc, part = np.asarray(batch["doc"]), np.asarray(batch["part"])
            for repeated in doc[part > 0].tolist():
                extra[repeated] = extra.get(repeated, 0) + 1
            first = np.flatnonzero(part == 0)
            docs.append(doc[first])
            addresses.append(first.astype(np.uint64) + np.uint64(address(fragment, row)))
            row += len(doc)
    return _as_runs(docs, addresses, extra)


def _as_runs(docs: list[Array], addresses: list[Array], extra: dict[int, int]) -> Locations:
    doc = np.concatenate([np.empty(0, np.uint64), *docs])
    at = np.concatenate([np.empty(0, np.uint64), *addresses])
    order = np.argsort(doc, kind="stable")
    doc, at = doc[order], at[order]
    steps = np.arange(len(doc), dtype=np.uint64)
    # Neighbours in document number and in address: both differences to a counter stay equal.
    starts = np.union1d(runs(doc - steps), runs(at - steps))
    return Locations(
        docs=doc[starts],
        lengths=np.diff(np.append(starts, len(doc))),
        addresses=at[starts],
        extra_parts=extra,
    )
