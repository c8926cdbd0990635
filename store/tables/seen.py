"""Which snapshots are opened while a question is answered, so that its answer can say so."""

import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

ABSENT = "0"  # of a table that there was not


class Seen:
    """What was seen, by address: each snapshot by its pin (see `Table.pin`)."""

    def __init__(self) -> None:
        self._opened: dict[str, str] = {}
        self._held: list[Callable[[], Mapping[str, str]]] = []

    def opened(self, place: str, pin: str) -> None:
        """A snapshot was opened."""
        self._opened[place] = pin

    def held(self, pins: Callable[[], Mapping[str, str]]) -> None:
        """Snapshots that were opened before are used; which, is asked in the end."""
        if pins not in self._held:
            self._held.append(pins)

    def pins(self) -> Mapping[str, str]:
        """All that was seen."""
        pins = dict(self._opened)
        for held in self._held:
            pins.update(held())
        return pins


_SEEN: ContextVar[Seen | None] = ContextVar("saelake-seen", default=None)


@contextmanager
def seeing() -> Iterator[Seen]:
    """What is seen in this block, by this thread."""
    seen = Seen()
    before = _SEEN.set(seen)
    try:
        yield seen
    finally:
        _SEEN.reset(before)


def seen() -> Seen | None:
    """Who is to be told of what is seen, if anybody is."""
    return _SEEN.get()


def pin_of(version: int, file: str) -> str:
    """What names a snapshot: its version, and what tells its table from one made in its place."""
    return f"{version}.{zlib.crc32(file.encode()):08x}"
