"""How long an event loop sleeps for a thread's work before it goes on."""

import sys
import time
from concurrent.futures import Future
from typing import Any

SHARE = 0.1  # of the time, at most, for sleeping in vain
IN_VAIN = 10  # times in vain at once, after a rest


class Patience:
    """Short sleeps of an event loop, for what a thread will have done in a moment.

    A thread and the loop that both run Python pass its lock to and fro at whatever lets go of it,
    dozens of times in one short question, which takes longer than the question (decision 036). So
    the loop sleeps at first, as long as it would have to wait for the lock of a thread that does
    not let go. Sleeps in vain, as for what is read from a disk, take a `SHARE` of the time.
    """

    def __init__(self) -> None:
        self._sleep_s = sys.getswitchinterval()
        self._most_s = self._left_s = IN_VAIN * self._sleep_s
        self._since = time.monotonic()

    def awaits(self, work: "Future[Any]") -> bool:
        """Whether the work is done, after a sleep if there is patience left for one."""
        now = time.monotonic()
        self._left_s = min(self._left_s + SHARE * (now - self._since), self._most_s)
        self._since = now
        if self._left_s < self._sleep_s:
            return work.done()
        try:
            work.exception(self._sleep_s)
        except TimeoutError:
            self._left_s -= self._sleep_s
            return False
        return True
