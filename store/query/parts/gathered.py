"""The values of features in the documents that are looked at, some features at a time.

All of them together seldom fit in memory. Embeddings have them by document, so that each part of
the features is a pass over all documents. Posting lists have them by feature, and are read once:
they are taken where there would be several passes, and where they say enough.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

import numpy as np

from saelake.store.codes.embeddings import Block
from saelake.store.format.lists import Array, concatenate
from saelake.store.format.values import ValueCodec
from saelake.store.index.postings import stable_order
from saelake.store.index.segments import PostingsTable, Segment, covered_by
from saelake.store.query.parts.association import Values
from saelake.store.query.parts.frequencies import COUNTING
from saelake.store.requests.checks import Pooling
from saelake.store.requests.waited.progress import passing, told
from saelake.store.snapshot.held import READING
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

R = TypeVar("R")

SCANNED_AT_ONCE = 1 << 24  # values of a pass: about 1 GiB of scratch
LISTED_AT_ONCE = 1 << 21  # values of the lists that a thread has read

# What is made of the values of the features in a part: of the slice of those that were asked for.
Work = Callable[[Values, slice], R]


@dataclass(frozen=True, kw_only=True)
class GatheredValues:
    """The values, pooled, of a selection's documents `docs` (uint64, ascending)."""

    session: Session
    selected: Selected
    docs: Array
    pooling: Pooling

    def fires(self) -> Array:
        """In how many of the documents each feature has a value, int64 (width,)."""
        marked = np.zeros(self.selected.collection.documents.n_documents, np.bool_)
        marked[self.docs] = True
        work = _Fires(marked, self.selected.width)
        counted = self.session.embeddings.map(self.selected, work, self.pooling, stage=COUNTING)
        total: Array = np.sum([np.zeros(self.selected.width, np.int64), *counted], axis=0)
        return total

    def map(self, features: Array, fires: Array, work: "Work[R]") -> Iterator[R]:
        """What `work` makes of the values of these features, some neighbours at a time, in order.

        `features` ascend, and fire in `fires` of the documents.
        """
        if self._by_lists(int(fires.sum())):
            yield from self._listed(features, fires, work)
            return
        parts = list(_parts(fires, SCANNED_AT_ONCE))
        for number, part in enumerate(parts, 1):
            stage = passing("gathering values", number, len(parts))
            yield work(self._scanned(features[part], stage=stage), part)

    def _by_lists(self, n_values: int) -> bool:
        """Whether posting lists are read: of what they do not cover all values must fit."""
        collection = self.selected.collection
        if self.pooling != "max" or not collection.segments or len(collection.split_documents):
            return False
        fragments = collection.codes.table.fragments
        unindexed = set(collection.unindexed)
        missed = sum(fragment.n_rows for fragment in fragments if fragment.id in unindexed)
        share = missed / max(sum(fragment.n_rows for fragment in fragments), 1)
        return n_values > SCANNED_AT_ONCE and share * n_values <= SCANNED_AT_ONCE

    def _listed(self, features: Array, fires: Array, work: "Work[R]") -> Iterator[R]:
        collection = self.selected.collection
        assert collection.postings is not None
        reader = _OfLists(
            postings=collection.postings,
            segments=collection.segments,
            codec=collection.codes.codec,
            place=self._place,
            rest=self._scanned(features, covered_by(collection.segments)),
            features=features,
            work=work,
        )
        parts = list(_parts(fires, LISTED_AT_ONCE))
        made = self.session.executor.map(reader, parts)
        yield from told("comparing features", made, len(parts))

    @cached_property
    def _place(self) -> Array:
        """Where each document stands among those that are looked at, or -1."""
        return _numbered(self.docs, self.selected.collection.documents.n_documents)

    def _scanned(
        self, features: Array, without: Collection[int] = (), stage: str = READING
    ) -> Values:
        """The values of these features, of embeddings that are not of the fragments `without`."""
        gather = _Gather(self._place, _numbered(features, self.selected.width))
        mapped = self.session.embeddings.map(
            self.selected, gather, self.pooling, without=without, stage=stage
        )
        found = list(mapped)
        feature, row, value = (
            concatenate((part[i] for part in found), dtype)
            for i, dtype in enumerate((np.int64, np.int64, np.float32))
        )
        return _sorted(feature, row, value, len(self.docs), len(features))


