"""The codes of two dictionaries at the same tokens of a corpus, some documents at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from saelake.store.arrays.crossed import GroupedCodes, add_moments, flat
from saelake.store.codes.table import CodesTable
from saelake.store.documents.filters import DocumentMask
from saelake.store.errors import DictionaryMismatch
from saelake.store.format.lists import Array, Lists
from saelake.store.index.packed import decoded

READ_BYTES = 8 << 20  # of codes in files, of both sides, that are read at once
MOST_AT_ONCE = 4096  # documents


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Over some tokens, by feature (d_sae,): at how many it fires, int64; and sums.

    `moments` float64 (2, d_sae) are the sums of the values and of their squares.
    """

    count: Array
    moments: Array

    @classmethod
    def zero(cls, d_sae: int) -> "Side":
        """Of no tokens."""
        return cls(count=np.zeros(d_sae, np.int64), moments=np.zeros((2, d_sae)))

    def spread(self, n: int) -> Array:
        """The mean and the standard deviation of each feature over n tokens, (2, d_sae).

        The deviation is 0 where only rounding is left.
        """
        n = max(n, 1)
        total, square = self.moments
        variance = (square - total**2 / n) / n
        return np.stack([total / n, np.sqrt(np.where(variance > 1e-12 * square / n, variance, 0))])

    def merge(self, other: "Side") -> None:
        """Add what was summed over other tokens."""
        self.count[:] += other.count
        self.moments[:] += other.moments


@dataclass(slots=True, kw_only=True)
class BothTotals:
    """What is known of each side over `n` tokens."""

    n: int = 0
    a: Side
    b: Side

    @classmethod
    def zero(cls, d_a: int, d_b: int) -> "BothTotals":
        """Of no tokens."""
        return cls(a=Side.zero(d_a), b=Side.zero(d_b))

    def merge(self, other: "BothTotals") -> None:
        """Add what is known of other tokens."""
        self.n += other.n
        self.a.merge(other.a)
        self.b.merge(other.b)


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossed:
    """Codes of some tokens: those of a by feature, and those of b by token.

    A group of `a` is one of the features that are asked about; the numbers of `b` are places among
    those that are compared.
    """

    a: GroupedCodes
    b: GroupedCodes

    @property
    def n_bytes(self) -> int:
        """The memory that it takes."""
        return self.a.n_bytes + self.b.n_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedPairs:
    """The features of a that are asked about, and those of b that these are compared with."""

    rows: Array
    columns: Array

    def __getitem__(self, lines: slice) -> "AskedPairs":
        """Some of the features that are asked about, compared with the same."""
        return replace(self, rows=self.rows[lines])

    def firing(self, totals: BothTotals) -> "AskedPairs":
        """Those that fire at all."""
        rows, columns = totals.a.count[self.rows] > 0, totals.b.count[self.columns] > 0
        return AskedPairs(rows=self.rows[rows], columns=self.columns[columns])


