"""What a file says, read anew when it has changed."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from saelake.store.errors import SaelakeError

log = logging.getLogger("saelake.server")

T = TypeVar("T")
Stamp = tuple[int, int, int]

LOOK_S = 1.0  # between two looks whether it has changed


class Watched(Generic[T]):
    """What a file says; while it cannot be read, what it said before.

    Raises what `read` raises when it is made. A file is to be replaced, not written in place.
    """

    def __init__(self, path: Path, read: Callable[[Path], T]) -> None:
        self._path = path.expanduser()
        self._read = read
        self._stamp = self._stamped()
        self._value = read(self._path)
        self._looked = time.monotonic()

    def value(self) -> T:
        """What it says, or said a second ago."""
        if time.monotonic() >= self._looked + LOOK_S:
            self._looked = time.monotonic()
            self._look()
        return self._value

    def _look(self) -> None:
        stamp = self._stamped()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._value = self._read(self._path)
        except SaelakeError as error:
            log.error("%s What it said before holds on.", error)
        else:
            log.info("%s has changed, and was read anew.", self._path)

    def _stamped(self) -> Stamp | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size
