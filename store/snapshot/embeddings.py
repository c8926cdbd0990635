"""The embeddings of a selection: mapped over in parallel, and kept in memory where they fit."""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from saelake.store.arrays.cache import Cache
from saelake.store.codes.embeddings import Block, blocks, take
from saelake.store.codes.executor import Executor, Piece, pieces
from saelake.store.documents.filters import DocumentMask
from saelake.store.format.lists import Array
from saelake.store.index.bitmaps import AsBitmaps, Bitmap
from saelake.store.requests.checks import Pooling
from saelake.store.snapshot.selection import Selected

STREAM_BYTES = 32 << 20  # of codes in a file, that are read at once
BLOCK_BYTES = 64 << 20  # of features and values that are read of a larger fragment at once
LEAST_TESTED = 1 / 2  # bytes of codes, of the cache's: of fewer the embeddings may well fit
SURELY = 1.5  # fragments differ

R = TypeVar("R")
S = TypeVar("S", Block, Bitmap)


@dataclass(frozen=True, slots=True)
class _Task:
    """What a worker does with a piece, or with its blocks; it can be sent to another process."""

    work: Callable[[Block], Any]
    pooling: Pooling
    mask: DocumentMask | None

    def __call__(self, source: Piece | Sequence[Block]) -> list[Any]:
        read: Iterable[Block] = (
            blocks(source, self.pooling, n_bytes=BLOCK_BYTES)
            if isinstance(source, Piece)
            else source
        )
        return [self.work(block.kept(self.mask)) for block in read]


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Reads embeddings where the executor says, once where the cache can hold them."""

    executor: Executor
    cache: Cache

    def map(
        self,
        selected: Selected,
        work: Callable[[Block], R],
        pooling: Pooling = "max",
        *,
        without: Collection[int] = (),
    ) -> Iterator[R]:
        """What `work` makes of each block of the selection's embeddings, in table order.

        The fragments of codes in `without` are left out.
        """
        held = None if without else self.cache.find((selected.codes_key, pooling))
        sources: Sequence[Any] = held or _streamed(selected, without)
        task = _Task(work, pooling, selected.mask)
        for results in self.executor.map(task, sources):
            yield from results

    def hold(self, selected: Selected, pooling: Pooling = "max") -> Sequence[Block] | None:
        """The embeddings of the whole snapshot, kept in memory; None when they do not fit."""
        work = _Task(_itself, pooling, None)
        return self._gathered((selected.codes_key, pooling), work, selected)

    def take(self, selected: Selected, docs: Array, pooling: Pooling = "max") -> Block:
        """The embeddings of these documents (uint64), without those that have none, in any order.

        Of what is in memory, or else of impacts or codes.
        """
        held = self.cache.find((selected.codes_key, pooling))
        if held is not None:
            every = [block for piece in held for block in piece]
            return Block.joined([block[_rows_of(block, docs)] for block in every])
        nearest = selected.collection.nearest if pooling == "max" else None
        found = None if nearest is None else nearest.embeddings(docs)
        return take(selected.collection.codes, docs, pooling) if found is None else found

    def bitmaps(self, selected: Selected) -> Sequence[Bitmap] | None:
        """The bits of the whole snapshot, kept in memory; None where its embeddings are smaller."""
        work = AsBitmaps(selected.width)
        return self._gathered((selected.codes_key, "bitmaps"), work, selected)

    def _gathered(
        self, key: Hashable, work: Callable[[Piece], Sequence[S] | None], selected: Selected
    ) -> Sequence[S] | None:
        """What `work` makes of all pieces; None where that does not fit, or it makes nothing."""
        if not self.cache.knows(key):
            self.cache.put(key, *self._made(work, selected))
        kept: Sequence[Sequence[S]] | None = self.cache.find(key)
        return None if kept is None else [made for piece in kept for made in piece]

    def _made(
        self, work: Callable[[Piece], Sequence[S] | None], selected: Selected
    ) -> tuple[Sequence[Sequence[S]] | None, int]:
        """What `work` makes of each piece, and the bytes; it ends with the first too many.

        It does not begin where the first fragment's share says that they would be.
        """
        made: list[Sequence[S]] = []
        n_bytes = 0
        if self._is_too_large(work, selected):
            return None, 0
        for found in self.executor.map(work, pieces(selected.collection.codes)):
            n_bytes += sum(part.n_bytes for part in found or ())
            if found is None or n_bytes > self.cache.capacity:
                return None, 0
            made.append(found)
        return made, n_bytes

    def _is_too_large(
        self, work: Callable[[Piece], Sequence[S] | None], selected: Selected
    ) -> bool:
        """Whether what `work` makes of all is surely too much, by the smallest fragment."""
        codes = selected.collection.codes
        total = codes.table.size_bytes
        if total <= self.cache.capacity * LEAST_TESTED:
            return False
        first = min(codes.table.fragments, key=lambda fragment: fragment.size_bytes)
        made = work(Piece(codes, (first.id,)))
        n_bytes = sum(part.n_bytes for part in made or ())
        return n_bytes * total / max(first.size_bytes, 1) > SURELY * self.cache.capacity


def _streamed(selected: Selected, without: Collection[int]) -> list[Piece]:
    """Pieces that are read one after the other: small ones, as each thread has one in memory."""
    return pieces(selected.collection.codes, n_bytes=STREAM_BYTES, without=without)


def _rows_of(block: Block, docs: Array) -> Array:
    """The rows of those of these documents that a block has."""
    if len(block) and (block.doc[1:] > block.doc[:-1]).all():
        at = np.minimum(np.searchsorted(block.doc, docs), len(block) - 1)
        rows: Array = at[block.doc[at] == docs]
        return rows
    return np.flatnonzero(np.isin(block.doc, docs))


def _itself(block: Block) -> Block:
    return block
