"""Executors as those of other processes are."""

import pickle
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, TypeVar

from saelake.store.codes.executor import PiecePart, Placed

T = TypeVar("T")
R = TypeVar("R")
K = TypeVar("K", bound=PiecePart)
P = TypeVar("P", bound=Placed)


@dataclass(frozen=True)
class Elsewhere:
    """Runs everything here, but all that it is given and gives is pickled."""

    sent: list[str] = field(default_factory=list)

    def map(self, work: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        carried = pickle.dumps(work)
        self.sent.append(type(work).__name__)
        for item in items:
            yield pickle.loads(
                pickle.dumps(pickle.loads(carried)(pickle.loads(pickle.dumps(item))))
            )


@dataclass(frozen=True)
class OwnersElsewhere(Elsewhere):
    """Also keeps every part, by what it was made with and of; `made` counts those that were not."""

    kept: dict[Hashable, Sequence[Any]] = field(default_factory=dict)
    made: list[Hashable] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def map_parts(
        self,
        make: Callable[[P], Iterable[K]],
        work: Callable[[K], R],
        items: Sequence[P],
        merge: Callable[[R, R], R] | None = None,
        /,
    ) -> Iterator[list[R]]:
        self.asked.append(type(work).__name__)
        carried, listed = pickle.dumps((make, work, merge)), pickle.dumps(items)
        for number in range(len(items)):
            make, work, merge = pickle.loads(carried)
            item = pickle.loads(listed)[number]
            key = make, item.contents
            hash(item.place)
            if key not in self.kept:
                self.made.append(key)
                self.kept[key] = list(make(item))
            results = [work(part) for part in self.kept[key]]
            if merge is not None and results:
                results = [reduce(merge, results)]
            yield pickle.loads(pickle.dumps(results))

    def close(self) -> None:
        self.kept.clear()
