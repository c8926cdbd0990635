"""The embeddings of a selection: mapped over in parallel, and kept in memory where they fit."""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from saelake.store.arrays.cache import Cache
from saelake.store.codes.embeddings import Block, blocks, take
from saelake.store.codes.executor import Executor, Owners, Piece, PiecePart, pieces, streamed
from saelake.store.documents.filters import DocumentMask
from saelake.store.format.lists import Array
from saelake.store.index.bitmaps import AsBitmaps, Bitmap
from saelake.store.requests.checks import Pooling
from saelake.store.requests.waited.progress import told
from saelake.store.snapshot.held import READING, Held, HeldByOwners, HeldHere
from saelake.store.snapshot.selection import Selected

BLOCK_BYTES = 64 << 20  # of features and values that are read of a larger fragment at once
LEAST_TESTED = 1 / 2  # bytes of codes, of the cache's: of fewer the embeddings may well fit
SURELY = 1.5  # fragments differ

R = TypeVar("R")
S = TypeVar("S", bound=PiecePart)
Make = Callable[[Piece], Iterable[S | None]]  # None says that what follows is not worth its memory


@dataclass(frozen=True, slots=True)
class _AsBlocks:
    """Makes the blocks of a piece; what they are kept by where pieces are owned."""

    pooling: Pooling

    def __call__(self, piece: Piece) -> Iterator[Block]:
        return blocks(piece, self.pooling, n_bytes=BLOCK_BYTES)


@dataclass(frozen=True, slots=True)
class _OnKept:
    """What is done with a block: with the documents of it that a filter keeps."""

    work: Callable[[Block], Any]
    mask: DocumentMask | None

    def __call__(self, block: Block) -> Any:
        return self.work(block.kept(self.mask))


@dataclass(frozen=True, slots=True)
class _OnPiece(Generic[S]):
    """What a worker does with a piece: with one part after the other."""

    make: Make[S]
    work: Callable[[Any], Any]

    def __call__(self, piece: Piece) -> list[Any]:
        return [self.work(part) for part in self.make(piece)]


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Reads embeddings where the executor says, once where there is memory for them.

    Which pieces and blocks there are depends on the tables and on the cache's size only. So it
    changes no answer where they are read, and who keeps what.
    """

    executor: Executor
    cache: Cache

    def map(
        self,
        selected: Selected,
        work: Callable[[Block], R],
        pooling: Pooling = "max",
        *,
        without: Collection[int] = (),
        stage: str = READING,
    ) -> Iterator[R]:
        """What `work` makes of each block of the selection's embeddings, in table order.

        The fragments of codes in `without` are left out. Who listens is told of the `stage`.
        """
        held = None if without else self._found(selected, pooling)
        task = _OnKept(work, selected.mask)
        if held is not None:
            return held.map(task, stage=stage)
        pieces_of = streamed(selected.collection.codes, without)
        if isinstance(self.executor, Owners):
            return HeldByOwners(self.executor, _AsBlocks(pooling), pieces_of).map(task, stage=stage)
        results = self.executor.map(_OnPiece(_AsBlocks(pooling), task), pieces_of)
        counted = told(stage, results, len(pieces_of))
        return (result for found in counted for result in found)

    def hold(self, selected: Selected, pooling: Pooling = "max") -> Held[Block] | None:
        """The embeddings of the whole snapshot, kept in memory; None when they do not fit."""
        return self._gathered((selected.codes_key, pooling), _AsBlocks(pooling), selected)

    def _found(self, selected: Selected, pooling: Pooling) -> Held[Block] | None:
        """What `hold` kept, if it did."""
        held: Held[Block] | None = self.cache.find((selected.codes_key, pooling))
        return held

    def take(self, selected: Selected, docs: Array, pooling: Pooling = "max") -> Block:
        """The embeddings of these documents (uint64), without those that have none, in any order.

        Of what is in memory, or else of impacts or codes.
        """
        held = self._found(selected, pooling)
        if isinstance(held, HeldHere):
            return Block.joined([block[_rows_of(block, docs)] for block in held])
        nearest = selected.collection.nearest if pooling == "max" else None
        found = None if nearest is None else nearest.embeddings(docs)
        return take(selected.collection.codes, docs, pooling) if found is None else found

    def bitmaps(self, selected: Selected) -> Held[Bitmap] | None:
        """The bits of the whole snapshot, kept in memory; None where its embeddings are smaller."""
        work = AsBitmaps(selected.width)
        return self._gathered((selected.codes_key, "bitmaps"), work, selected)

    def _gathered(self, key: Hashable, make: Make[S], selected: Selected) -> Held[S] | None:
        """What `make` makes of all pieces; None where that does not fit, or is not worth it."""
        if not self.cache.knows(key):
            self.cache.put(key, *self._made(make, selected))
        kept: Held[S] | None = self.cache.find(key)
        return kept

    def _made(self, make: Make[S], selected: Selected) -> tuple[Held[S] | None, int]:
        """What `make` makes of all pieces, and the bytes here; it ends with the first too many.

        It does not begin where the first fragment's share says that they would be.
        """
        if self._is_too_large(make, selected):
            return None, 0
        whole = pieces(selected.collection.codes)
        if isinstance(self.executor, Owners):
            held: HeldByOwners[Any] = HeldByOwners(self.executor, make, whole)
            return (held if self._fits(held.map(_n_bytes)) else None), 0
        made: list[Any] = []
        n_bytes = 0
        results = self.executor.map(_OnPiece(make, _itself), whole)
        for found in told(READING, results, len(whole)):
            made += found
            n_bytes += sum(part.n_bytes for part in found if part is not None)
            if None in found or n_bytes > self.cache.capacity:
                return None, 0
        return HeldHere(self.executor, made), n_bytes

    def _fits(self, sizes: Iterable[int | None]) -> bool:
        """Whether parts of these sizes are all worth their memory, and fit."""
        n_bytes = 0
        for size in sizes:
            if size is None or n_bytes + size > self.cache.capacity:
                return False
            n_bytes += size
        return True

    def _is_too_large(self, make: Make[S], selected: Selected) -> bool:
        """Whether what `make` makes of all is surely too much, by the smallest fragment."""
        codes = selected.collection.codes
        total = codes.table.size_bytes
        if total <= self.cache.capacity * LEAST_TESTED:
            return False
        first = min(codes.table.fragments, key=lambda fragment: fragment.size_bytes)
        made = _OnPiece(make, _n_bytes)(Piece(codes, (first.id,)))
        n_bytes = sum(size or 0 for size in made)
        return n_bytes * total / max(first.size_bytes, 1) > SURELY * self.cache.capacity


def _rows_of(block: Block, docs: Array) -> Array:
    """The rows of those of these documents that a block has."""
    if len(block) and (block.doc[1:] > block.doc[:-1]).all():
        at = np.minimum(np.searchsorted(block.doc, docs), len(block) - 1)
        rows: Array = at[block.doc[at] == docs]
        return rows
    return np.flatnonzero(np.isin(block.doc, docs))


def _itself(part: S) -> S:
    return part


def _n_bytes(part: PiecePart | None) -> int | None:
    return None if part is None else part.n_bytes
