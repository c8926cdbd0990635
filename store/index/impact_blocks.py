"""Blocks of impacts as the impacts table stores them, written and read."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa

from saelake.store.codes.embeddings import Block
from saelake.store.codes.table import collection_of
from saelake.store.format.lists import Array, Lists, concatenate
from saelake.store.format.values import ValueCodec
from saelake.store.index.levels import BlockFeatures, Levels
from saelake.store.index.packed import decoded, packed, unpacked
from saelake.store.tables.blobs import Blob, as_blobs
from saelake.store.tables.changes import Draft, Fragment
from saelake.store.tables.files import local_path
from saelake.store.tables.tables import Table, address

ROWS_AT_ONCE = 4096  # that are read of a block
_BLOBS = ("levels", "rows")
_NOTHING = b"\0\0"  # the least value that Lance puts into a file of its own
_IN_COLUMN, _IN_SKETCH, _NO_LEVELS = 1, 2, 4  # bits of `in_column`: the last of sketches alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """With `budgets[i]` columns `n_asked` questions found the share `recalls[i]` of their nearest.

    Budgets ascend, and larger ones than the last find no less.
    """

    budgets: tuple[float, ...]
    recalls: tuple[float, ...]
    n_asked: int

    def recall(self, budget: float) -> float:
        """The share that is found within a budget: of the largest that was tried and is not."""
        tried = [r for b, r in zip(self.budgets, self.recalls, strict=True) if b <= budget]
        return tried[-1] if tried else 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Overall:
    """What is found of the nearest where blocks are searched together: `n_asked` questions.

    With `budgets[i]` columns, one in `sketched[j]` documents told apart by sketches (0: none) and
    one in `one_in[k]` compared exactly, the half of the questions that the choice is made by find
    the share `assured[i, j, k]`, less some errors, and the others `recalls[i, j, k]`. It is
    of the blocks that cover these fragments of codes.
    """

    covers: frozenset[int]
    budgets: tuple[float, ...]
    sketched: tuple[int, ...]
    one_in: tuple[int, ...]
    assured: Array
    recalls: Array
    n_asked: int

    @property
    def ways(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Of how many documents one is told apart by sketches, and compared."""
        return self.sketched, self.one_in

    def is_of(self, block: "StoredBlock") -> bool:
        """Whether a block was among those that were asked."""
        return self.covers.issuperset(block.covers)


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredBlock:
    """A block in the table: the codes fragments that it covers, and what is known of it.

    `docs` uint64 (n,) are its documents, in the order of its rows; `typical` float32 says how
    typical each is, `scales` float32 is one over its length, and its row begins at the byte
    `starts[i]` (int64, (n + 1,)) of all rows.
    """

    fragment: int
    covers: tuple[int, ...]
    docs: Array
    typical: Array
    scales: Array
    starts: Array
    features: BlockFeatures
    measured: Measured

    def is_valid(self, fragments: Set[int]) -> bool:
        """Whether all that it covers is in a snapshot of codes (see `Segment.is_valid`)."""
        return fragments >= set(self.covers)

    @property
    def n_bytes(self) -> int:
        """The memory, without its levels."""
        arrays = (self.docs, self.docs, self.typical, self.scales, self.starts)
        return sum(array.nbytes for array in arrays)

    @property
    def has_sketches(self) -> bool:
        """Whether its documents can be told apart by sketches, as they can where nothing fires."""
        return self.features.sketch_bytes > 0 or len(self.features.numbers) == 0

    @cached_property
    def sketches_at(self) -> int:
        """Where in the file of its levels the sketches begin."""
        return Levels(self.features, self.typical).sketches_at

    @property
    def firing(self) -> Array:
        """The rows that have features: without any a row is a byte."""
        return np.flatnonzero(np.diff(self.starts) > 1)

    @cached_property
    def _ordered(self) -> tuple[Array | None, Array]:
        """The rows by ascending document (None: as they are), and the documents."""
        if (self.docs[1:] > self.docs[:-1]).all():
            return None, self.docs
        order = np.argsort(self.docs, kind="stable")
        return order, self.docs[order]

    def rows_of(self, docs: Array) -> Array:
        """The rows of those of these documents that it has."""
        order, ordered = self._ordered
        if len(ordered) == 0:
            return np.empty(0, np.int64)
        at = np.minimum(np.searchsorted(ordered, docs), len(ordered) - 1)
        found: Array = at[ordered[at] == docs]
        return found if order is None else order[found]


