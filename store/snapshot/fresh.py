"""A value that is looked at again when it is old: how fresh answers are, however many are asked."""

import time
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")

FRESH_S = 1.0  # how old what an answer is made of may be, when the question is asked
EARLY = 1 / 2  # of that age: from here on it is renewed, so that few ever wait for it


class Fresh(Generic[T]):
    """A value that was looked at less than `FRESH_S` before it is asked for; thread-safe.

    Its age is that of the last look, not of the last question. One thread looks at a time. Others
    go on with what is fresh enough meanwhile, and wait only where nothing is.
    """

    def __init__(
        self, renewed: Callable[[T | None], T], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`renewed` makes the value of the one before, which may be that one; None at first."""
        self._renewed = renewed
        self._clock = clock
        self._looked: tuple[float, T] | None = None  # when a look began, and what it found
        self._turn = Lock()

    def value(self) -> T:
        """The value; raises what a look raises, and then looks again next time."""
        asked = self._clock()
        found = self._found(asked, EARLY * FRESH_S)
        if found is not None:
            return found[1]
        usable = self._found(asked, FRESH_S)
        if not self._turn.acquire(blocking=usable is None):
            assert usable is not None
            return usable[1]
        try:
            found = self._found(asked, FRESH_S if usable is None else EARLY * FRESH_S)
            return self._look() if found is None else found[1]
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
