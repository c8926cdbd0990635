"""A collection as queries see it: one consistent snapshot of its tables."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from saelake.store.arrays.cache import Cache
from saelake.store.codes.table import CodesTable
from saelake.store.documents.documents import Documents
from saelake.store.documents.shown import HELD_BYTES
from saelake.store.errors import DictionaryMismatch, NotFound
from saelake.store.format.lists import Array
from saelake.store.format.schema import N_TIERS
from saelake.store.index.impact_blocks import ImpactsTable
from saelake.store.index.maps import DOCUMENTS, MapTable
from saelake.store.index.nearest import NearestDocuments
from saelake.store.index.segments import (
    PostingBand,
    PostingList,
    PostingsTable,
    Segment,
    covered_by,
    scan_posting_lists,
    scan_postings,
)
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.snapshot.placed import PlacedFilters
from saelake.store.snapshot.tiers import Tiers
from saelake.store.tables.at_once import are_all
from saelake.store.tables.seen import ABSENT
from saelake.store.tables.tables import Table


class Collection:
    """Snapshots of a collection's tables, opened so that each refers only to rows that exist.

    Postings are opened first and documents last: a segment covers codes that were committed
    before it, codes are of documents that were committed before them, and what is deleted is known
    last. `segments` are those
    of the postings that are valid for these codes; `unindexed` are the fragments of codes that
    none of them covers.
    """

    def __init__(self, lake: Lake, name: CollectionName, cache: Cache | None = None) -> None:
        """The newest snapshot; what is read of it is kept in the cache, or else in its own.

        Raises `NotFound`.
        """
        self.name = name
        cache = cache or Cache(HELD_BYTES)
        self._lake = lake = lake.pinned()
        postings = Table.find(lake.postings(name))
        self.codes = CodesTable.of(lake, open_codes(lake, name))
        # A replaced dictionary goes by the name that it was given then.
        self.settings = replace(self.codes.settings, dictionary=name.dictionary)
        self.postings = PostingsTable(postings) if postings else None
        self.documents = Documents.open(lake, name.corpus, cache)
        self._cache = cache
        self._maps: dict[str, Table | None] = {}  # those that were asked for
        self.filters = PlacedFilters(self.documents.filters, partial(self.map, DOCUMENTS), cache)
        self._fragments = fragments = {fragment.id for fragment in self.codes.table.fragments}
        stored = self.postings.segments if self.postings else ()
        self.segments = tuple(segment for segment in stored if segment.is_valid(fragments))
        self.unindexed = tuple(sorted(fragments.difference(covered_by(self.segments))))
        self._tiers = Tiers(self.postings, self.segments, cache) if self.postings else None

    @cached_property
    def impacts(self) -> ImpactsTable | None:
        """The impacts, opened when first asked for: few questions need them."""
        table = Table.find(self._lake.impacts(self.name))
        return ImpactsTable(table) if table is not None and table.fragments else None

    @cached_property
    def nearest(self) -> NearestDocuments | None:
        """A search of those blocks of impacts that are valid for these codes, if there are any."""
        if self.impacts is None:
            return None
        valid = tuple(b for b in self.impacts.blocks if b.is_valid(self._fragments))
        overall = tuple(self.impacts.overall.values())
        return (
            NearestDocuments(table=self.impacts, blocks=valid, overall=overall) if valid else None
        )

    def map(self, of: str) -> MapTable | None:
        """The map of its documents or features, opened when first asked for, if it was made."""
        if of not in self._maps:
            self._maps[of] = Table.find(self._lake.map(self.name, of))
        table = self._maps[of]
        if table is None or not table.n_rows:
            return None
        return self._cache.kept(table.key, partial(MapTable.read, table), lambda m: m.n_bytes)

    @cached_property
    def bytes_per_document(self) -> float:
        """What a row of codes takes as it is stored, on average; 0 where there are none."""
        fragments = self.codes.table.fragments
        n_rows = sum(fragment.n_rows for fragment in fragments)
        return sum(fragment.size_bytes for fragment in fragments) / max(n_rows, 1)

    @property
    def is_current(self) -> bool:
        """Whether nothing was committed since this snapshot; its tables are asked at once."""
        checks: list[Callable[[], bool]] = [self._is_named, *self.documents.checks]
        checks.append(partial(_is_newest, self.codes.table))
        postings = None if self.postings is None else self.postings.table
        checks.append(partial(_is_still, postings, self._lake.postings(self.name)))
        if "impacts" in self.__dict__ and self.impacts is not None:
            checks.append(partial(_is_newest, self.impacts.table))
        elif "impacts" in self.__dict__:
            checks.append(lambda: not self._has_impacts())
        for of, table in self._maps.items():
            checks.append(partial(_is_still, table, self._lake.map(self.name, of)))
        return are_all(self._lake.uri, checks)

    def pins(self) -> Mapping[str, str]:
        """The pins of the tables that were read of this snapshot, by address; see `Table.pin`."""
        lake, documents = self._lake, self.documents
        read: dict[str, Any] = {
            lake.codes(self.name): self.codes.table,
            lake.postings(self.name): self.postings and self.postings.table,
            lake.documents(self.name.corpus): documents.table,
            lake.deleted(self.name.corpus): documents.tombstones.table,
        }
        if "impacts" in self.__dict__:
            read[lake.impacts(self.name)] = self.impacts and self.impacts.table
        read |= {lake.map(self.name, of): table for of, table in self._maps.items()}
        pins = {place: table.pin if table else ABSENT for place, table in read.items()}
        return {lake.dictionary_names: lake.names.pin if lake.names else ABSENT, **pins}

    @property
    def impacts_key(self) -> Hashable:
        """What tells this snapshot of impacts from every other."""
        return self.impacts and self.impacts.table.key

    @property
    def postings_key(self) -> Hashable:
        """What tells this snapshot of postings from every other."""
        return self.postings and self.postings.table.key

    def _has_impacts(self) -> bool:
        table = Table.find(self._lake.impacts(self.name))
        return table is not None and bool(table.fragments)

    def _is_named(self) -> bool:
        """Whether the dictionary's name still means these codes."""
        newest = replace(self._lake, names=None)
        return newest.codes(self.name) == self._lake.codes(self.name)

    def check_features(self, numbers: Iterable[int]) -> None:
        """Raise `NotFound` for a feature (as poles are numbered) that there is not."""
        d_sae, width = self.settings.d_sae, self.settings.width
        for number in numbers:
            if not 0 <= number < width:
                raise NotFound(
                    f"{self.name} has no feature {number}: its features are 0 to {d_sae - 1}.",
                    feature=number,
                )

    @property
    def is_outdated(self) -> bool:
        """Whether what is indexed is from before both poles of a feature were counted."""
        return bool(self.postings and self.postings.outdated)

    @cached_property
    def split_documents(self) -> Array:
        """Documents that may have postings of a feature in two segments, ascending int64.

        They have several parts, and segments that were built together.
        """
        covers = [segment.covers for segment in self.segments]
        if len(set(covers)) == len(covers):
            return np.empty(0, np.int64)
        return np.array(sorted(self.codes.locations.extra_parts), np.int64)

    def tier(self, feature: int, tier: int, segments: Iterable[Segment]) -> list[PostingList]:
        """One tier of a feature in each of these segments."""
        return self.tiers([(feature, segment) for segment in segments], tier)

    def bands(self, wanted: Sequence[tuple[int, Segment]], tier: int) -> list[list[PostingBand]]:
        """One tier of each feature in its segment, in bands: see `PostingsTable.read_bands`."""
        return [] if self._tiers is None else self._tiers.bands(wanted, tier)

    def tiers(
        self, wanted: Sequence[tuple[int, Segment]], tier: int, *, characters: bool = True
    ) -> list[PostingList]:
        """One tier of each feature in its segment; see `PostingsTable.read_each`."""
        if self._tiers is None:
            return []
        return self._tiers.read(wanted, tier, characters=characters)

    def unindexed_postings(self, feature: int) -> PostingList:
        """The postings of a feature in the fragments that no segment covers."""
        return scan_postings(self.codes, self.unindexed, feature)

    def unindexed_lists(self, features: Sequence[int]) -> Mapping[int, PostingList]:
        """The postings of several features there, which are read once for all."""
        return scan_posting_lists(self.codes, self.unindexed, features)

    def posting_list(self, feature: int) -> PostingList:
        """All postings of a feature, by ascending document."""
        tiers = [p for t in range(N_TIERS) for p in self.tier(feature, t, self.segments)]
        dtype = self.codes.codec.dtype
        whole = PostingList.joined([*tiers, self.unindexed_postings(feature)], dtype)
        return whole[np.argsort(whole.doc)]


