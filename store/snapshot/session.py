"""A lake as questions see it: snapshots of its collections, each for as long as it is the newest.

What was read of them is kept in a session's `cache`; `embeddings` maps over those of a selection.
"""

import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from threading import Lock

from saelake.store.arrays.cache import Cache
from saelake.store.codes.executor import Executor, Threads
from saelake.store.errors import NotFound, OutdatedIndex
from saelake.store.index.nearest import NearestDocuments
from saelake.store.index.owned_blocks import owners_of_blocks
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.requests.checks import Selection
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.embeddings import Embeddings
from saelake.store.snapshot.fresh import Fresh
from saelake.store.snapshot.inmemory import InMemory
from saelake.store.snapshot.models import NoTexts, Texts
from saelake.store.snapshot.part import PartPiece, parts_of
from saelake.store.snapshot.selection import Selected
from saelake.store.tables.seen import seen

DEFAULT_CACHE_BYTES = 1 << 30
PARTS_BYTES = 100_000  # of a list of them, with the snapshots of tables that it names


class Session:
    """Snapshots of one lake; thread-safe. Each answer is of one snapshot."""

    def __init__(
        self,
        lake: Lake,
        *,
        texts: Texts | None = None,
        executor: Executor | None = None,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
        cache: Cache | None = None,
    ) -> None:
        """What is read is kept in the cache, or else in one of these bytes."""
        self._lake = lake
        self._pinned = Fresh(lambda _: lake.pinned())
        self.texts = texts or NoTexts()
        self.executor = executor or Threads()
        self.cache = cache or Cache(cache_bytes)
        self.embeddings = Embeddings(self.executor, self.cache)
        self._collections: dict[CollectionName, Fresh[Collection]] = {}
        self._lock = Lock()

    def earlier(self, at: str) -> "Session":
        """A session of an earlier state, which shares memory and workers with this one."""
        return Session(
            replace(self._lake, at=at), texts=self.texts, executor=self.executor, cache=self.cache
        )

    @property
    def lake(self) -> Lake:
        """The lake, in which names of dictionaries mean what they did at most `FRESH_S` ago."""
        return self._pinned.value()

    def collection(self, name: str) -> Collection:
        """A snapshot, the newest at most `FRESH_S` before it is asked for. Raises `NotFound`."""
        parsed = CollectionName.parse(name)
        with self._lock:
            known = self._collections.get(parsed) or Fresh(partial(self._newest, parsed))
        try:
            found = known.value()
        except NotFound:
            with self._lock:
                self._collections.pop(parsed, None)
            raise
        with self._lock:  # only now: there are many names that are none
            self._collections.setdefault(parsed, known)
        if told := seen():
            told.held(found.pins)
        return found

    def _newest(self, name: CollectionName, known: Collection | None) -> Collection:
        with suppress(NotFound):  # of a table that was dropped
            if known is not None and known.is_current:
                return known
        found = Collection(self._lake, name, self.cache)
        _warn_of_outdated(found)
        return found

    def select(self, selection: Selection) -> Selected:
        """The documents of a selection. Raises `NotFound` and `InvalidFilter`."""
        collection = self.collection(selection.collection)
        return Selected(collection, collection.filters.mask(selection.where))

    def parts(self, collection: Collection) -> Sequence[PartPiece]:
        """The parts of a collection that are searched by who owns them; none: here."""
        tables = collection.codes.table.key, collection.postings_key
        key = ("parts", tables, collection.documents.n_documents)
        return self.cache.kept(key, lambda: parts_of(collection), lambda _: PARTS_BYTES)

    def nearest(self, selected: Selected) -> NearestDocuments | None:
        """What searches the collection's impacts: one whose levels are kept, where they can be."""
        found = selected.collection.nearest
        if found is not None and owners_of_blocks(self.executor, found) is not None:
            return found
        if found is None or found.n_bytes > self.cache.capacity:
            return found
        key = (selected.collection.impacts_key, selected.codes_key)
        return self.cache.kept(key, found.keeping, lambda nearest: nearest.n_bytes)

    def renew(self) -> bool:
        """Forget the snapshots, so that the newest are opened; whether there were any."""
        with self._lock:
            known = bool(self._collections)
            self._collections.clear()
        return known

    def in_memory(self) -> InMemory:
        """What is kept in memory, and how fresh."""
        with self._lock:
            ages = [known.age_s for known in self._collections.values()]
        return InMemory(
            n_bytes=self.cache.n_bytes,
            capacity=self.cache.capacity,
            n_found=self.cache.n_found,
            n_missed=self.cache.n_missed,
            age_s=min((age for age in ages if age is not None), default=0.0),
        )

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._collections.clear()
        self.cache.clear()


def _warn_of_outdated(collection: Collection) -> None:
    """Say, once, that an index is not used, and what to do."""
    if collection.is_outdated:
        name = collection.name
        warnings.warn(
            f"{name} was indexed before the two poles of its signed features were told apart. The "
            "answers are right, and slower, as nothing of that index is used: make it again with "
            f"`saelake index {name}`.",
            OutdatedIndex,
            stacklevel=3,
        )
