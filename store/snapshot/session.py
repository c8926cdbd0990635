"""A lake as questions see it: snapshots of its collections, each for as long as it is the newest.

What was read of them is kept in a session's `cache`; `embeddings` maps over those of a selection.
"""

import math
import time
import warnings
from threading import Lock

from saelake.store.codes.executor import Executor, Threads
from saelake.store.errors import OutdatedIndex
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.requests.checks import Selection
from saelake.store.snapshot.cache import Cache
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.embeddings import Embeddings
from saelake.store.snapshot.models import NoTexts, Texts
from saelake.store.snapshot.selection import Selected

FRESH_S = 1.0  # how old a snapshot may be before it is looked at whether there is a newer one
DEFAULT_CACHE_BYTES = 1 << 30


class Session:
    """Snapshots of one lake; thread-safe. Each answer is of one snapshot."""

    def __init__(
        self,
        lake: Lake,
        *,
        texts: Texts | None = None,
        executor: Executor | None = None,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
    ) -> None:
        self._lake = lake
        self._pinned = (-math.inf, lake)
        self.texts = texts or NoTexts()
        self.executor = executor or Threads()
        self.cache = Cache(cache_bytes)
        self.embeddings = Embeddings(self.executor, self.cache)
        self._collections: dict[CollectionName, tuple[float, Collection]] = {}
        self._lock = Lock()

    @property
    def lake(self) -> Lake:
        """The lake, with names of dictionaries that are at most `FRESH_S` old."""
        checked, pinned = self._pinned
        now = time.monotonic()
        if now - checked >= FRESH_S:
            pinned = self._lake.pinned()
            self._pinned = (now, pinned)
        return pinned

    def collection(self, name: str) -> Collection:
        """A snapshot that is at most `FRESH_S` older than the newest. Raises `NotFound`."""
        parsed = CollectionName.parse(name)
        with self._lock:
            checked, known = self._collections.get(parsed, (0.0, None))
        now = time.monotonic()
        if known is not None and (now - checked < FRESH_S or known.is_current):
            found = known
        else:
            found = Collection(self._lake, parsed)
            _warn_of_outdated(found)
        with self._lock:
            self._collections[parsed] = (now, found)
        return found

    def select(self, selection: Selection) -> Selected:
        """The documents of a selection. Raises `NotFound` and `InvalidFilter`."""
        collection = self.collection(selection.collection)
        return Selected(collection, collection.filters.mask(selection.where))

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
