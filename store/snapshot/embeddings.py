"""The embeddings of a selection: mapped over in parallel, and kept in memory where they fit."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from saelake.store.codes.embeddings import Block, blocks
from saelake.store.codes.executor import Executor, Piece, pieces
from saelake.store.documents.filters import DocumentMask
from saelake.store.index.bitmaps import AsBitmaps, Bitmap
from saelake.store.requests.checks import Pooling
from saelake.store.snapshot.cache import Cache
from saelake.store.snapshot.selection import Selected

R = TypeVar("R")
S = TypeVar("S", Block, Bitmap)


@dataclass(frozen=True, slots=True)
class _Task:
    """What a worker does with a piece, or with its blocks; it can be sent to another process."""

    work: Callable[[Block], Any]
    pooling: Pooling
    mask: DocumentMask | None

    def __call__(self, source: Piece | Sequence[Block]) -> list[Any]:
        read = blocks(source, self.pooling) if isinstance(source, Piece) else source
        return [self.work(block.kept(self.mask)) for block in read]


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Reads embeddings where the executor says, once where the cache can hold them."""

    executor: Executor
    cache: Cache

    def map(
        self, selected: Selected, work: Callable[[Block], R], pooling: Pooling = "max"
    ) -> Iterator[R]:
        """What `work` makes of each block of the selection's embeddings, in table order."""
        held = self.cache.find((selected.codes_key, pooling))
        sources: Sequence[Any] = held or pieces(selected.collection.codes)
        task = _Task(work, pooling, selected.mask)
        for results in self.executor.map(task, sources):
            yield from results

    def hold(self, selected: Selected, pooling: Pooling = "max") -> Sequence[Block] | None:
        """The embeddings of the whole snapshot, kept in memory; None when they do not fit."""
        work = _Task(_itself, pooling, None)
        return self._gathered((selected.codes_key, pooling), work, selected)

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
        """What `work` makes of each piece, and the bytes; it ends with the first too many."""
        made: list[Sequence[S]] = []
        n_bytes = 0
        for found in self.executor.map(work, pieces(selected.collection.codes)):
            n_bytes += sum(part.n_bytes for part in found or ())
            if found is None or n_bytes > self.cache.capacity:
                return None, 0
            made.append(found)
        return made, n_bytes


def _itself(block: Block) -> Block:
    return block