def _parts(sizes: Array, n_values: int) -> Iterator[slice]:
    """Runs of features that have at most so many values together."""
    begin = 0
    ends = np.cumsum(sizes)
    while begin < len(sizes):
        before = ends[begin - 1] if begin else 0
        end = int(np.searchsorted(ends, before + n_values, side="right"))
        end = max(end, begin + 1)
        yield slice(begin, end)
        begin = end


def _numbered(chosen: Array, n: int) -> Array:
    """Where each of n things stands among those chosen, -1 for the rest, int64 (n,)."""
    number = np.full(n, -1, np.int64)
    number[chosen] = np.arange(len(chosen))
    return number


def _sorted(feature: Array, row: Array, value: Array, n: int, n_features: int) -> Values:
    """The values by feature, then ascending."""
    order = stable_order(_ascending(value))
    order = order[stable_order(feature[order].astype(np.uint32))]
    return Values(
        feature=feature[order], row=row[order], value=value[order], n=n, n_features=n_features
    )


def _ascending(values: Array) -> Array:
    """Uint32 in the order of float32 values."""
    bits = values.view(np.uint32)
    negative = bits >> np.uint32(31) == 1
    return np.where(negative, ~bits, bits | np.uint32(1 << 31))


# -- By document: of embeddings.


@dataclass(frozen=True, slots=True)
class _Fires:
    """Counts the documents of a block that are looked at and in which a feature fires."""

    looked_at: Array
    d_sae: int

    def __call__(self, block: Block) -> Array:
        """For each feature how many, int64 (width,)."""
        looked_at = self.looked_at[block.doc]
        fires = looked_at[block.rows] & (block.values != 0)
        return np.bincount(block.features[fires], minlength=self.d_sae)


@dataclass(frozen=True, slots=True)
class _Gather:
    """Gathers the values of some features in the documents that are looked at.

    `place` and `number` say where a document and a feature stand among those, or -1.
    """

    place: Array
    number: Array

    def __call__(self, block: Block) -> tuple[Array, Array, Array]:
        """Features int64, rows int64 and values float32 (n,)."""
        row = self.place[block.doc][block.rows]
        feature = self.number[block.features]
        keep = (row >= 0) & (feature >= 0) & (block.values != 0)
        return feature[keep], row[keep], block.values[keep]


# -- By feature: of posting lists.


@dataclass(frozen=True, slots=True, kw_only=True)
class _OfLists(Generic[R]):
    """Hands on the values in the posting lists of some features; it can be sent elsewhere.

    `rest` are those of all `features` in what no segment covers.
    """

    postings: PostingsTable
    segments: tuple[Segment, ...]
    codec: ValueCodec
    place: Array
    rest: Values
    features: Array
    work: "Work[R]"

    def __call__(self, part: slice) -> R:
        lists = list(self.postings.read_whole(self.features[part].tolist(), self.segments))
        sizes = [len(found.doc) for _, found in lists]
        feature = np.repeat(np.array([number for number, _ in lists], np.int64), sizes)
        row = self.place[concatenate((found.doc for _, found in lists), np.uint64)]
        codes = concatenate((found.max for _, found in lists), self.codec.dtype)
        lists.clear()
        keep = (row >= 0) & (codes != 0)
        feature, row, value = feature[keep], row[keep], self.codec.decode(codes[keep])
        begin, end = np.searchsorted(self.rest.feature, [part.start, part.stop])
        rest = slice(int(begin), int(end))
        values = _sorted(
            np.concatenate([feature, self.rest.feature[rest] - part.start]),
            np.concatenate([row, self.rest.row[rest]]),
            np.concatenate([value, self.rest.value[rest]]),
            self.rest.n,
            part.stop - part.start,
        )
        return self.work(values, part)
