"""A value that is looked at again when it is old: how fresh answers are, however many are asked."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Lock
from typing import Generic, TypeVar

from saelake.store.requests.waited.waiting import wait

T = TypeVar("T")

FRESH_S = 1.0  # how old what an answer is made of may be, when the question is asked
EARLY = 1 / 2  # of that age: from here on it is renewed beside the questions, so that few wait


class Fresh(Generic[T]):
    """A value that was looked at less than `FRESH_S` before it is asked for; thread-safe.

    Its age is that of the last look, not of the last question. One thread looks at a time, and
    nobody waits for it who finds what is fresh enough.
    """

    def __init__(
        self,
        renewed: Callable[[T | None], T],
        clock: Callable[[], float] = time.monotonic,
        beside: Callable[[Callable[[], None]], object] | None = None,
    ) -> None:
        """`renewed` makes the value of the one before, which may be that one; None at first.

        `beside` runs a look beside the questions: by default in a thread of its own.
        """
        self._renewed = renewed
        self._beside = beside or _in_thread
        self._clock = clock
        self._looked: tuple[float, T] | None = None  # when a look began, and what it found
        self._turn = Lock()

    def value(self) -> T:
        """The value; raises what a look raises, and then looks again next time."""
        asked = self._clock()
        usable = self._found(asked, FRESH_S)
        if usable is not None:
            if asked - usable[0] >= EARLY * FRESH_S:
                self._begin()
            return usable[1]
        wait()
        with self._turn:
            found = self._found(asked, FRESH_S)
            return self._look() if found is None else found[1]

    @property
    def age_s(self) -> float | None:
        """How long ago the value was looked at; None where it was never."""
        looked = self._looked
        return None if looked is None else self._clock() - looked[0]

    def _begin(self) -> None:
        """Begin to look beside the questions, unless someone looks."""
        if self._turn.acquire(blocking=False):
            try:
                self._beside(self._look_beside)
            except RuntimeError:  # the interpreter is about to end
                self._turn.release()

    def _look_beside(self) -> None:
        try:
            with suppress(Exception):  # who must wait for a look sees what it raises
                self._look()
        finally:
            self._turn.release()

    def _found(self, asked: float, age: float) -> tuple[float, T] | None:
        """What was found by a look that began less than an age before a question."""
        looked = self._looked
        return looked if looked is not None and asked - looked[0] < age else None

    def _look(self) -> T:
        began = self._clock()
        value = self._renewed(None if self._looked is None else self._looked[1])
        self._looked = (began, value)
        return value


def _in_thread(look: Callable[[], None]) -> None:
    pool = ThreadPoolExecutor(1, thread_name_prefix="saelake-fresh")
    pool.submit(look)
    pool.shutdown(wait=False)
