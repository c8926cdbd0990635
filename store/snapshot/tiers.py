"""Tiers of posting lists as questions read them: what was read before is kept in memory.

A segment is a file that never changes, so what is kept of it serves every snapshot that has it. The
first tiers of all features are read whole beside the questions, where they fit, and then, where
questions read more, the second ones. Of others those that were asked for last are kept.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from saelake.store.arrays.cache import Cache
from saelake.store.format.lists import Array
from saelake.store.format.schema import N_TIERS
from saelake.store.index.located import LocatedTiers
from saelake.store.index.segments import (
    FirstTiers,
    PostingBand,
    PostingList,
    PostingsTable,
    Segment,
)

SHARE = 1 / 4  # of the cache's bytes, for the first tiers of a collection, and for the second
LIST_SHARE = 1 / 64  # for one list
LOCATED_SHARE = 1 / 16  # for where tiers are in files
LONG = 16_384  # postings of a list, no more than which second tiers have
FEWEST_BYTES = 6  # of a posting: document, maximum, position, and where the token is
LEAST_BYTES = 1000  # of a list, for its arrays and its key
FEATURES_AT_ONCE = 64  # of which second tiers are read at once: up to 30 MiB


class Place(NamedTuple):
    """A tier of a feature in a segment's file, read with its characters or without."""

    file: Hashable
    feature: int
    tier: int
    characters: bool


@dataclass(frozen=True, slots=True)
class Narrow:
    """A posting list with each column in as few bytes as its values need."""

    columns: tuple[Array, ...]

    @classmethod
    def of(cls, postings: PostingList) -> Self:
        """The list, which keeps nothing else in memory."""
        whole = (postings.doc, postings.position, postings.token, postings.start, postings.length)
        found = cls((postings.max.copy(), *map(_narrowed, whole)))
        for column in found.columns:
            column.setflags(write=False)
        return found

    @property
    def n_bytes(self) -> int:
        """How much memory it takes."""
        return sum(column.nbytes for column in self.columns) + LEAST_BYTES

    @property
    def postings(self) -> PostingList:
        """The list."""
        n, (max_, doc, position, token, start, length) = len(self.columns[0]), self.columns
        return PostingList(
            doc=_widened(doc, n, np.uint64),
            max=max_,
            position=_widened(position, n, np.uint32),
            token=_widened(token, n, np.int64),
            start=_widened(start, n, np.int64),
            length=_widened(length, n, np.int64),
        )


def _narrowed(values: Array) -> Array:
    """The values, or the one that all are, in the smallest type that has the extremes."""
    if len(values) == 0 or values.strides == (0,):
        return values[:1].astype(np.int64)
    least, most = values.min(), values.max()
    if least < 0:
        return values.copy()
    return values.astype(np.min_scalar_type(most))


def _widened(values: Array, n: int, dtype: npt.DTypeLike) -> Array:
    wide = values.astype(dtype)
    return wide if len(wide) == n else np.broadcast_to(wide[0], n)


