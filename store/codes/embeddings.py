"""SAE embeddings: one sparse vector a document, pooled over its tokens, in blocks of rows.

Features are poles here and in all that is made of embeddings, so values are never negative.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from saelake.store.codes.executor import PIECE_ROWS, Piece
from saelake.store.codes.held import HeldTokens
from saelake.store.codes.table import CodesTable
from saelake.store.documents.filters import DocumentMask
from saelake.store.format.lists import Array, Lists, concatenate, runs
from saelake.store.format.values import ValueCodec
from saelake.store.requests.checks import Pooling

SCAN_ROWS = 4096
_COLUMNS: dict[Pooling, tuple[str, ...]] = {
    "max": ("features", "max"),
    "binary": ("features",),
    "sum": ("features", "counts", "values"),
    "mean": ("features", "counts", "values", "token_ids"),
}


@dataclass(frozen=True, kw_only=True)
class Block:
    """The SAE embeddings of some documents, as sparse rows.

    Document `doc[i]` (uint64) has the features `features[offsets[i]:offsets[i + 1]]` (uint32,
    ascending) with those pooled `values` (float32).
    """

    doc: Array
    offsets: Array
    features: Array
    values: Array

    def __len__(self) -> int:
        return len(self.doc)

    @property
    def n_bytes(self) -> int:
        """The memory that the arrays take."""
        arrays = (self.doc, self.offsets, self.features, self.values)
        return sum(array.nbytes for array in arrays)

    @cached_property
    def lengths(self) -> Array:
        """The length of each row, float32 (n,)."""
        from saelake.store.arrays import kernels  # not every process that reads codes needs numba

        found: Array = kernels.row_lengths(self.offsets, self.values)
        return found

    @property
    def rows(self) -> Array:
        """The row of each value, int64 (n_values,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def row(self, index: int) -> tuple[Array, Array]:
        """The features and values of one row."""
        span = slice(self.offsets[index], self.offsets[index + 1])
        return self.features[span], self.values[span]

    def __getitem__(self, rows: Array) -> "Block":
        """The rows at these indices, in this order."""
        from saelake.store.arrays import kernels

        offsets = np.concatenate([[0], np.cumsum(np.diff(self.offsets)[rows])])
        arrays = (self.offsets, self.features, self.values)
        features, values = kernels.copied_rows(*arrays, np.asarray(rows, np.int64), offsets)
        return Block(doc=self.doc[rows], offsets=offsets, features=features, values=values)

    def kept(self, mask: DocumentMask | None) -> "Block":
        """The rows of the documents that a filter keeps."""
        if mask is None:
            return self
        keep = mask[self.doc]
        return self if keep.all() else self[np.flatnonzero(keep)]

    def within(self, features: Array) -> "Block":
        """The rows with only the features that are true in `features`, bool (d_sae,)."""
        keep = features[self.features]
        ends = np.concatenate([[0], np.cumsum(keep)])
        return Block(
            doc=self.doc,
            offsets=ends[self.offsets],
            features=self.features[keep],
            values=self.values[keep],
        )

    @classmethod
    def joined(cls, blocks: Sequence["Block"]) -> "Block":
        """The rows of several blocks, in order."""
        bases = np.cumsum([0, *(len(block.values) for block in blocks)])
        offsets = [b.offsets[1:] + base for b, base in zip(blocks, bases[:-1], strict=True)]
        return cls(
            doc=concatenate((b.doc for b in blocks), np.uint64),
            offsets=np.concatenate([np.zeros(1, np.int64), *offsets]),
            features=concatenate((b.features for b in blocks), np.uint32),
            values=concatenate((b.values for b in blocks), np.float32),
        )


def blocks(
    piece: Piece,
    pooling: Pooling = "max",
    n_rows: int | None = None,
    n_bytes: float = math.inf,
) -> Iterator[Block]:
    """The embeddings of a piece's documents, `n_rows` or `PIECE_ROWS` a block, in table order.

    A block is of about `n_bytes` of rows at most, and `SCAN_ROWS` are read at once.

    A document that could not be encoded has none; of one in several parts, those parts count that
    could be.
    """
    columns = ("doc", "part", "error", *_COLUMNS[pooling])
    n_rows = n_rows or PIECE_ROWS
    held: list[pa.RecordBatch] = []
    for batch in piece.codes.scan(columns, fragments=piece.fragments, batch_rows=SCAN_ROWS):
        whole = np.flatnonzero(np.asarray(batch["part"]) == 0)  # parts of a document stay together
        rows = sum(b.num_rows for b in held) + batch.num_rows
        size = sum(b.nbytes for b in held) + batch.nbytes
        if len(whole) and held and (rows > n_rows or size > n_bytes):
            held.append(batch.slice(0, int(whole[0])))
            yield embedded(_let_go(held), piece.codes.codec, pooling, piece.codes.held)
            batch = batch.slice(int(whole[0]))
        held.append(batch)
    if held:
        yield embedded(_let_go(held), piece.codes.codec, pooling, piece.codes.held)


def _let_go(held: list[pa.RecordBatch]) -> pa.Table:
    """The batches as a table, which has their only references: they are freed with it."""
    table = pa.Table.from_batches(held)
    held.clear()
    return table


def take(codes: CodesTable, docs: Array, pooling: Pooling = "max") -> Block:
    """The embeddings of these documents (uint64), in this order; without those that have none."""
    _, rows = codes.take(docs, ["doc", "error", *_COLUMNS[pooling]])
    return embedded(rows, codes.codec, pooling, codes.held)


def embedded(
    rows: pa.Table, codec: ValueCodec, pooling: Pooling, held: HeldTokens | None = None
) -> Block:
    """The embeddings of rows of codes by pole; parts of one document are neighbours.

    The mean is over the tokens that are `held` (None: all).
    """
    if rows["error"].null_count < rows.num_rows:
        rows = rows.filter(rows["error"].is_null())
    rows = rows.combine_chunks()
    doc, features = rows["doc"].to_numpy(), Lists.of(rows["features"])
    values = _pooled(rows, codec, pooling)
    block = Block(doc=doc, offsets=features.offsets, features=features.values, values=values)
    first = _first(doc, rows["part"].to_numpy())
    if not first.all():
        block = _whole(block, first, pooling)
    if pooling == "mean":
        counts = Lists.of(rows["token_ids"]).lengths if held is None else held.counts(rows)
        n_tokens = np.bincount(_place(first), counts, len(block))
        block.values[:] /= np.maximum(n_tokens, 1)[block.rows]
    return block


def _pooled(rows: pa.Table, codec: ValueCodec, pooling: Pooling) -> Array:
    """The value of each feature of each row: float32, and of its own memory."""
    if pooling == "max":
        return codec.decode(Lists.of(rows["max"]).values)
    if pooling == "binary":  # what is stored is above 0
        return np.ones(len(Lists.of(rows["features"]).values), np.float32)
    counts = Lists.of(rows["counts"]).values.astype(np.int64)
    if len(counts) == 0:
        return np.empty(0, np.float32)
    values = codec.decode(Lists.of(rows["values"]).values)
    sums = np.add.reduceat(values, np.cumsum(counts) - counts, dtype=np.float64)
    return sums.astype(np.float32)


def _first(doc: Array, part: Array) -> Array:
    """Which rows are the first of a document; it need not be part 0, which may have failed."""
    first = np.ones(len(doc), np.bool_)
    first[1:] = (doc[1:] != doc[:-1]) | (part[1:] <= part[:-1])
    return first


def _place(first: Array) -> Array:
    """The document, counted from 0, that each row is of."""
    return np.cumsum(first) - 1


def _whole(block: Block, first: Array, pooling: Pooling) -> Block:
    """One row a document, of rows that may be numbered parts of one."""
    row = _place(first)[block.rows]
    order = np.lexsort((block.features, row))
    heads = runs(row[order].astype(np.uint64) << np.uint64(32) | block.features[order])
    pool = np.add if pooling in ("sum", "mean") else np.maximum
    doc, values = block.doc[first], block.values[order]
    return Block(
        doc=doc,
        offsets=np.searchsorted(row[order][heads], np.arange(len(doc) + 1)),
        features=block.features[order][heads],
        values=pool.reduceat(values, heads) if len(heads) else values,
    )
