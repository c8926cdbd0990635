"""A disk cache: files of tables in object stores, whole, on a disk of this machine.

Data files of Lance never change and are called by random names, so a file that is there is right;
which files a snapshot has is asked of the store. The folder has, in a folder `saelake` that nobody
else may look into, one folder for each table, in it its files, and a file `used` with the bytes
that are taken. Several processes may share it:

- A file is written under a name that begins with a dot, locked, and gets its name when all of it is
  on the disk. Of two that fetch one, one does. What a killed process leaves is locked by nobody,
  and goes when room is needed.
- Room is taken, and files of no use are let go, under the lock of `used`.
- Who reads a file that another process lets go reads it of the store again.
"""

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from saelake.store.errors import InvalidInput
from saelake.store.tables.objectstore import S3

DEFAULT_SIZE_BYTES = 16 << 30
PART_BYTES = 8 << 20  # of a request: at 100 MB/s a latency of 20 ms is then a quarter of its time
IDLE_S = 600.0  # a file that was used since then stays: else two tables push each other out
_FOLDER = "saelake"
_USED = "used"
_PART = ".part"
_ONLY_OWNER, _ONLY_OWNERS_FILE = 0o700, 0o600

Read = Callable[[int, int], bytes]  # some bytes, from an offset


@dataclass(frozen=True, slots=True)
class _CachedFile:
    """A file of the cache, or a part of one."""

    path: Path
    n_bytes: int
    used_s: float

    @property
    def is_part(self) -> bool:
        return self.path.name.endswith(_PART)


class NoRoom(Exception):
    """A file that does not fit beside those in use."""


class DiskCache:
    """Files of tables, by a table's address and a file's name, up to `size_bytes` in all.

    Raises `InvalidInput` for a folder that cannot be made or written into.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        size_bytes: int = DEFAULT_SIZE_BYTES,
        *,
        idle_s: float = IDLE_S,
    ) -> None:
        if size_bytes < 1:
            raise InvalidInput(f"A disk cache has room for at least a byte, not {size_bytes}.")
        self.folder = Path(folder).expanduser().absolute()
        self.size_bytes = size_bytes
        self._idle_s = idle_s
        self._root = self.folder / _FOLDER
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            self._root.chmod(_ONLY_OWNER)
            with self._room() as room:
                room.count()
        except OSError as error:
            raise InvalidInput(
                f"The disk cache {self.folder} cannot be used: {error.strerror}. Name a folder "
                "that this user may write into.",
                folder=self.folder,
            ) from error

    def place(self, uri: str) -> Path:
        """The folder of a table's files: another for each address and store."""
        endpoint = S3.of(os.environ).endpoint or ""
        return self._root / hashlib.sha256(f"{endpoint}\n{uri}".encode()).hexdigest()[:32]

    def present(self, uri: str, sizes: Mapping[str, int]) -> frozenset[str]:
        """Which of a table's files, of these bytes, are there whole."""
        try:
            found = list(os.scandir(self.place(uri)))
        except FileNotFoundError:
            return frozenset()
        with suppress(FileNotFoundError):  # of a file that goes meanwhile
            return frozenset(
                f.name
                for f in found
                if sizes.get(f.name, -1) == f.stat(follow_symlinks=False).st_size
            )
        return self.present(uri, sizes)

    def use(self, uri: str, names: Collection[str]) -> None:
        """Say that files are in use; they stay for longer."""
        for name in names:
            with suppress(OSError):
                os.utime(self.place(uri) / name)

    def forget(self, uri: str, names: Collection[str]) -> None:
        """Let files go, which are not to be trusted."""
        with self._room() as room:
            for name in names:
                with suppress(OSError):
                    path = self.place(uri) / name
                    n_bytes = path.stat().st_size
                    path.unlink()
                    room.used -= n_bytes

    def fetch(self, uri: str, name: str, n_bytes: int, read: Read) -> bool:
        """Whether the file is there now: what `read` gives, part after part.

        It is not where another process is at it. Raises `NoRoom`, `OSError` of a disk that cannot
        take it, and what `read` raises; then nothing of it stays.
        """
        place = self.place(uri)
        place.mkdir(mode=_ONLY_OWNER, exist_ok=True)
        part = place / f".{name}{_PART}"
        file = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _ONLY_OWNERS_FILE)
        try:
            return _locked(file, part) and self._fetched(file, part, place / name, n_bytes, read)
        finally:
            os.close(file)

    def _fetched(self, file: int, part: Path, path: Path, n_bytes: int, read: Read) -> bool:
        if path.exists():
            part.unlink()
            return True
        whole = False
        try:
            self._take_room(file, n_bytes)
        except NoRoom:
            part.unlink()
            raise
        try:
            for offset in range(0, n_bytes, PART_BYTES):
                data = read(offset, min(PART_BYTES, n_bytes - offset))
                if len(data) < min(PART_BYTES, n_bytes - offset):
                    raise OSError(f"{path.name} ends at {offset + len(data)} of {n_bytes} bytes")
                _put(file, data, offset)
            os.fsync(file)  # so that a file of this name is whole after a loss of power too
            with self._room():  # or who counts meanwhile may see it by neither of its names
                part.rename(path)
            whole = True
        finally:
            if not whole:
                with self._room() as room:
                    part.unlink(missing_ok=True)
                    room.used -= n_bytes
        return True

    def _take_room(self, file: int, n_bytes: int) -> None:
        """Take room for a file; of files out of use as many go as are needed. Raises `NoRoom`."""
        with self._room() as room:
            if room.used + n_bytes > self.size_bytes:
                room.count()
                self._let_go(room, room.used + n_bytes - self.size_bytes)
            if room.used + n_bytes > self.size_bytes:
                raise NoRoom
            os.ftruncate(file, n_bytes)  # what is taken is seen by who counts
            room.used += n_bytes

    def _let_go(self, room: "_Room", n_bytes: int) -> None:
        """Delete the files that were out of use longest, if that gives as many bytes."""
        before = time.time() - self._idle_s
        idle = [f for f in room.files() if (_is_left(f) if f.is_part else f.used_s < before)]
        if sum(f.n_bytes for f in idle) < n_bytes:
            return
        for found in sorted(idle, key=lambda f: (not f.is_part, f.used_s)):
            if n_bytes <= 0:
                return
            with suppress(FileNotFoundError), _held(found) as is_free:
                if is_free:
                    found.path.unlink()
                    room.used -= found.n_bytes
                    n_bytes -= found.n_bytes

    @property
    def used_bytes(self) -> int:
        """The bytes of all its files, counted."""
        with self._room() as room:
            room.count()
            return room.used

    @contextmanager
    def _room(self) -> Iterator["_Room"]:
        """What is taken, for one thread of one process at a time."""
        path = self._root / _USED
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _ONLY_OWNERS_FILE)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            text = os.pread(file, 32, 0)
            room = _Room(self._root, int(text) if text.strip().isdigit() else 0)
            yield room
            os.pwrite(file, f"{max(room.used, 0):<32}".encode(), 0)
        finally:
            os.close(file)  # and the lock with it