class ImpactsTable:
    """A snapshot of a collection's impacts."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.settings = collection_of(table)
        self._reading = Lock()

    @property
    def codec(self) -> ValueCodec:
        """That of the values of embeddings."""
        return self.settings.codec

    @property
    def size_bytes(self) -> int:
        """The bytes of the snapshot's files."""
        blobs = (blob for blobs in self._blobs.values() for blob in blobs)
        return self.table.size_bytes + sum(blob.size for blob in blobs)

    @property
    def is_on_disk(self) -> bool:
        """Whether what is written is on a disk of this machine."""
        return local_path(self.table.uri) is not None

    @property
    def is_local(self) -> bool:
        """Whether its files are of this machine, so that reading a row takes no request."""
        return all(blob.is_local for blobs in self._blobs.values() for blob in blobs)

    @cached_property
    def blocks(self) -> tuple[StoredBlock, ...]:
        """The blocks, in table order; only what describes them is read."""
        return tuple(each for each in self._described.values() if isinstance(each, StoredBlock))

    @cached_property
    def overall(self) -> Mapping[int, Overall]:
        """What was measured of blocks together, by the fragment that says so."""
        return {i: each for i, each in self._described.items() if isinstance(each, Overall)}

    @cached_property
    def _described(self) -> Mapping[int, StoredBlock | Overall]:
        ids = [fragment.id for fragment in self.table.fragments]
        return dict(zip(ids, self.described(self.table.fragments), strict=True))

    def described(self, fragments: Sequence[Fragment]) -> tuple[StoredBlock | Overall, ...]:
        """What is in these fragments; only what describes blocks is read."""
        if not fragments:
            return ()
        names = [name for name in self.table.schema.names if name not in _BLOBS]
        rows = self.table.take_addresses([address(f.id, 0) for f in fragments], names)
        asked = rows["asked"].to_pylist()
        lists = {name: Lists.of(rows[name]) for name in names if name != "asked"}
        return tuple(
            _read(fragment.id, {name: each[i] for name, each in lists.items()}, asked[i])
            for i, fragment in enumerate(fragments)
        )

    @cached_property
    def _blobs(self) -> dict[int, tuple[Blob, Blob]]:
        """The levels and the rows of each block."""
        ids = [fragment.id for fragment in self.table.fragments]
        places = [address(i, 0) for i in ids]
        pairs = zip(*(self.table.blobs(places, column) for column in _BLOBS), strict=True)
        return dict(zip(ids, pairs, strict=True))

    def levels(self, block: StoredBlock) -> Levels:
        """A block's levels: all of them where its file is of this machine, and else none yet."""
        stored, _ = self._blobs[block.fragment]
        mapped = stored.mapped() if stored.is_local else None
        return Levels(block.features, block.typical, mapped)

    def read_levels(self, block: StoredBlock, levels: Levels, indices: Array) -> None:
        """Read the levels of these features (as indices) of a block, those that were not yet."""
        if levels.has[indices].all():
            return
        with self._reading:
            spans = levels.missing(indices)
            levels.put(indices, spans, self._blobs[block.fragment][0].read(spans))

    def sketched(self, block: StoredBlock, rows: Array, query: Array) -> Array:
        """Estimates of the products of these rows (int64) of a block with a query, by sketches."""
        from saelake.store.arrays import sketches

        known = block.features
        of_features = (known.numbers, known.means, known.slopes, known.steps, known.sketched)
        stored, size = self._blobs[block.fragment][0], known.sketch_bytes
        begin = block.sketches_at
        if stored.is_local:
            lines, whole = sketches.lines_in_file(stored.file, begin, size, rows)
            if not whole:
                raise stored.cut_short()
        else:
            spans = [(begin + size * row, size) for row in rows.tolist()]
            lines = np.frombuffer(b"".join(stored.read(spans)), np.uint8).reshape(len(rows), size)
        found: Array = sketches.estimates_of(lines, rows, query, *of_features, block.typical)
        return found

    def sketches(self, block: StoredBlock, first: int, last: int) -> Array:
        """The lines of these rows of a block, uint8 (n, `sketch_bytes`)."""
        size = block.features.sketch_bytes
        span = (block.sketches_at + size * first, size * (last - first))
        (data,) = self._blobs[block.fragment][0].read([span]) if size else (b"",)
        return np.frombuffer(data, np.uint8).reshape(last - first, size)

    def products(self, block: StoredBlock, rows: Array, query: Array) -> Array:
        """The products of these rows of a block with a query (float32, of every feature)."""
        from saelake.store.arrays import packed  # not every process that has a session needs numba

        stored, size = self._blobs[block.fragment][1], self.codec.dtype.itemsize
        if stored.is_local:
            of_file = (stored.file, block.starts, np.asarray(rows, np.int64))
            found, whole = packed.products_in_file(*of_file, size, query, self._decoded)
            if not whole:
                raise stored.cut_short()
        else:
            data, starts = self._row_bytes(block, rows)
            array = np.frombuffer(bytearray(data), np.uint8)
            found = packed.packed_products(array, starts, size, query, self._decoded)
        products: Array = found
        return products

    @cached_property
    def _decoded(self) -> Array:
        return decoded(self.codec)

    def taken(self, wanted: Sequence[tuple[StoredBlock, Array]]) -> Block:
        """The embeddings of these rows of these blocks, in this order."""
        parts = [(block, rows, *self._row_bytes(block, rows)) for block, rows in wanted]
        docs = concatenate((block.docs[rows] for block, rows, _, _ in parts), np.uint64)
        sizes = concatenate((np.diff(starts) for *_, starts in parts), np.int64)
        starts = np.append(0, np.cumsum(sizes))
        return unpacked(b"".join(data for _, _, data, _ in parts), starts, docs, self.codec)

    def _row_bytes(self, block: StoredBlock, rows: Array) -> tuple[bytes, Array]:
        """The bytes of these rows, end to end, and where each begins; neighbours are read once."""
        if len(rows) == 0:
            return b"", np.zeros(1, np.int64)
        begins, ends = block.starts[rows], block.starts[rows + 1]
        heads = np.flatnonzero(np.append(True, begins[1:] != ends[:-1]))
        sizes = ends[np.append(heads[1:], len(rows)) - 1] - begins[heads]
        spans = list(zip(begins[heads].tolist(), sizes.tolist(), strict=True))
        data = b"".join(self._blobs[block.fragment][1].read(spans))
        return data, np.append(0, np.cumsum(ends - begins))

    def scanned(self, block: StoredBlock) -> Iterator[Block]:
        """All embeddings of a block, in order, some rows at a time."""
        for first in range(0, len(block.docs), ROWS_AT_ONCE):
            rows = np.arange(first, min(first + ROWS_AT_ONCE, len(block.docs)))
            yield self.taken([(block, rows)])

    def write(
        self,
        block: Block,
        scales: Array,
        levels: Levels,
        measured: Measured,
        covers: Sequence[int],
    ) -> Draft:
        """Write a block to files that nobody sees until they are committed.

        `scales` are one over the lengths of its documents.
        """
        rows = _rows(self.table.schema, block, scales, levels, measured, covers, self.codec)
        return self.table.write([rows], one_fragment=True)

    def write_overall(self, found: Overall) -> Draft:
        """Write what was measured of blocks together, as `write` does: a row without documents."""
        pairs = np.stack([found.assured, found.recalls], axis=-1)
        lists = {
            "covers": np.array(sorted(found.covers)),
            "sizes": np.array(found.one_in),
            "counts": np.array(found.sketched),
            "budgets": np.array(found.budgets),
            "recalls": pairs.ravel(),
        }
        row = _row(self.table.schema, lists, found.n_asked, [_NOTHING, _NOTHING])
        return self.table.write([row], one_fragment=True)


