"""An actor that works on pieces, and keeps parts of those that it is asked for."""

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from threading import Lock
from typing import Any

import ray

from saelake.workers.ray.holdings import Holdings

KNOWN_TASKS = 16  # that are kept unpacked: those of the questions that are answered now


@dataclass(frozen=True, slots=True)
class Task:
    """What is done with each of some items, all of which is sent to an owner once.

    Without `make`, `work` is given an item, and else each of its parts. `items` is None where they
    are sent one by one.
    """

    work: Callable[[Any], Any]
    make: Callable[[Any], Iterable[Any]] | None = None
    merge: Callable[[Any, Any], Any] | None = None
    items: Sequence[Any] | None = None

    def done(self, item: Any, holdings: Holdings) -> Any:
        """What becomes of an item."""
        if self.make is None:
            return self.work(item)
        results = self._of_parts(self.make, item, holdings)
        return results if self.merge is None or not results else [reduce(self.merge, results)]

    def _of_parts(
        self, make: Callable[[Any], Iterable[Any]], item: Any, holdings: Holdings
    ) -> list[Any]:
        key: Hashable = (make, item.contents)
        known = holdings.find(key)
        if known is not None:
            return [self.work(part) for part in known]
        results: list[Any] = []
        kept: list[Any] | None = []
        n_bytes = 0
        for part in make(item):
            results.append(self.work(part))
            n_bytes += 0 if part is None else part.n_bytes
            if kept is not None and holdings.has_room(n_bytes):
                kept.append(part)
            else:  # they go by one after the other
                kept = None
        if kept is not None:
            holdings.put(key, kept, n_bytes)
        return results


class Owner:
    """Works on pieces in threads. What it raises is raised where the piece was sent from."""

    def __init__(self, memory_bytes: int) -> None:
        self._holdings = Holdings(memory_bytes)
        self._tasks: OrderedDict[str, Task] = OrderedDict()
        self._lock = Lock()

    def ready(self) -> None:
        """Answer, once the process is there."""

    def held_bytes(self) -> int:
        """What is kept."""
        return self._holdings.n_bytes

    def done(self, name: str, task: Sequence[Any], item: Any) -> Any:
        """What the task of this name makes of an item, or of the item of this number.

        `task` has a reference to it, in a list, so that Ray does not fetch it for each call.
        """
        known = self._known(name, task)
        return known.done(item if known.items is None else known.items[item], self._holdings)

    def _known(self, name: str, task: Sequence[Any]) -> Task:
        with self._lock:
            if name in self._tasks:
                self._tasks.move_to_end(name)
                return self._tasks[name]
        fetched: Task = ray.get(task[0])
        with self._lock:
            self._tasks[name] = fetched
            while len(self._tasks) > KNOWN_TASKS:
                self._tasks.popitem(last=False)
        return fetched
