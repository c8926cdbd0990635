"""Where features fire: in documents, or at how many of a document's tokens."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import pyarrow as pa

from saelake.store.codes.embeddings import Block
from saelake.store.codes.executor import Piece, streamed
from saelake.store.codes.table import CodesTable
from saelake.store.documents.filters import DocumentMask
from saelake.store.format.lists import Array, Lists, runs
from saelake.store.requests.checks import Pooling
from saelake.store.requests.diff import Unit
from saelake.store.requests.waited.progress import told
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

R = TypeVar("R")

SCAN_ROWS = 512  # half a million values of short documents, in some arrays of 8 bytes


def firing(
    session: Session,
    selected: Selected,
    unit: Unit,
    threshold: float,
    work: Callable[[Block], R],
) -> Iterator[R]:
    """What `work` makes of each block of a selection: of a document the features that fire.

    A block's values are 1, or the number of tokens at which a feature is above the threshold.
    """
    if unit == "document":
        pooling: Pooling = "binary" if threshold == 0 else "max"
        yield from session.embeddings.map(selected, _Above(work, threshold), pooling)
    else:
        task = _OfTokens(work, selected.mask, threshold)
        pieces = streamed(selected.collection.codes)
        for found in told("reading tokens", session.executor.map(task, pieces), len(pieces)):
            yield from found


@dataclass(frozen=True, slots=True)
class _Above(Generic[R]):
    """Hands on a block with 1 where a feature is above the threshold, and nothing elsewhere."""

    work: Callable[[Block], R]
    threshold: float

    def __call__(self, block: Block) -> R:
        above = block.values > np.float32(self.threshold)
        ends = np.concatenate([[0], np.cumsum(above)])
        return self.work(
            Block(
                doc=block.doc,
                offsets=ends[block.offsets],
                features=block.features[above],
                values=np.ones(ends[-1], np.float32),
            )
        )


@dataclass(frozen=True, slots=True)
class _OfTokens(Generic[R]):
    """Hands on blocks with the number of tokens at which each feature fires."""

    work: Callable[[Block], R]
    mask: DocumentMask | None
    threshold: float

    def __call__(self, piece: Piece) -> list[R]:
        found = []
        # What is stored of features without a negative half is above 0, and only counted.
        threshold = None if self.threshold == 0 and not piece.codes.codec.signed else self.threshold
        for rows in _whole_documents(piece, () if threshold is None else ("values",)):
            block = _counted(rows, piece.codes, threshold)
            found.append(self.work(block.kept(self.mask)))
        return found


def _whole_documents(piece: Piece, more: tuple[str, ...]) -> Iterator[pa.Table]:
    """The encoded rows of a piece, some at a time; parts of a document stay together."""
    columns = ("doc", "part", "error", "features", "counts", *more)
    rest: list[pa.RecordBatch] = []
    for batch in piece.codes.scan(columns, fragments=piece.fragments, batch_rows=SCAN_ROWS):
        first = np.flatnonzero(np.asarray(batch["part"]) == 0)
        if len(first):
            cut = int(first[-1])
            yield _encoded([*rest, batch.slice(0, cut)])
            rest = []
            batch = batch.slice(cut)
        rest.append(batch)
    if rest:
        yield _encoded(rest)


def _encoded(batches: list[pa.RecordBatch]) -> pa.Table:
    rows = pa.Table.from_batches(batches)
    return rows.filter(rows["error"].is_null()).combine_chunks()


def _counted(rows: pa.Table, codes: CodesTable, threshold: float | None) -> Block:
    features, counts = Lists.of(rows["features"]), Lists.of(rows["counts"]).values
    doc = rows["doc"].to_numpy()
    heads = runs(doc)
    place = np.repeat(np.arange(len(heads)), np.diff(np.append(heads, len(doc))))
    row, feature, n = place[features.rows], features.values, counts.astype(np.float64)
    if threshold is not None and len(n):
        values = codes.codec.decode(Lists.of(rows["values"]).values)
        ends = np.cumsum(counts, dtype=np.int64)
        n = np.add.reduceat(values > np.float32(threshold), ends - counts, dtype=np.int64)
    row, feature, n = _summed(row, feature, n, codes.settings.width, len(heads) < len(doc))
    offsets = np.searchsorted(row, np.arange(len(heads) + 1))
    return Block(doc=doc[heads], offsets=offsets, features=feature, values=n.astype(np.float32))


def _summed(
    row: Array, feature: Array, n: Array, d_sae: int, in_parts: bool
) -> tuple[Array, Array, Array]:
    """Without what does not fire; of a document in several parts, the sum of these."""
    some = n > 0
    row, feature, n = row[some], feature[some], n[some]
    if in_parts:
        keys, number = np.unique(row * d_sae + feature, return_inverse=True)
        n = np.bincount(number, n, len(keys))
        row, feature = keys // d_sae, (keys % d_sae).astype(feature.dtype)
    return row, feature, n
