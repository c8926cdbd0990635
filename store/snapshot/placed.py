"""Filters of a collection that has a map: those with areas of it too."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

import numpy as np

from saelake.store.arrays.cache import Cache
from saelake.store.documents.filters import ENTRY_BYTES, DocumentMask, FilterCache
from saelake.store.errors import InvalidFilter
from saelake.store.index.maps import MapTable
from saelake.store.predicates.mistakes import refusal
from saelake.store.predicates.placed import Area, may_be_placed, placed
from saelake.store.predicates.predicate import Predicate


@dataclass(frozen=True, slots=True)
class PlacedFilters:
    """The filters of a corpus, and areas of the map that `find` finds; thread-safe.

    Of a document that is not on the map nothing is known: it is in no area and outside of none.
    """

    filters: FilterCache
    find: Callable[[], MapTable | None]
    cache: Cache

    def mask(self, where: str | None) -> DocumentMask | None:
        """The mask of `where`; None when there is no filter and nothing is deleted."""
        if where is None or not may_be_placed(where):
            return self.filters.mask(where)
        asked = placed(where)
        if not asked.areas:  # the word stands in a text
            return self.filters.mask(where)
        found = self._map(where)
        key = ("placed", self.filters.key, found.table.key, where)
        kept: DocumentMask | None = self.cache.find(key)
        if kept is not None:
            return kept
        mask = reduce(np.logical_and, (self._within(found, area) for area in asked.areas))
        mask &= True if (alive := self.filters.mask(None)) is None else alive
        is_stable = True
        if asked.rest is not None:
            rest, is_stable = self.filters.kept(where, asked.rest)
            mask &= rest
        if is_stable:
            self.cache.put(key, mask, mask.nbytes + len(where) + ENTRY_BYTES)
        return mask

    def predicate(self, where: str) -> Predicate:
        """See `FilterCache`: areas have no meaning for columns."""
        return self.filters.predicate(where)

    def _map(self, where: str) -> MapTable:
        found = self.find()
        if found is None:
            raise _no_map(where)
        return found

    def _within(self, found: MapTable, area: Area) -> DocumentMask:
        """Which documents are in an area, or on the map and not in it."""
        mask = np.zeros(self.filters.n_documents, np.bool_)
        inside = area.polygon.contains(found.x, found.y)
        rows = found.row[inside != area.negated]
        mask[rows[rows < len(mask)]] = True
        return mask


def _no_map(where: str) -> InvalidFilter:
    return refusal(
        where, "the collection has no map of its documents. Make one with `saelake project`."
    )
