"""A snapshot whose files are read of a disk cache where they are there, and of the store else."""

import time
from collections.abc import Callable, Iterator
from threading import Lock
from typing import TypeVar

import lance
import pyarrow as pa

from saelake.store.tables.manifests import elsewhere
from saelake.store.tables.mirrors import Mirror

R = TypeVar("R")

LOOK_S = 1.0  # between two looks whether files have come
SETTLED_S = 30.0  # between two looks when all are there, and between two signs of use
LOOKING = 50  # times as long as a look takes: of a table of ten thousand files it is not quick
_PANIC = "PanicException"  # of the Rust runtime; it is no Exception, and cannot be imported


class Mirrored:
    """Reads a snapshot by way of a mirror; thread-safe.

    The snapshot is opened again, with a manifest that says where its files are, as they come. What
    goes wrong in reading these is read of the store: another process may have let a file go.
    """

    def __init__(self, dataset: "lance.LanceDataset", mirror: Mirror) -> None:
        self.mirror = mirror
        self._dataset = dataset
        self._uri = str(dataset.uri)
        self._opened = dataset
        self._here: frozenset[str] = frozenset()
        self._sizes: dict[str, int] | None = None
        self._next_look_s = self._next_use_s = 0.0
        self._lock = Lock()

    def read(self, work: Callable[["lance.LanceDataset"], R]) -> R:
        """What `work` makes of the snapshot; it may be called twice."""
        source = self.source()
        try:
            return work(source)
        except BaseException as error:
            if source is self._dataset or not _is_of_reading(error):
                raise
        found = work(self._dataset)  # if this fails too, it is not for the disk cache
        self._mistrust()
        return found

    def stream(
        self, begin: Callable[["lance.LanceDataset"], Iterator[pa.RecordBatch]]
    ) -> Iterator[pa.RecordBatch]:
        """The batches that `begin` reads of the snapshot, always in one order."""
        source = self.source()
        n_rows = 0
        try:
            for batch in begin(source):
                yield batch
                n_rows += batch.num_rows
            return
        except BaseException as error:
            if source is self._dataset or not _is_of_reading(error):
                raise
        yield from _after(begin(self._dataset), n_rows)
        self._mistrust()

    def source(self) -> "lance.LanceDataset":
        """The snapshot, with the files that are here now, or were a moment ago."""
        now = time.monotonic()
        if now >= self._next_look_s and self._lock.acquire(blocking=False):
            try:
                self._look(now)
            finally:
                self._lock.release()
        return self._opened

    def missing(self) -> dict[str, int]:
        """The files that are not here, and their bytes."""
        here = self.mirror.cache.present(self._uri, self.sizes)
        return {name: size for name, size in self.sizes.items() if name not in here}

    @property
    def sizes(self) -> dict[str, int]:
        """The snapshot's files that can be here, and their bytes."""
        if self._sizes is None:
            every = [f for part in self._dataset.get_fragments() for f in part.metadata.files]
            self._sizes = {
                str(file.path): file.file_size_bytes
                for file in every
                if file.file_size_bytes and file.base_id is None
            }
        return self._sizes

    def _look(self, now: float) -> None:
        cache = self.mirror.cache
        here = cache.present(self._uri, self.sizes)
        if here != self._here:
            self._opened, self._here = self._with(here), here
        if now >= self._next_use_s:
            cache.use(self._uri, here)
            self._next_use_s = now + SETTLED_S
        self.mirror.want(self._uri, {n: s for n, s in self.sizes.items() if n not in here})
        pause = SETTLED_S if len(here) == len(self.sizes) else LOOK_S
        self._next_look_s = now + max(pause, pause and LOOKING * (time.monotonic() - now))

    def _with(self, here: frozenset[str]) -> "lance.LanceDataset":
        """The snapshot with these files where the cache has them."""
        if not here:
            return self._dataset
        folder = self.mirror.cache.place(self._uri).as_uri()
        try:
            return lance.LanceDataset(
                self._uri,
                self._dataset.version,
                storage_options=self._dataset._storage_options,
                serialized_manifest=elsewhere(
                    self._dataset._ds.serialized_manifest(), here, folder
                ),
                session=self._dataset.session(),
            )
        except (OSError, ValueError, RuntimeError):  # the store's manifest is looked for once more
            return self._dataset

    def _mistrust(self) -> None:
        """Let go of what could not be read here: of files that are gone, or else of all."""
        with self._lock:
            cache = self.mirror.cache
            if self._here <= cache.present(self._uri, self.sizes):
                cache.forget(self._uri, self._here)
            self._opened, self._here, self._next_look_s = self._dataset, frozenset(), 0.0


def _is_of_reading(error: BaseException) -> bool:
    return isinstance(error, OSError | ValueError | RuntimeError) or type(error).__name__ == _PANIC


def _after(batches: Iterator[pa.RecordBatch], n_rows: int) -> Iterator[pa.RecordBatch]:
    """The batches without their first rows, which were given before."""
    for batch in batches:
        if n_rows < batch.num_rows:
            yield batch.slice(n_rows)
        n_rows = max(n_rows - batch.num_rows, 0)
