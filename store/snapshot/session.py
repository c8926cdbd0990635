"""A lake as questions see it: snapshots of its tables, and what was read of them and kept."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from saelake.store.codes.embeddings import Block, blocks
from saelake.store.codes.executor import Executor, Piece, Threads, pieces
from saelake.store.documents.filters import DocumentMask
from saelake.store.errors import DictionaryMismatch
from saelake.store.format.lists import Array
from saelake.store.index.bitmaps import AsBitmaps, Bitmap
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.requests import Pooling, Selection
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.models import NoTexts, Texts
from saelake.store.tables.tables import Table

R = TypeVar("R")
S = TypeVar("S", Block, Bitmap)

FRESH_S = 1.0  # how old a snapshot may be before it is looked at whether there is a newer one
DEFAULT_CACHE_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Selected:
    """A snapshot of a collection, and which of its documents are meant (None: all)."""

    collection: Collection
    mask: DocumentMask | None

    @property
    def codes_key(self) -> Hashable:
        """What tells this snapshot of codes from every other."""
        return self.collection.codes.table.uri, self.collection.codes.table.version

    @property
    def key(self) -> Hashable:
        """What tells this snapshot, and what of it is deleted, from every other."""
        return self.codes_key, self.collection.documents.tombstones.version

    @property
    def whole(self) -> "Selected":
        """All documents of the collection."""
        return Selected(self.collection, self.collection.filters.mask(None))

    @property
    def d_sae(self) -> int:
        """How many features there are."""
        return self.collection.settings.d_sae


@dataclass(frozen=True, slots=True)
class _Task:
    """What a worker does with a piece, or with its blocks; it can be sent to another process."""

    work: Callable[[Block], Any]
    pooling: Pooling
    mask: DocumentMask | None

    def __call__(self, source: Piece | Sequence[Block]) -> list[Any]:
        read = blocks(source, self.pooling) if isinstance(source, Piece) else source
        return [self.work(block.kept(self.mask)) for block in read]


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
        self._collections: dict[CollectionName, tuple[float, Collection]] = {}
        self._cache = Cache(cache_bytes)
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
        with self._lock:
            self._collections[parsed] = (now, found)
        return found

    def select(self, selection: Selection) -> Selected:
        """The documents of a selection. Raises `NotFound` and `InvalidFilter`."""
        collection = self.collection(selection.collection)
        return Selected(collection, collection.filters.mask(selection.where))

    def map(
        self, selected: Selected, work: Callable[[Block], R], pooling: Pooling = "max"
    ) -> Iterator[R]:
        """What `work` makes of each block of the selection's embeddings, in table order."""
        held = self._cache.find((selected.codes_key, pooling))
        sources: Sequence[Any] = held or pieces(selected.collection.codes)
        task = _Task(work, pooling, selected.mask)
        for results in self.executor.map(task, sources):
            yield from results

    def hold(self, selected: Selected, pooling: Pooling = "max") -> Sequence[Block] | None:
        """The embeddings of the whole snapshot, kept in memory; None when they do not fit."""
        work = _Task(_itself, pooling, None)
        return self._gathered((selected.codes_key, pooling), work, selected)

    def kept(self, key: Hashable, make: Callable[[], R], n_bytes: Callable[[R], int]) -> R:
        """What `make` made for this key, now or before."""
        found = self._cache.find(key)
        if found is None:
            found = make()
            self._cache.put(key, found, n_bytes(found))
        value: R = found
        return value

    def bitmaps(self, selected: Selected) -> Sequence[Bitmap] | None:
        """The bits of the whole snapshot, kept in memory; None where its embeddings are smaller."""
        work = AsBitmaps(selected.d_sae)
        return self._gathered((selected.codes_key, "bitmaps"), work, selected)

    def _gathered(
        self, key: Hashable, work: Callable[[Piece], Sequence[S] | None], selected: Selected
    ) -> Sequence[S] | None:
        """What `work` makes of all pieces; None where that does not fit, or it makes nothing."""
        if not self._cache.knows(key):
            self._cache.put(key, *self._made(work, selected))
        kept: Sequence[Sequence[S]] | None = self._cache.find(key)
        return None if kept is None else [made for piece in kept for made in piece]

    def _made(
        self, work: Callable[[Piece], Sequence[S] | None], selected: Selected
    ) -> tuple[Sequence[Sequence[S]] | None, int]:
        """The same of each piece, and its bytes; it ends with the first that is too much."""
        made: list[Sequence[S]] = []
        n_bytes = 0
        for found in self.executor.map(work, pieces(selected.collection.codes)):
            n_bytes += sum(part.n_bytes for part in found or ())
            if found is None or n_bytes > self._cache.capacity:
                return None, 0
            made.append(found)
        return made, n_bytes

    def frequencies(self, selected: Selected) -> tuple[int, Array]:
        """How many documents a selection has, and in how many each feature fires (d_sae,)."""

        def count() -> tuple[int, Array]:
            bitmaps = self.bitmaps(selected)
            if bitmaps is not None:
                return counted((b.frequencies(selected.mask) for b in bitmaps), selected.d_sae)
            return counted(self.map(selected, Count(selected.d_sae), "binary"), selected.d_sae)

        if selected.mask is not selected.whole.mask:
            return count()
        return self.kept((selected.key, "frequencies"), count, lambda found: found[1].nbytes)

    def dictionary(self, name: str) -> dict[str, Any]:
        """What is registered of a dictionary, by column; empty where nothing is."""
        table = Table.find(self.lake.dictionaries)
        if table is None:
            return {}
        columns = [column for column in table.schema.names if column != "vocabulary"]
        rows = pa.Table.from_batches(table.scan(columns)).to_pylist()
        tables = self.lake.tables_of(name)
        return next(({**row, "name": name} for row in rows if row["name"] == tables), {})

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._collections.clear()
        self._cache.clear()


@dataclass(frozen=True, slots=True)
class Count:
    """Counts the documents of a block, and those in which each feature fires above a value."""

    d_sae: int
    threshold: float = 0.0

    def __call__(self, block: Block) -> tuple[int, Array]:
        """How many documents, and how many for each feature int64 (d_sae,)."""
        fires = block.features[block.values > np.float32(self.threshold)]
        return len(block), np.bincount(fires, minlength=self.d_sae)


def counted(parts: Iterable[tuple[int, Array]], d_sae: int) -> tuple[int, Array]:
    """The sum of what `Count` found."""
    n, fires = 0, np.zeros(d_sae, np.int64)
    for n_part, fires_part in parts:
        n, fires = n + n_part, fires + fires_part
    return n, fires


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


def _itself(block: Block) -> Block:
    return block


class Cache:
    """Values by key, the least recently used forgotten when they exceed `capacity` bytes."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = Lock()

    def knows(self, key: Hashable) -> bool:
        """Whether the key was put, be it too large to be kept."""
        with self._lock:
            return key in self._values

    def find(self, key: Hashable) -> Any:
        """The value, or None."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: Hashable, value: Any, n_bytes: int) -> None:
        """Keep a value; of one that is too large only that it is."""
        with self._lock:
            fits = n_bytes <= self.capacity
            self._values[key] = (value, n_bytes) if fits else (None, 0)
            while sum(size for _, size in self._values.values()) > self.capacity:
                self._values.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._values.clear()
