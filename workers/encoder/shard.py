"""Shards: which documents to encode next, decided from which are encoded already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

Range = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A range of documents [start, stop), and the collections that lack them."""

    start: int
    stop: int
    collections: tuple[str, ...]

    @property
    def n_documents(self) -> int:
        """How many documents it has."""
        return self.stop - self.start

    def cut(self, size: int) -> "tuple[Shard, Shard | None]":
        """Its first `size` documents, and the rest of it, if there is one."""
        if self.n_documents <= size:
            return self, None
        middle = self.start + size
        return replace(self, stop=middle), replace(self, start=middle)

    def __contains__(self, other: "Shard") -> bool:
        """Whether it has all documents of another shard."""
        return self.start <= other.start and other.stop <= self.stop


def plan(n_documents: int, done: Mapping[str, Sequence[Range]], size: int) -> list[Shard]:
    """The shards that are left, in document order, each of at most `size` documents.

    `done` has for each collection the ranges of documents that it holds. A shard's documents are
    missing in all of its collections and present in all others, so that one forward run serves
    every dictionary that needs it.
    """
    edges = {0, n_documents}
    edges |= {edge for ranges in done.values() for r in ranges for edge in r if edge < n_documents}
    bounds = sorted(edges)
    shards: list[Shard] = []
    for start, stop in pairwise(bounds):
        lacking = tuple(name for name, ranges in done.items() if not _within(start, ranges))
        if not lacking:
            continue
        shards += [
            Shard(start=first, stop=min(first + size, stop), collections=lacking)
            for first in range(start, stop, size)
        ]
    return shards


def _within(document: int, ranges: Sequence[Range]) -> bool:
    return any(start <= document < stop for start, stop in ranges)
