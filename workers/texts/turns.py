"""Turns at the models, which run one text at a time."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from saelake.store.requests.waited.progress import entered
from saelake.store.requests.waited.stopping import look

LOOK_S = 0.1  # between looks whether who waits is waited for


class ModelTurns:
    """Who has his turn, and who waits for it: first come, first served. Thread-safe."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._line: deque[object] = deque()  # whose first has his turn

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A turn; who listens is told at which place he waits for it.

        Raises `Stopped` where nobody waits for him any more.
        """
        me = object()
        with self._changed:
            self._line.append(me)
        try:
            self._wait(me)
            yield
        finally:
            with self._changed:
                self._line.remove(me)
                self._changed.notify_all()

    def _wait(self, me: object) -> None:
        told = 0
        while place := self._place(me):
            look()
            if place != told:  # outside of the lock: who is told may take his time
                entered(f"waiting for the model, place {place} in line")
            told = place

    def _place(self, me: object) -> int:
        """How many are before one; where there are some, after a moment in which that changed."""
        with self._changed:
            place = self._line.index(me)
            if place:
                self._changed.wait(LOOK_S)
                place = self._line.index(me)
            return place
