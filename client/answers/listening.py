"""Listen to how far questions are, here or behind a server."""

import asyncio
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from saelake.store.errors import InvalidInput
from saelake.store.requests.waited.progress import EVERY_S, Progress, Teller, telling


@contextmanager
def progress(listener: Callable[[Progress], object], *, every_s: float = EVERY_S) -> Iterator[None]:
    """A block whose questions tell how far they are: the listener is called with a `Progress`.

    It is called when a stage begins and when it ends, and between at most once in `every_s`
    seconds; of a server a few times a second. In the thread that asks, or, where the block is in
    an event loop, in that loop. What the listener raises ends the question, and is raised by it.
    Of a server only analyses, exports and what reads a text tell. Raises `InvalidInput` for an
    `every_s` below 0.

    >>> with saelake.progress(print):  # doctest: +SKIP
    ...     pairs = lake["imdb/minilm-l4"].correlate()
    """
    if not (isinstance(every_s, int | float) and 0 <= every_s < math.inf):
        raise InvalidInput(f"every_s is a number of seconds, 0 or more, not {every_s!r}.")
    if not callable(listener):
        raise InvalidInput(f"A listener is called with a Progress; {listener!r} cannot be.")
    loop = _running_loop()
    if loop is None:
        with telling(Teller(listener, every_s)):
            yield
        return
    heard = _InLoop(listener, loop)
    with telling(Teller(heard, every_s)):
        yield
    heard.check()


class _InLoop:
    """Calls a listener in an event loop, whichever thread tells."""

    def __init__(
        self, listener: Callable[[Progress], object], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._listener, self._loop = listener, loop
        self._failure: Exception | None = None

    def __call__(self, told: Progress) -> None:
        """Have it called; raise what it raised of what was told before."""
        if _running_loop() is self._loop:
            self._listener(told)
            return
        self.check()
        self._loop.call_soon_threadsafe(self._hear, told)

    def check(self) -> None:
        """Raise what the listener raised in the loop, if it did."""
        if self._failure is not None:
            raise self._failure

    def _hear(self, told: Progress) -> None:
        if self._failure is None:
            try:
                self._listener(told)
            except Exception as failure:
                self._failure = failure  # which the thread raises when it tells next


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
