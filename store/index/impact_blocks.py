"""Blocks of impacts as the impacts table stores them, written and read."""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa

from saelake.store.codes.embeddings import Block
from saelake.store.codes.table import collection_of
from saelake.store.format.lists import Array, Lists
from saelake.store.format.values import ValueCodec
from saelake.store.index.levels import BlockFeatures, Levels
from saelake.store.index.packed import packed, unpacked
from saelake.store.tables.changes import Draft, Fragment
from saelake.store.tables.tables import Table, address

FEATURES_AT_ONCE = 256  # that are written
LEVELS_AT_ONCE = 2048  # of a feature in a block, up to 32 KiB each, that are read
_HEADER = (
    "covers",
    "docs",
    "features",
    "counts",
    "means",
    "variances",
    "steps",
    "in_column",
    "budgets",
    "recalls",
    "asked",
)


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


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredBlock:
    """A block in the table: the codes fragments that it covers, and what is known of it.

    `docs` uint64 (n,) are its documents, in the order of its rows.
    """

    fragment: int
    covers: tuple[int, ...]
    size_bytes: int
    docs: Array
    features: BlockFeatures
    measured: Measured

    def is_valid(self, fragments: Set[int]) -> bool:
        """Whether all that it covers is in a snapshot of codes (see `Segment.is_valid`)."""
        return fragments >= set(self.covers)

    def address_of_levels(self, index: int) -> int:
        """Where the levels of a feature are, of those that are kept."""
        return address(self.fragment, 1 + int(np.searchsorted(self.features.kept, index)))

    @property
    def first_row(self) -> int:
        """Which row of the fragment is the first document's."""
        return 1 + len(self.features.kept)

    @cached_property
    def _ordered(self) -> tuple[Array, Array]:
        """The rows by ascending document, and the documents."""
        order = np.argsort(self.docs, kind="stable")
        return order, self.docs[order]

    def rows_of(self, docs: Array) -> Array:
        """The rows of those of these documents that it has."""
        order, ordered = self._ordered
        if len(ordered) == 0:
            return order
        at = np.minimum(np.searchsorted(ordered, docs), len(ordered) - 1)
        rows: Array = order[at[ordered[at] == docs]]
        return rows


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

    @cached_property
    def blocks(self) -> tuple[StoredBlock, ...]:
        """The blocks, in table order; only what describes them is read."""
        return self.described(self.table.fragments)

    def described(self, fragments: Sequence[Fragment]) -> tuple[StoredBlock, ...]:
        """The blocks in these fragments; only what describes them is read."""
        firsts = [address(fragment.id, 0) for fragment in fragments]
        if not firsts:
            return ()
        rows = self.table.take_addresses(firsts, list(_HEADER))
        lists = {name: Lists.of(rows[name]) for name in _HEADER[:-1]}
        asked = rows["asked"].to_pylist()
        return tuple(
            _block(
                fragment.id,
                fragment.size_bytes,
                {name: each[i] for name, each in lists.items()},
                asked[i],
            )
            for i, fragment in enumerate(fragments)
        )

    def read_levels(self, wanted: Sequence[tuple[StoredBlock, Levels, Array]]) -> None:
        """Read the levels of features (as indices) of blocks, those that were not yet."""
        if all(levels.has[indices].all() for _, levels, indices in wanted):
            return
        with self._reading:
            missing = [
                (block, levels, int(index))
                for block, levels, indices in wanted
                for index in indices[~levels.has[indices]]
            ]
            for first in range(0, len(missing), LEVELS_AT_ONCE):
                part = missing[first : first + LEVELS_AT_ONCE]
                places = [block.address_of_levels(index) for block, _, index in part]
                rows = self.table.take_addresses(places, ["data"])["data"]
                for (_, levels, index), data in zip(part, rows, strict=True):
                    levels.put(index, memoryview(data.as_buffer()))

    def taken(self, wanted: Sequence[tuple[StoredBlock, Array]]) -> Block:
        """The embeddings of these rows of these blocks, in this order."""
        places = [
            address(block.fragment, block.first_row + row)
            for block, rows in wanted
            for row in rows.tolist()
        ]
        if not places:
            return Block.joined([])
        data = self.table.take_addresses(places, ["data"])["data"].combine_chunks()
        found = data.chunk(0) if isinstance(data, pa.ChunkedArray) else data
        doc = np.concatenate([block.docs[rows] for block, rows in wanted])
        return unpacked(found, doc, self.codec)

    def write(
        self, block: Block, levels: Levels, measured: Measured, covers: Sequence[int]
    ) -> Draft:
        """Write a block to files that nobody sees until they are committed."""
        rows = _rows(self.table.schema, block, levels, measured, covers, self.codec)
        return self.table.write(rows, one_fragment=True)


def _block(fragment: int, size_bytes: int, lists: dict[str, Array], n_asked: int) -> StoredBlock:
    features = BlockFeatures(
        n=len(lists["docs"]),
        numbers=lists["features"],
        counts=lists["counts"].astype(np.int64),
        means=lists["means"],
        variances=lists["variances"],
        steps=lists["steps"],
        in_column=lists["in_column"].astype(np.bool_),
    )
    measured = Measured(
        budgets=tuple(lists["budgets"].tolist()),
        recalls=tuple(lists["recalls"].tolist()),
        n_asked=n_asked,
    )
    return StoredBlock(
        fragment=fragment,
        covers=tuple(lists["covers"].tolist()),
        size_bytes=size_bytes,
        docs=lists["docs"],
        features=features,
        measured=measured,
    )


def _rows(
    schema: pa.Schema,
    block: Block,
    levels: Levels,
    measured: Measured,
    covers: Sequence[int],
    codec: ValueCodec,
) -> Iterator[pa.RecordBatch]:
    features = levels.features
    lists = {
        "covers": np.array(covers),
        "docs": block.doc,
        "features": features.numbers,
        "counts": features.counts,
        "means": features.means,
        "variances": features.variances,
        "steps": features.steps,
        "in_column": features.in_column,
        "budgets": np.array(measured.budgets),
        "recalls": np.array(measured.recalls),
    }
    header = {
        name: Lists(np.array([0, len(values)]), values.astype(_numpy_type(schema, name))).to_arrow(
            schema.field(name).type
        )
        for name, values in lists.items()
    }
    header["asked"] = pa.array([measured.n_asked], pa.uint32())
    yield _batch(schema, header)
    for first in range(0, len(features.kept), FEATURES_AT_ONCE):
        part = features.kept[first : first + FEATURES_AT_ONCE]
        data = pa.array([levels.data(int(index)) for index in part], pa.large_binary())
        yield _batch(schema, {"data": data})
    for data in packed(block, codec):
        yield _batch(schema, {"data": data})


def _numpy_type(schema: pa.Schema, name: str) -> Any:
    return schema.field(name).type.value_type.to_pandas_dtype()


def _batch(schema: pa.Schema, columns: dict[str, pa.Array]) -> pa.RecordBatch:
    """A batch with these columns, and nulls in the others."""
    n = len(next(iter(columns.values())))
    arrays = [columns.get(field.name) for field in schema]
    return pa.RecordBatch.from_arrays(
        [
            pa.nulls(n, field.type) if array is None else array
            for array, field in zip(arrays, schema, strict=True)
        ],
        schema=schema,
    )
