"""What an owner keeps of its pieces: parts by key, within a number of bytes."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

IDLE_S = 60.0  # after which what nobody asked for makes room for what somebody does


@dataclass(slots=True)
class _Holding:
    parts: Sequence[Any]
    n_bytes: int
    used: float


class Holdings:
    """Parts of pieces; thread-safe.

    What was asked for in the last minute is not given up for what is asked for now. So of more than
    fits, gone through again and again, as much as fits is kept, and not always what is asked for
    last.
    """

    def __init__(self, capacity: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.capacity = capacity
        self.n_bytes = 0
        self._clock = clock
        self._kept: OrderedDict[Hashable, _Holding] = OrderedDict()  # by when they were used
        self._lock = Lock()

    def find(self, key: Hashable) -> Sequence[Any] | None:
        """The parts that were put, if they are still kept."""
        with self._lock:
            kept = self._kept.get(key)
            if kept is None:
                return None
            kept.used = self._clock()
            self._kept.move_to_end(key)
            return kept.parts

    def has_room(self, n_bytes: int) -> bool:
        """Whether so much could be put now."""
        with self._lock:
            return self._fits(n_bytes)

    def put(self, key: Hashable, parts: Sequence[Any], n_bytes: int) -> None:
        """Keep the parts of a piece, if there is room for them."""
        with self._lock:
            if key in self._kept or not self._fits(n_bytes):
                return
            while self.n_bytes + n_bytes > self.capacity:
                _, gone = self._kept.popitem(last=False)
                self.n_bytes -= gone.n_bytes
            self._kept[key] = _Holding(parts, n_bytes, self._clock())
            self.n_bytes += n_bytes

    def _fits(self, n_bytes: int) -> bool:
        room, before = self.capacity - self.n_bytes, self._clock() - IDLE_S
        for kept in self._kept.values():
            if room >= n_bytes or kept.used > before:
                break
            room += kept.n_bytes
        return room >= n_bytes