@dataclass(slots=True)
class _Room:
    """The bytes that are taken in a folder, those of files that are being fetched too."""

    root: Path
    used: int

    def files(self) -> Iterator[_CachedFile]:
        """Every file of every table, and what is being fetched or was left."""
        for table in os.scandir(self.root):
            if not table.is_dir(follow_symlinks=False):
                continue
            for entry in os.scandir(table.path):
                with suppress(FileNotFoundError):
                    found = entry.stat(follow_symlinks=False)
                    yield _CachedFile(Path(entry.path), found.st_size, found.st_mtime)

    def count(self) -> None:
        """See what is taken: what is written down is wrong after a process was killed."""
        self.used = sum(file.n_bytes for file in self.files())


def _locked(file: int, path: Path) -> bool:
    """Whether this open file is locked by us alone, and is still the one of this path."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(file).st_ino == path.stat().st_ino
    except (BlockingIOError, FileNotFoundError):  # who was at it ended in between
        return False


def _is_left(file: _CachedFile) -> bool:
    """Whether nobody is at what was being fetched any more."""
    with suppress(FileNotFoundError), _held(file) as is_free:
        return is_free
    return False


@contextmanager
def _held(file: _CachedFile) -> Iterator[bool]:
    """Whether nobody is at a file; of what is being fetched nobody can be in the block.

    Raises `FileNotFoundError`.
    """
    if not file.is_part:  # which is read wherever it goes
        yield True
        return
    opened = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield _locked(opened, file.path)
    finally:
        os.close(opened)


def _put(file: int, data: bytes, offset: int) -> None:
    """Write all of it: a disk that is nearly full takes a part, and then says so."""
    view = memoryview(data)
    while view:
        n_bytes = os.pwrite(file, view, offset)
        view, offset = view[n_bytes:], offset + n_bytes
