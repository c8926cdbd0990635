"""A cache: what was read or made of snapshots, kept in memory up to a number of bytes."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from threading import Lock
from typing import Any, TypeVar

R = TypeVar("R")

PATIENCE = 3  # questions before something is read whole: a process that asks once reads its part
IMPATIENCE = 4  # times as many before it is read again, where what else is kept drove it out
MOST_WISHES = 1000


class Cache:
    """Values by key, the least recently used forgotten when they exceed `capacity` bytes.

    Thread-safe. `n_bytes` are those of what is kept; `n_found` and `n_missed` count look-ups.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.n_bytes = self.n_found = self.n_missed = 0
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._wishes: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()  # asked, patience
        self._reading: set[Hashable] = set()
        self._lock = Lock()

    def knows(self, key: Hashable) -> bool:
        """Whether the key was put, be it too large to be kept."""
        with self._lock:
            return key in self._values

    def find(self, key: Hashable) -> Any:
        """The value, or None."""
        with self._lock:
            if key not in self._values:
                self.n_missed += 1
                return None
            self.n_found += 1
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: Hashable, value: Any, n_bytes: int) -> None:
        """Keep a value; of one that is too large only that it is."""
        with self._lock:
            value, n_bytes = (value, n_bytes) if n_bytes <= self.capacity else (None, 0)
            _, before = self._values.pop(key, (None, 0))
            self._values[key] = value, n_bytes
            self.n_bytes += n_bytes - before
            while self.n_bytes > self.capacity:
                _, (_, size) = self._values.popitem(last=False)
                self.n_bytes -= size

    def kept(self, key: Hashable, make: Callable[[], R], n_bytes: Callable[[R], int]) -> R:
        """What `make` made for this key, now or before."""
        found = self.find(key)
        if found is None:
            found = make()
            self.put(key, found, n_bytes(found))
        value: R = found
        return value

    def wish(self, key: Hashable, read: Callable[[], object]) -> None:
        """Let `read` put what it reads beside the questions, once this was wished for often enough.

        It is not waited for, and one thing is read at a time. What fails is wished for again.
        """
        with self._lock:
            asked, patience = self._wishes.get(key, (0, PATIENCE))
            begins = asked >= patience and key not in self._reading
            self._wishes[key] = (0, patience * IMPATIENCE) if begins else (asked + 1, patience)
            if len(self._wishes) > MOST_WISHES:
                self._wishes.popitem(last=False)
            if begins:
                self._reading.add(key)
        if begins:
            with suppress(RuntimeError):  # the interpreter is about to end
                self._reader.submit(self._read, key, read)

    def _read(self, key: Hashable, read: Callable[[], object]) -> None:
        try:
            read()
        finally:
            with self._lock:
                self._reading.discard(key)

    @property
    def is_reading(self) -> bool:
        """Whether something that was wished for is being read."""
        with self._lock:
            return bool(self._reading)

    @cached_property
    def _reader(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, thread_name_prefix="saelake-cache")

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._values.clear()
            self._wishes.clear()
            self.n_bytes = 0
