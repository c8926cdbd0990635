"""Which questions are so quick that no thread is asked to answer them."""

import time
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from saelake.store.requests.waited.waiting import Waits, noting

QUICK_S = 2e-3  # of processor time: less than two threads take to hand Python's lock over
MOST_KINDS = 1000


class Quickness:
    """The kinds of questions of which the last was answered in no time, and did not wait."""

    def __init__(self) -> None:
        self._kinds: OrderedDict[Hashable, None] = OrderedDict()

    def has(self, kind: Hashable | None) -> bool:
        """Whether questions of this kind are quick, as far as is known; those of None never."""
        return kind is not None and kind in self._kinds

    @contextmanager
    def measuring(self, kind: Hashable | None, *, may_wait: bool) -> Iterator[None]:
        """A block in which a question of this kind is answered, by the thread that it is in.

        Raises `WouldWait` in it where it would wait, and may not.
        """
        waits, begun = Waits(may=may_wait), time.thread_time()
        try:
            with noting(waits):
                yield
        finally:
            if kind is not None:
                lasted = time.thread_time() - begun
                self._note(kind, is_quick=lasted < QUICK_S and not waits.were)

    def _note(self, kind: Hashable, *, is_quick: bool) -> None:
        if not is_quick:
            self._kinds.pop(kind, None)
        elif kind not in self._kinds:
            self._kinds[kind] = None
            if len(self._kinds) > MOST_KINDS:
                self._kinds.popitem(last=False)