def _read(fragment: int, lists: dict[str, Array], n_asked: int) -> StoredBlock | Overall:
    of_blocks = len(lists["docs"]) == 0 and len(lists["sizes"]) > 0
    return _overall(lists, n_asked) if of_blocks else _block(fragment, lists, n_asked)


def _overall(lists: dict[str, Array], n_asked: int) -> Overall:
    sketched = tuple(lists["counts"].tolist()) or (0,)  # none: it is of before there were sketches
    pairs = lists["recalls"].reshape(len(lists["budgets"]), len(sketched), len(lists["sizes"]), 2)
    return Overall(
        covers=frozenset(lists["covers"].tolist()),
        budgets=tuple(lists["budgets"].tolist()),
        sketched=sketched,
        one_in=tuple(lists["sizes"].tolist()),
        assured=pairs[..., 0],
        recalls=pairs[..., 1],
        n_asked=n_asked,
    )


def _block(fragment: int, lists: dict[str, Array], n_asked: int) -> StoredBlock:
    places = lists["in_column"]
    features = BlockFeatures(
        n=len(lists["docs"]),
        numbers=lists["features"],
        counts=lists["counts"].astype(np.int64),
        means=lists["means"],
        slopes=lists["slopes"],
        variances=lists["variances"],
        steps=lists["steps"],
        in_column=(places & _IN_COLUMN) > 0,
        in_sketch=(places & _IN_SKETCH) > 0,
        has_levels=(lists["steps"] > 0) & ((places & _NO_LEVELS) == 0),
    )
    measured = Measured(
        budgets=tuple(lists["budgets"].tolist()),
        recalls=tuple(lists["recalls"].tolist()),
        n_asked=n_asked,
    )
    return StoredBlock(
        fragment=fragment,
        covers=tuple(lists["covers"].tolist()),
        docs=lists["docs"],
        typical=lists["typical"],
        scales=lists["scales"],
        starts=np.append(0, np.cumsum(lists["sizes"], dtype=np.int64)),
        features=features,
        measured=measured,
    )


