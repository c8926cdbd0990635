"""Where the parts of an analysis run: a map over pieces of a collection, merged by the caller.

An analysis gives `map` a function and pieces, both of which can be pickled, and merges what comes
back in the order of the pieces, so every executor gives the same answer. Where that is the workers
of a cluster, they keep what they make of a piece, and the same worker is asked for it again.
"""

import math
import os
from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from typing import Protocol, TypeVar, cast, runtime_checkable

from saelake.store.codes.table import CodesTable
from saelake.store.errors import InvalidInput
from saelake.store.requests.waited.stopping import look, wanted
from saelake.store.requests.waited.waiting import wait

T = TypeVar("T")
R = TypeVar("R")
K = TypeVar("K", bound="PiecePart")

STREAM_BYTES = 32 << 20  # of codes in files, that are read at once
PARTS_PER_CORE = 3  # of what is done quickly
PIECE_ROWS = 65_536  # what one worker holds at once, and the documents of one block


@dataclass(frozen=True, slots=True)
class Piece:
    """Some fragments of a snapshot of codes."""

    codes: CodesTable
    fragments: tuple[int, ...]

    @property
    def place(self) -> Hashable:
        """What a worker is chosen by: the same in every snapshot that has these fragments."""
        return self.codes.table.uri, self.fragments

    @property
    def contents(self) -> Hashable:
        """What tells these rows from all others: the files, of which each is written once."""
        files = tuple(map(self.codes.table.file_of, self.fragments))
        return self.codes.table.uri, files, self.codes.held.key


def pieces(
    codes: CodesTable,
    n_rows: int = PIECE_ROWS,
    n_bytes: float = math.inf,
    without: Collection[int] = (),
) -> list[Piece]:
    """The snapshot's fragments in groups of about `n_rows` rows and `n_bytes`, in table order.

    Those whose ids are in `without` are left out.
    """
    groups: list[list[int]] = []
    rows = size = math.inf
    for fragment in codes.table.fragments:
        if fragment.id in without:
            continue
        if rows + fragment.n_rows > n_rows or size + fragment.size_bytes > n_bytes:
            groups.append([])
            rows = size = 0
        groups[-1].append(fragment.id)
        rows += fragment.n_rows
        size += fragment.size_bytes
    return [Piece(codes, tuple(group)) for group in groups]


def streamed(codes: CodesTable, without: Collection[int] = ()) -> list[Piece]:
    """The snapshot in pieces that are read one after the other: each thread has one in memory."""
    return pieces(codes, n_bytes=STREAM_BYTES, without=without)


class Executor(Protocol):
    """Runs the same function on many pieces."""

    def map(self, work: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """What `work` makes of each item, in the order of the items."""


class PiecePart(Protocol):
    """What is kept of a piece."""

    @property
    def n_bytes(self) -> int:
        """The memory that it takes."""


class Placed(Protocol):
    """A piece that some workers are to be asked for, so that one of them may keep parts of it."""

    @property
    def place(self) -> Hashable:
        """What the workers are chosen by."""

    @property
    def contents(self) -> Hashable:
        """What tells it from all others; with what makes its parts, the key of these."""


P = TypeVar("P", bound=Placed)


@runtime_checkable
class Owners(Executor, Protocol):
    """An executor of workers that own pieces: each keeps what it made of its own, in its memory."""

    def map_parts(
        self,
        make: Callable[[P], Iterable[K]],
        work: Callable[[K], R],
        items: Sequence[P],
        merge: Callable[[R, R], R] | None = None,
        /,
    ) -> Iterator[list[R]]:
        """What `work` makes of each part of each item, in their order.

        `make` makes the parts, and can be a key. With `merge` those of an item are put together
        where they were made, into one; to be used where that changes nothing of the answer.
        """

    def close(self) -> None:
        """Let go of the workers."""


def as_owners(executor: Executor) -> Owners | None:
    """The executor as owners, if it has any."""
    return cast(Owners, executor) if _are_owners(type(executor)) else None


@cache  # to look at a protocol takes longer than much else of a question
def _are_owners(kind: type) -> bool:
    return issubclass(kind, Owners)


def _cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Threads:
    """Runs pieces in threads of this process; reading and kernels let go of Python's lock.

    At most `n_threads` results wait to be merged, which bounds the memory. Between pieces it looks
    whether they are wanted still.
    """

    n_threads: int = field(default_factory=_cores)

    def __post_init__(self) -> None:
        if self.n_threads < 1:
            raise InvalidInput(f"Work needs at least one thread, not {self.n_threads}.")

    def map(self, work: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """See `Executor`."""
        wait()
        with ThreadPoolExecutor(self.n_threads, thread_name_prefix="saelake-map") as pool:
            running: deque[Future[R]] = deque()
            try:
                for item in wanted(items):
                    if len(running) == self.n_threads:
                        yield running.popleft().result()
                    running.append(pool.submit(work, item))
                while running:
                    look()
                    yield running.popleft().result()
            finally:
                for future in running:  # the caller stopped, or a piece failed
                    future.cancel()


def quickly(work: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
    """What `work` makes of each item, in their order: milliseconds, in threads that wait for it.

    They are others than those of `Threads`, so that nothing waits for pieces that take seconds.
    """
    listed = list(items)
    if len(listed) < 2 or _cores() < 2:
        return map(work, listed)
    wait()
    n_parts = min(PARTS_PER_CORE * _cores(), len(listed))  # to hand one over takes a while, too
    parts = [
        listed[len(listed) * i // n_parts : len(listed) * (i + 1) // n_parts]
        for i in range(n_parts)
    ]
    return chain.from_iterable(_waiting(os.getpid()).map(lambda part: [*map(work, part)], parts))


@cache
def _waiting(_: int, /) -> ThreadPoolExecutor:
    """The threads of a process: one that was forked has none of its parent's."""
    return ThreadPoolExecutor(_cores(), thread_name_prefix="saelake-quick")
