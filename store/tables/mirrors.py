"""Which lakes have a disk cache in this process, and the threads that fetch files into it.

Readers are never kept waiting: a file that is not there yet is read where it is. Files are fetched
beside the questions, small ones when a table is first read, and large ones when it is read again
and again: a process that asks once would end before they came.
"""

import atexit
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from queue import Empty, PriorityQueue
from threading import Event, Lock, Thread, current_thread

from saelake.store.errors import SaelakeError, SaelakeWarning
from saelake.store.tables.diskcache import DiskCache, NoRoom, Read
from saelake.store.tables.files import parts_of
from saelake.store.tables.objectstore import is_s3

SMALL_BYTES = 32 << 20  # a third of a second at 100 MB/s
PATIENCE = 3  # questions of a table before its large files are fetched
THREADS = 4
RETRY_S = 60.0  # after a file did not come, or did not fit
_SLASH = "--"  # in the name of a copy, for that of a file in a folder of the table's data
LINGER_S = 0.2  # of a thread with nothing to fetch
CLOSE_S = 3.0  # for small files under way when a mirror is closed

_mirrors: dict[str, list["Mirror"]] = defaultdict(list)  # by lake; the last is asked
_lock = Lock()
_pauses = 0


class _Closed(Exception):
    """The mirror was closed while a large file was fetched."""


class Mirror:
    """The files of a lake's tables that are in a disk cache, or wanted there; thread-safe."""

    def __init__(self, lake: str, cache: DiskCache) -> None:
        self.cache = cache
        self._lake = lake.rstrip("/")
        self._reads: Counter[str] = Counter()
        self._queue: PriorityQueue[tuple[bool, int, int, str, str, int]] = PriorityQueue()
        self._turn = count()
        self._wanted: set[tuple[str, str]] = set()
        self._refused: dict[tuple[str, str], float] = {}  # until when
        self._threads: list[Thread] = []
        self._closed = Event()
        self._full = (0.0, 0)  # until when there is no room for files of so many bytes
        self._trouble: str | None = None
        self._told = False
        self._own = Lock()
        with _lock:
            _mirrors[self._lake].append(self)

    def want(self, uri: str, missing: Mapping[str, int]) -> None:
        """Have files of a table fetched, if they are small or the table is read often."""
        self._tell()
        with self._own:
            self._reads[uri] += 1
            if self._trouble or self._closed.is_set():
                return
            now, n_reads = time.monotonic(), self._reads[uri]
            for name, n_bytes in missing.items():
                key = (uri, name)
                large = n_bytes > SMALL_BYTES
                late = large and n_reads < PATIENCE
                if late or key in self._wanted or self._refused.get(key, 0) > now:
                    continue
                self._wanted.add(key)
                self._queue.put((large, -n_reads, next(self._turn), uri, name, n_bytes))
            while self._wanted and len(self._threads) < THREADS:
                thread = Thread(target=self._work, name="saelake-fetch", daemon=True)
                self._threads.append(thread)
                thread.start()

    def fetch(
        self, uri: str, missing: Mapping[str, int], on_bytes: Callable[[int], object]
    ) -> list[str]:
        """Fetch files now, some at once; the names of those for which there was no room.

        Raises what the store and the disk do. `on_bytes` is told of each part that came, by several
        threads. When the mirror is closed no more come.
        """

        def come(name: str) -> bool:
            with suppress(_Closed):
                read = _counted(_reader(uri, name), on_bytes)
                return not self._closed.is_set() and self._come(uri, name, missing[name], read)
            return False

        with ThreadPoolExecutor(THREADS, thread_name_prefix="saelake-fetch") as pool:
            return [n for n, came in zip(missing, pool.map(come, missing), strict=True) if not came]

    def copy_of(self, uri: str, name: str, n_bytes: int) -> str | None:
        """The path of a copy of a file in a table's data folder; None while it is not here.

        Then it is wanted. The path may cease to be, though not under who has opened it.
        """
        called = name.replace("/", _SLASH)
        if called in self.cache.present(uri, {called: n_bytes}):
            self.cache.use(uri, [called])
            return str(self.cache.place(uri) / called)
        self.want(uri, {called: n_bytes})
        return None

    def close(self) -> None:
        """Fetch no more; small files under way still come, within some seconds."""
        with _lock:
            if self in _mirrors[self._lake]:
                _mirrors[self._lake].remove(self)
        self._closed.set()
        until = time.monotonic() + CLOSE_S
        for thread in tuple(self._threads):
            thread.join(max(until - time.monotonic(), 0))

    def idle(self) -> bool:
        """Whether nothing is wanted that has not come, or been refused."""
        with self._own:
            return not self._wanted

    def _work(self) -> None:
        while not self._closed.is_set():
            try:
                *_, uri, name, n_bytes = self._queue.get(timeout=LINGER_S)
            except Empty:
                with self._own:  # else what is put in now would wait for a thread that ends
                    if self._queue.empty():
                        self._threads.remove(current_thread())
                        return
            else:
                self._fetch_one(uri, name, n_bytes)

    def _fetch_one(self, uri: str, name: str, n_bytes: int) -> None:
        came = False
        try:
            came = self._trouble is None and self._come(uri, name, n_bytes, _reader(uri, name))
        except (SaelakeError, _Closed):
            pass  # of the store: a question that needs the file says so
        except OSError as error:
            self._trouble = (
                f"The disk cache {self.cache.folder} takes no more files: "
                f"{error.strerror or error}. Questions read them of the object store. Free some of "
                "the disk, or name another folder."
            )
        with self._own:
            self._wanted.discard((uri, name))
            if not came:
                self._refused[uri, name] = time.monotonic() + RETRY_S

    def _come(self, uri: str, name: str, n_bytes: int, read: Read) -> bool:
        """Whether a file has come. Where one does not fit, larger ones are not tried for a while.

        To find that out all files are counted.
        """
        until, size = self._full
        if n_bytes >= size and time.monotonic() < until:
            return False
        try:
            return self.cache.fetch(uri, name, n_bytes, self._until_closed(read, n_bytes))
        except NoRoom:
            self._full = (time.monotonic() + RETRY_S, n_bytes)
            return False

    def _until_closed(self, read: Read, n_bytes: int) -> Read:
        def part(offset: int, size: int) -> bytes:
            if n_bytes > SMALL_BYTES and self._closed.is_set():
                raise _Closed
            return read(offset, size)

        return part

    def _tell(self) -> None:
        """Warn, once and where somebody asks, that the disk cache cannot be written."""
        if self._trouble and not self._told:
            self._told = True
            warnings.warn(self._trouble, SaelakeWarning, stacklevel=2)