@dataclass(frozen=True, slots=True)
class SameTokens:
    """Codes of one corpus in two dictionaries, and which documents are meant (None: all)."""

    a: CodesTable
    b: CodesTable
    mask: DocumentMask | None

    def ranges(self) -> Iterator[tuple[int, int]]:
        """The documents of a in ranges, each to be read at once."""
        step = self._n_at_once
        for begin, end in self.a.locations.ranges():
            for first in range(begin, end, step):
                yield first, min(first + step, end)

    @property
    def _n_at_once(self) -> int:
        """How many documents have about `READ_BYTES` of codes."""
        each = sum(
            codes.table.size_bytes / max(codes.locations.n_documents, 1)
            for codes in (self.a, self.b)
        )
        return int(min(max(READ_BYTES / max(each, 1), 1), MOST_AT_ONCE))

    @property
    def decoded(self) -> tuple[Array, Array]:
        """The value of each code of either side, float32."""
        return decoded(self.a.codec), decoded(self.b.codec)

    def read(self, begin: int, end: int, asked: AskedPairs) -> tuple[BothTotals, Crossed]:
        """The codes of the tokens of a range of documents."""
        docs = np.arange(begin, end, dtype=np.uint64)
        docs = docs if self.mask is None else docs[self.mask[docs]]
        a, b = _read(self.a, docs), _read(self.b, docs)
        key_a, key_b = _keys(a), _keys(b)
        a, b = _kept(a, np.isin(key_a, key_b)), _kept(b, np.isin(key_b, key_a))
        self._check_same_tokens(a, b)
        held = self.a.held.mask(a) & self.b.held.mask(b)
        n, number = int(held.sum()), np.where(held, np.cumsum(held) - 1, -1)
        mine, theirs = _Flat.of(a, number), _Flat.of(b, number)
        d_a, d_b = self.a.settings.width, self.b.settings.width
        line, column = _places(asked.rows, d_a), _places(asked.columns, d_b)
        totals = BothTotals(
            n=n,
            a=mine.side(d_a, decoded(self.a.codec)),
            b=theirs.side(d_b, decoded(self.b.codec)),
        )
        return totals, Crossed(
            a=GroupedCodes.of(line[mine.feature], len(asked.rows), mine.token, n, mine.codes),
            b=GroupedCodes.of(
                theirs.token, n, column[theirs.feature], len(asked.columns), theirs.codes
            ),
        )

    def _check_same_tokens(self, a: pa.Table, b: pa.Table) -> None:
        mine, theirs = Lists.of(a["token_ids"]), Lists.of(b["token_ids"])
        if np.array_equal(mine.offsets, theirs.offsets) and np.array_equal(
            mine.values, theirs.values
        ):
            return
        names = self.a.settings.name, self.b.settings.name
        raise DictionaryMismatch(
            f"{names[0]} and {names[1]} cut the texts into different tokens (other models, "
            "windows or special tokens), so their features cannot be matched on them.",
            a=names[0],
            b=names[1],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingBoth:
    """Reads ranges of documents, in any process."""

    both: SameTokens
    asked: AskedPairs

    def __call__(self, docs: tuple[int, int]) -> tuple[BothTotals, Crossed]:
        """See `SameTokens.read`."""
        return self.both.read(*docs, self.asked)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Flat:
    """The feature, the token (-1: not held), and the value's code, uint16, of each code.

    The first two are int32.
    """

    feature: Array
    token: Array
    codes: Array

    @classmethod
    def of(cls, rows: pa.Table, number: Array) -> "_Flat":
        """Of rows whose tokens, end to end, have these numbers."""
        features, positions = Lists.of(rows["features"]), Lists.of(rows["positions"])
        feature, token = flat(
            features.offsets,
            features.values,
            Lists.of(rows["counts"]).values,
            Lists.of(rows["token_ids"]).offsets,
            positions.values,
            number,
        )
        codes = np.ascontiguousarray(Lists.of(rows["values"]).values)
        bits = codes.view(f"u{codes.itemsize}").astype(np.uint16, copy=False)
        return cls(feature=feature, token=token, codes=bits)

    def side(self, d_sae: int, decoded: Array) -> Side:
        """What is summed of these codes."""
        side = Side.zero(d_sae)
        add_moments(self.feature, self.token, self.codes, decoded, side.count, side.moments)
        return side


def _places(features: Array, width: int) -> Array:
    """The place of each feature among these, int64 (width,); -1 where it is none of them."""
    place = np.full(width, -1, np.int64)
    place[features] = np.arange(len(features))
    return place


def _read(codes: CodesTable, docs: Array) -> pa.Table:
    """The rows of those of the documents that could be encoded."""
    columns = ["doc", "error", "token_ids", "features", "counts", "positions", "values"]
    _, rows = codes.take(docs, columns)
    return _kept(rows, np.asarray(rows["error"].is_null())).combine_chunks()


def _kept(rows: pa.Table, keep: Array) -> pa.Table:
    """These rows, which seldom are not all."""
    return rows if keep.all() else rows.filter(pa.array(keep))


def _keys(rows: pa.Table) -> Array:
    """What tells a row of one side from its others: document and part."""
    keys: Array = rows["doc"].to_numpy() << np.uint64(16) | rows["part"].to_numpy()
    return keys