class Tiers:
    """The tiers of a snapshot's posting lists, kept in a cache; thread-safe."""

    def __init__(self, postings: PostingsTable, segments: Sequence[Segment], cache: Cache) -> None:
        self._postings = postings
        self._segments = segments
        self._cache = cache
        self._snapshot = postings.table.key
        self._files: dict[int, Hashable] = {}

    def read(
        self, wanted: Sequence[tuple[int, Segment]], tier: int, *, characters: bool = True
    ) -> list[PostingList]:
        """One tier of each feature in its segment; see `PostingsTable.read_each`."""
        places = [self._place(f, s, tier, characters=characters) for f, s in wanted]
        found = [self._find(place) for place in places]
        missing = [i for i, postings in enumerate(found) if postings is None]
        if missing:
            asked = [wanted[i] for i in missing]
            read = self._postings.read_each(asked, tier, characters=characters)
            for i, postings in zip(missing, read, strict=True):
                found[i] = postings
                self._keep(places[i], postings)
            self._wish(tier)
        return [postings for postings in found if postings is not None]

    def bands(self, wanted: Sequence[tuple[int, Segment]], tier: int) -> list[list[PostingBand]]:
        """One tier of each feature in its segment, in bands; see `PostingsTable.read_bands`."""
        found = [self._located(f, s, tier) for f, s in wanted]
        if unlocated := [i for i, bands in enumerate(found) if bands is None]:
            read = self._read_bands([wanted[i] for i in unlocated], tier)
            for i, bands in zip(unlocated, read, strict=True):
                found[i] = bands
        return [bands for bands in found if bands is not None]

    def _located(self, feature: int, segment: Segment, tier: int) -> list[PostingBand] | None:
        """The bands, of a segment in whose file they were found."""
        file = self._file(segment)
        located: LocatedTiers | None = self._cache.find(("located", file))
        if located is None:
            return None
        first_tiers: FirstTiers | None = self._cache.find(file) if tier == 0 else None
        if tier == 0 and first_tiers is None:
            self._wish(tier)
        return located.bands(feature, tier, first_tiers)

    def _read_bands(
        self, wanted: Sequence[tuple[int, Segment]], tier: int
    ) -> list[list[PostingBand]]:
        """The bands as they were kept, or as Lance reads them."""
        places = [("bands", self._place(f, s, tier)) for f, s in wanted]
        found: list[list[PostingBand] | None] = [self._cache.find(place) for place in places]
        missing = [i for i, bands in enumerate(found) if bands is None]
        if missing:
            self._cache.wish(("located", self._snapshot), self._locate)
        read = self._postings.read_bands([wanted[i] for i in missing], tier) if missing else []
        for i, bands in zip(missing, read, strict=True):
            found[i] = bands
            n_bytes = LEAST_BYTES + sum(band.n_bytes for band in bands)
            if n_bytes <= self._cache.capacity * LIST_SHARE:
                self._cache.put(places[i], [band.own for band in bands], n_bytes)
        return [bands for bands in found if bands is not None]

    def _locate(self) -> None:
        """Find out where the tiers are in the files of all segments, as far as that fits."""
        room = self._cache.capacity * LOCATED_SHARE
        for segment in self._segments:
            place = "located", self._file(segment)
            if segment.is_packed and not self._cache.knows(place):
                located = LocatedTiers.of(self._postings, segment)
                if located is not None and located.n_bytes <= room:
                    self._cache.put(place, located, located.n_bytes)
                    room -= located.n_bytes

    def _find(self, place: Place) -> PostingList | None:
        if place.tier == 0:
            whole: FirstTiers | None = self._cache.find(place.file)
            if whole is not None:
                return whole.of(place.feature)
        known: Narrow | None = self._cache.find(place)
        return None if known is None else known.postings

    def _keep(self, place: Place, postings: PostingList) -> int:
        """Keep a list, a long one when it is asked for again, a very long one never; the bytes.

        To copy a long one takes a third of the time of reading it.
        """
        if len(postings) > LONG and not self._cache.knows(place):
            self._cache.put(place, None, LEAST_BYTES)
            return 0
        most_bytes = self._cache.capacity * LIST_SHARE
        if len(postings) * FEWEST_BYTES > most_bytes:
            return 0
        kept = Narrow.of(postings)
        if kept.n_bytes > most_bytes:
            return 0
        self._cache.put(place, kept, kept.n_bytes)
        return kept.n_bytes

    def _wish(self, tier: int) -> None:
        if tier == 0:
            self._cache.wish(("first tiers", self._snapshot), self._read_first)
        elif tier == 1:
            self._cache.wish(("second tiers", self._snapshot), self._read_second)

    def _read_first(self) -> None:
        """Read the first tiers of all segments, the largest first, as far as they fit."""
        room = self._cache.capacity * SHARE
        for segment in sorted(self._segments, key=lambda segment: -segment.size_bytes):
            whole: FirstTiers | None = self._cache.find(self._file(segment))
            if whole is None:
                whole = self._postings.first_tiers(segment, room)
                if whole is not None:
                    self._cache.put(self._file(segment), whole, whole.n_bytes)
            room -= 0 if whole is None else whole.n_bytes

    def _read_second(self) -> None:
        """Read the second tiers of all segments, as far as they fit; none where few would."""
        room = self._cache.capacity * SHARE
        counts = [segment.n_rows // N_TIERS for segment in self._segments]
        n_bytes = n_read = 0
        for segment, n_features in zip(self._segments, counts, strict=True):
            for first in range(0, n_features, FEATURES_AT_ONCE):
                last = min(first + FEATURES_AT_ONCE, n_features)
                n_bytes += self._keep_second(segment, range(first, last))
                n_read += last - first
                if n_bytes > room or n_bytes * sum(counts) > 2 * room * n_read:
                    return

    def _keep_second(self, segment: Segment, features: range) -> int:
        """Read and keep the second tiers of these features that are not kept; the bytes."""
        places = [self._place(feature, segment, 1) for feature in features]
        missing = [place for place in places if not self._cache.knows(place)]
        lists = self._postings.read([place.feature for place in missing], 1, [segment])
        return sum(map(self._keep, missing, lists))

    def _place(
        self, feature: int, segment: Segment, tier: int, *, characters: bool = True
    ) -> Place:
        return Place(self._file(segment), feature, tier, characters or tier == 0)

    def _file(self, segment: Segment) -> Hashable:
        """What tells a segment from every other, of any snapshot."""
        if segment.fragment not in self._files:
            name = self._postings.table.file_of(segment.fragment)
            self._files[segment.fragment] = ("segment", self._postings.table.uri, name)
        return self._files[segment.fragment]
