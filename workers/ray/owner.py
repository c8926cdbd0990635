"""An actor that works on pieces, and keeps parts of those that it is asked for."""

import pickle
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from functools import reduce
from threading import Lock
from typing import Any, Self

import ray
from ray import cloudpickle
from ray.exceptions import RaySystemError

from saelake.store.errors import Unavailable
from saelake.workers.ray.holdings import Holdings

PACKED_BYTES = 64 << 10  # to fetch so little would take longer
MOST_FETCHED = 32  # tasks and items of the questions that are answered now


@dataclass(frozen=True, slots=True)
class Task:
    """What is done with each of some items; without `make` as a whole, else with each part."""

    work: Callable[[Any], Any]
    make: Callable[[Any], Iterable[Any]] | None = None
    merge: Callable[[Any, Any], Any] | None = None

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


@dataclass(frozen=True, slots=True)
class Sent:
    """A task, or the items of several, which an owner unpacks once.

    A small one is `packed` with each call; a large one is in Ray's memory, to be fetched.
    """

    name: str
    packed: bytes | None = None
    reference: Any = None

    @classmethod
    def of(cls, name: str, value: Any) -> Self:
        """The value, to be sent under this name."""
        packed = cloudpickle.dumps(value)
        if len(packed) <= PACKED_BYTES:
            return cls(name, packed)
        return cls(name, reference=ray.put(value))

    def value(self) -> Any:
        """What was sent. Raises `Unavailable` where it is of another version of saelake."""
        try:
            return ray.get(self.reference) if self.packed is None else pickle.loads(self.packed)
        except (AttributeError, ImportError, TypeError, RaySystemError) as error:
            said = next(iter(str(error).splitlines()), type(error).__name__)
            raise Unavailable(
                f"An actor cannot read what it was sent: {said}. Install one version of saelake on "
                "all machines of the Ray cluster."
            ) from None


class Owner:
    """Works on pieces in threads. What it raises is raised where the piece was sent from."""

    def __init__(self, memory_bytes: int) -> None:
        self._holdings = Holdings(memory_bytes)
        self._fetched: OrderedDict[str, Any] = OrderedDict()
        self._lock = Lock()

    def ready(self) -> None:
        """Answer, once the process is there."""

    def held_bytes(self) -> int:
        """What is kept."""
        return self._holdings.n_bytes

    def done(self, task: Sent, items: Sent | None, item: Any) -> Any:
        """What a task makes of an item, or of the one of this number among `items`."""
        known: Task = self._known(task)
        return known.done(item if items is None else self._known(items)[item], self._holdings)

    def _known(self, sent: Sent) -> Any:
        with self._lock:
            if sent.name in self._fetched:
                self._fetched.move_to_end(sent.name)
                return self._fetched[sent.name]
        fetched = sent.value()
        with self._lock:
            self._fetched[sent.name] = fetched
            while len(self._fetched) > MOST_FETCHED:
                self._fetched.popitem(last=False)
        return fetched
