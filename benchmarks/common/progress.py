"""What a benchmark is doing, said on standard error as it goes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

EVERY_S = 30.0  # between two lines of one step

console = Console(stderr=True)


def say(line: str) -> None:
    """A line, which is not broken."""
    console.print(line, soft_wrap=True, markup=False, highlight=False)


@contextmanager
def said(what: str) -> Iterator[None]:
    """Say what is done, and how long it took."""
    begun = time.perf_counter()
    with console.status(what):
        yield
    say(f"{what}: {time.perf_counter() - begun:.1f} s")


class Progress:
    """How far a long step is, in a line every `EVERY_S` seconds."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._begun = self._said = time.perf_counter()

    def at(self, n: int, total: int) -> None:
        """So many of so many are done."""
        now = time.perf_counter()
        if now - self._said >= EVERY_S:
            self._said = now
            say(f"{self._what}: {n:,} of {total:,}, {now - self._begun:.0f} s")
