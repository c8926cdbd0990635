"""Where the parts of an analysis run: a map over pieces of a collection, merged by the caller.

An analysis gives `map` a function and pieces, both of which can be pickled, and merges what comes
back in the order of the pieces, so every executor gives the same answer.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from saelake.store.codes.table import CodesTable
from saelake.store.errors import InvalidInput

T = TypeVar("T")
R = TypeVar("R")

PIECE_ROWS = 65_536  # what one worker holds at once, and the documents of one block


@dataclass(frozen=True, slots=True)
class Piece:
    """Some fragments of a snapshot of codes."""

    codes: CodesTable
    fragments: tuple[int, ...]


def pieces(codes: CodesTable, n_rows: int = PIECE_ROWS) -> list[Piece]:
    """The snapshot's fragments in groups of about `n_rows` rows, in table order."""
    groups: list[list[int]] = []
    filled = n_rows
    for fragment in codes.table.fragments:
        if filled + fragment.n_rows > n_rows:
            groups.append([])
            filled = 0
        groups[-1].append(fragment.id)
        filled += fragment.n_rows
    return [Piece(codes, tuple(group)) for group in groups]


class Executor(Protocol):
    """Runs the same function on many pieces."""

    def map(self, work: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """What `work` makes of each item, in the order of the items."""


def _cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Threads:
    """Runs pieces in threads of this process; reading and kernels let go of Python's lock.

    At most `n_threads` results wait to be merged, which bounds the memory.
    """

    n_threads: int = field(default_factory=_cores)

    def __post_init__(self) -> None:
        if self.n_threads < 1:
            raise InvalidInput(f"Work needs at least one thread, not {self.n_threads}.")

    def map(self, work: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """See `Executor`."""
        with ThreadPoolExecutor(self.n_threads, thread_name_prefix="saelake-map") as pool:
            running: deque[Future[R]] = deque()
            try:
                for item in items:
                    if len(running) == self.n_threads:
                        yield running.popleft().result()
                    running.append(pool.submit(work, item))
                while running:
                    yield running.popleft().result()
            finally:
                for future in running:  # the caller stopped, or a piece failed
                    future.cancel()