def _is_newest(table: Table) -> bool:
    return table.latest() is table


def _is_still(table: Table | None, uri: str) -> bool:
    """Whether a table is as it was found, or is still not there."""
    return Table.find(uri) is None if table is None else _is_newest(table)


def check_same_dictionary(first: Collection, other: Collection) -> None:
    """Raise `DictionaryMismatch` unless features of both are the same features."""
    a, b = first.settings, other.settings
    fields = ("fingerprint", "model_fingerprint", "hook")
    if any(getattr(a, name) != getattr(b, name) for name in fields):
        raise DictionaryMismatch(
            f"{a.name} and {b.name} are of different dictionaries, so feature 5 of one is not "
            "feature 5 of the other. Encode both corpora with one dictionary; to compare "
            "dictionaries, use match.",
            a=a.name,
            b=b.name,
        )


def open_codes(lake: Lake, name: CollectionName) -> Table:
    """The newest codes of a collection. Raises `NotFound`, and says which collections exist."""
    table = Table.find(lake.codes(name))
    if table is not None and table.fragments:
        return table
    begun = [known for known in lake.collections() if Table.find(lake.codes(known)) is not None]
    near = [known for known in begun if known.corpus == name.corpus]
    known = ", ".join(map(str, near or begun)) or "none"
    what = f"Collections of {name.corpus}" if near else "Collections"
    raise NotFound(
        f"There is no collection {name} in {lake.place}. {what}: {known}.", collection=name
    )
