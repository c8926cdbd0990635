"""Who has requests under way: a process holds a lock on a file, which ends with the process."""

import os
from pathlib import Path
from typing import IO
from uuid import uuid4

FOLDER = "asking"
HAS_LOCKS = os.name == "posix"


class Holder:
    """A lock of this process, of which no other has the name."""

    def __init__(self, folder: Path) -> None:
        self.name = uuid4().hex
        self._path = _path(folder, self.name)
        self._path.parent.mkdir(mode=0o700, exist_ok=True)
        _sweep(folder)
        # Locked under a name that nobody looks for: who finds the right one finds it locked.
        early = self._path.with_suffix(".new") if HAS_LOCKS else self._path
        self._file = early.open("w")
        if HAS_LOCKS:
            _lock(self._file)
            early.rename(self._path)

    def close(self) -> None:
        """Let go of it."""
        self._path.unlink(missing_ok=True)
        self._file.close()


def has_ended(folder: Path, name: str) -> bool:
    """Whether the process of a lock is gone.

    Where a system has no locks every other process is taken to be: what it asks is then asked by
    this one as well, and counted as if its answer were given up.
    """
    if not HAS_LOCKS:
        return True
    path = _path(folder, name)
    try:
        with path.open("r+") as file:
            _lock(file)
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    path.unlink(missing_ok=True)
    return True


def _sweep(folder: Path) -> None:
    """Remove the locks of processes that are gone."""
    for path in list((folder / FOLDER).glob("*.lock")):
        has_ended(folder, path.stem)


def _lock(file: IO[str]) -> None:
    """Lock an open file. Raises `BlockingIOError` where another process has."""
    import fcntl  # only where there are locks

    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _path(folder: Path, name: str) -> Path:
    return folder / FOLDER / f"{name}.lock"