def _rows(
    schema: pa.Schema,
    block: Block,
    scales: Array,
    levels: Levels,
    measured: Measured,
    covers: Sequence[int],
    codec: ValueCodec,
) -> pa.RecordBatch:
    """The row of a block."""
    features = levels.features
    parts = list(packed(block, codec))
    lists = {
        "covers": np.array(covers),
        "docs": block.doc,
        "typical": levels.typical,
        "scales": scales,
        "sizes": np.concatenate([np.empty(0, np.int64), *(np.diff(s) for _, s in parts)]),
        "features": features.numbers,
        "counts": features.counts,
        "means": features.means,
        "slopes": features.slopes,
        "variances": features.variances,
        "steps": features.steps,
        "in_column": _places(features),
        "budgets": np.array(measured.budgets),
        "recalls": np.array(measured.recalls),
    }
    data = [levels.data.tobytes(), b"".join(part.tobytes() for part, _ in parts) or _NOTHING]
    return _row(schema, lists, measured.n_asked, data)


def _places(features: BlockFeatures) -> Array:
    """Where the levels of each feature are, as bits."""
    alone = features.in_sketch & ~features.has_levels
    places: Array = (
        features.in_column * _IN_COLUMN + features.in_sketch * _IN_SKETCH + alone * _NO_LEVELS
    )
    return places


def _row(
    schema: pa.Schema, lists: Mapping[str, Array], n_asked: int, data: Sequence[bytes]
) -> pa.RecordBatch:
    """A row of these lists, empty ones where there is none, and of these `_BLOBS`."""
    columns: dict[str, pa.Array] = {}
    for name in schema.names:
        if name not in ("asked", *_BLOBS):
            values = lists.get(name, np.empty(0)).astype(_numpy_type(schema, name))
            of_row = Lists(np.array([0, len(values)]), values)
            columns[name] = of_row.to_arrow(schema.field(name).type)
    columns["asked"] = pa.array([n_asked], pa.uint32())
    for name, value in zip(_BLOBS, data, strict=True):
        columns[name] = as_blobs([value], schema.field(name).type)
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


def _numpy_type(schema: pa.Schema, name: str) -> Any:
    return schema.field(name).type.value_type.to_pandas_dtype()
