"""Parts of a whole snapshot that are kept in memory: here, or by those who own pieces."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from saelake.store.codes.executor import Executor, Owners, Piece, PiecePart
from saelake.store.requests.waited.progress import told

READING = "reading documents"  # the stage, unless what is made of them has a name

S = TypeVar("S", bound=PiecePart)
S_co = TypeVar("S_co", bound=PiecePart, covariant=True)
R = TypeVar("R")


class Held(Protocol[S_co]):
    """What was made of all pieces of a snapshot, part after part in table order."""

    def map(
        self,
        work: Callable[[S_co], R],
        merge: Callable[[R, R], R] | None = None,
        *,
        stage: str = READING,
    ) -> Iterator[R]:
        """What `work` makes of each part, in order; who listens is told of the `stage`.

        With `merge` neighbours may be put together where they were made: to be used where the
        order of additions does not matter.
        """

    def __iter__(self) -> Iterator[S_co]:
        """The parts themselves, in this process."""


@dataclass(frozen=True, slots=True)
class HeldHere(Generic[S]):
    """Parts in the memory of this process."""

    executor: Executor
    parts: Sequence[S]

    def map(
        self,
        work: Callable[[S], R],
        _: Callable[[R, R], R] | None = None,
        *,
        stage: str = READING,
    ) -> Iterator[R]:
        """See `Held`."""
        return told(stage, self.executor.map(work, self.parts), len(self.parts))

    def __iter__(self) -> Iterator[S]:
        return iter(self.parts)


@dataclass(frozen=True, slots=True)
class HeldByOwners(Generic[S]):
    """Parts that workers keep, as far as each has memory, and else make again."""

    owners: Owners
    make: Callable[[Piece], Iterable[S]]
    pieces: Sequence[Piece]

    def map(
        self,
        work: Callable[[S], R],
        merge: Callable[[R, R], R] | None = None,
        *,
        stage: str = READING,
    ) -> Iterator[R]:
        """See `Held`."""
        parts = self.owners.map_parts(self.make, work, self.pieces, merge)
        for found in told(stage, parts, len(self.pieces)):
            yield from found

    def __iter__(self) -> Iterator[S]:
        return self.map(_itself)


def _itself(part: S) -> S:
    return part