def _reader(uri: str, name: str) -> Read:
    """What reads parts of a data file of a table; it is opened with the first."""
    opened: list[Read] = []

    def read(offset: int, size: int) -> bytes:
        if not opened:
            opened.append(parts_of(f"{uri}/data/{name.replace(_SLASH, '/')}"))
        return opened[0](offset, size)

    return read


def _counted(read: Read, on_bytes: Callable[[int], object]) -> Read:
    def part(offset: int, size: int) -> bytes:
        data = read(offset, size)
        on_bytes(len(data))
        return data

    return part


def mirror_of(uri: str) -> Mirror | None:
    """The mirror of the lake that a table is in, if it has one in this process."""
    if not _mirrors or _pauses:
        return None
    found = _mirrors.get(uri.rpartition("/")[0])
    return found[-1] if found else None


def mirrored(lake: str, cache: DiskCache | None) -> Mirror | None:
    """A mirror of a lake in an object store; of others, whose files are near, there is none."""
    return Mirror(lake, cache) if cache is not None and is_s3(lake) else None


def is_unmirrored() -> bool:
    """Whether somebody in this process is looking at what is stored; see `unmirrored`."""
    return _pauses > 0


@contextmanager
def unmirrored() -> Iterator[None]:
    """A block in which this process reads no files of disk caches: what is stored is looked at.

    Tables that are opened in it are read as if nothing was known of their files.
    """
    global _pauses
    with _lock:
        _pauses += 1
    try:
        yield
    finally:
        with _lock:
            _pauses -= 1


@atexit.register
def _close_all() -> None:
    for mirror in [mirror for mirrors in _mirrors.values() for mirror in mirrors]:
        mirror.close()
