"""How far long work is: told by what knows its pieces, to who listens in this context.

What a stage is called is for people to read, and no promise.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from itertools import count
from typing import TypeAlias, TypeVar

T = TypeVar("T")

EVERY_S = 0.25  # between what is told of one stage, but for its beginning and its end


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a question is: of the pieces of a stage `done` of `total` (None: nobody knows).

    `step` numbers stages from 1, so that one is told from another of its name. Within a step `done`
    does not fall. A stage of which more is not wanted ends before its total.
    """

    step: int
    stage: str
    done: int = 0
    total: int | None = None


Listener: TypeAlias = Callable[[Progress], object]


class Teller:
    """Tells a listener of stages as they begin, go on and end; thread-safe.

    While one goes on it is told of at most once in `every_s` seconds.
    """

    def __init__(self, listener: Listener, every_s: float = EVERY_S) -> None:
        self._listener, self._every_s = listener, every_s
        self._numbers = count(1)
        self._due_s = 0.0

    def step(self) -> int:
        """The number of the next stage."""
        return next(self._numbers)

    def tell(self, progress: Progress) -> None:
        """Tell, where it is time. Raises what the listener raises."""
        now = time.monotonic()
        if now >= self._due_s or progress.done in (0, progress.total):
            self._due_s = now + self._every_s
            self._listener(progress)


class Relay:
    """Tells on what another process told, whose steps have other numbers here."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._steps: dict[int, int] = {}

    def tell(self, progress: Progress) -> None:
        """Tell, where it is time."""
        if progress.step not in self._steps:
            self._steps[progress.step] = self._teller.step()
        self._teller.tell(replace(progress, step=self._steps[progress.step]))


_TELLER: ContextVar[Teller | None] = ContextVar("saelake-teller", default=None)


@contextmanager
def telling(teller: Teller | None) -> Iterator[None]:
    """A block whose work in this context tells how far it is; with None it tells nobody."""
    token = _TELLER.set(teller)
    try:
        yield
    finally:
        _TELLER.reset(token)


def listening() -> Teller | None:
    """What tells who listens in this context; None where nobody does."""
    return _TELLER.get()


def told(stage: str, items: Iterable[T], total: int | None = None) -> Iterator[T]:
    """The items; who listens hears how many of `total` are done with, as the next is asked for."""
    teller = _TELLER.get()
    return iter(items) if teller is None else _counted(teller, stage, items, total)


def entered(stage: str) -> None:
    """Tell who listens that a stage begins of which nobody knows how far it is."""
    teller = _TELLER.get()
    if teller is not None:
        teller.tell(Progress(step=teller.step(), stage=stage))


def passing(stage: str, number: int, n: int) -> str:
    """What a stage is called that is one of n passes over the same."""
    return stage if n == 1 else f"{stage}, pass {number} of {n}"


def _counted(teller: Teller, stage: str, items: Iterable[T], total: int | None) -> Iterator[T]:
    now = Progress(step=teller.step(), stage=stage, total=total)
    teller.tell(now)
    for done, item in enumerate(items, 1):
        yield item
        teller.tell(replace(now, done=done))
