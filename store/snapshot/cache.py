"""A cache: what was read or made of snapshots, kept in memory up to a number of bytes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any, TypeVar

R = TypeVar("R")


class Cache:
    """Values by key, the least recently used forgotten when they exceed `capacity` bytes."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = Lock()

    def knows(self, key: Hashable) -> bool:
        """Whether the key was put, be it too large to be kept."""
        with self._lock:
            return key in self._values

    def find(self, key: Hashable) -> Any:
        """The value, or None."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: Hashable, value: Any, n_bytes: int) -> None:
        """Keep a value; of one that is too large only that it is."""
        with self._lock:
            fits = n_bytes <= self.capacity
            self._values[key] = (value, n_bytes) if fits else (None, 0)
            while sum(size for _, size in self._values.values()) > self.capacity:
                self._values.popitem(last=False)

    def kept(self, key: Hashable, make: Callable[[], R], n_bytes: Callable[[R], int]) -> R:
        """What `make` made for this key, now or before."""
        found = self.find(key)
        if found is None:
            found = make()
            self.put(key, found, n_bytes(found))
        value: R = found
        return value

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._values.clear()
