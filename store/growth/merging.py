"""Which segments to merge: few stay, and each posting is written again few times.

A merge takes in the smallest segments, and as many of the larger ones as are not much larger than
all that are smaller. So what is written again at least doubles with the first of `GROWTHS`, and
the segments that stay are at least that many times as large as all smaller ones together, which
bounds their number. Where more than `MOST_SEGMENTS` would stay, larger ones are taken in too.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import accumulate

from saelake.store.index.segments import Segment

MOST_SEGMENTS = 6  # a question reads one row a segment, all at once
GROWTHS = (1, 2, 4)  # how many times larger one may be that is taken in, as it becomes necessary
LEAST_BYTES = 4 << 20  # that a segment counts for: fewer are merged within a second


@dataclass(frozen=True, slots=True)
class _Mergeable:
    """Segments that are merged together or not at all, and how many documents they are of."""

    segments: tuple[Segment, ...]
    n_documents: int

    @property
    def n_bytes(self) -> int:
        """How large it counts."""
        return max(sum(segment.size_bytes for segment in self.segments), LEAST_BYTES)

    @classmethod
    def joined(cls, items: Iterable["_Mergeable"]) -> "_Mergeable":
        """Several as one."""
        found = list(items)
        segments = tuple(segment for item in found for segment in item.segments)
        return cls(segments, sum(item.n_documents for item in found))


def plan_merges(
    segments: Sequence[Segment],
    n_documents: Mapping[int, int],
    *,
    capacity: int,
    built: Set[int] = frozenset(),
) -> list[tuple[Segment, ...]]:
    """The merges to do now, each of segments that no other has; none when there are few.

    `n_documents` says how many each fragment of codes has; a merge has at most `capacity`.
    What was `built` together, now or earlier, is merged in any case, as it was only for want of
    memory that it became several: `built` are the fragments of codes indexed just now.
    """
    groups = list(_groups(segments, n_documents))
    fitting = [group for group in groups if group.n_documents <= capacity]
    new = [group for group in fitting if built >= set(group.segments[0].covers)]
    items = [*(g for g in fitting if g not in new), *([_Mergeable.joined(new)] if new else [])]
    small = sorted(
        (item for item in items if item.n_documents <= capacity / 2 or len(item.segments) > 1),
        key=lambda item: item.n_bytes,
    )
    n_stay = len(items) + len(groups) - len(fitting)
    taken = small[: _n_taken(small, n_stay - MOST_SEGMENTS)]
    merges = [taken, *([item] for item in small[len(taken) :])]
    return [
        chosen
        for merge in merges
        for chosen in _within(capacity, (g for g in fitting if _is_in(g, merge)))
        if len(chosen) > 1
    ]


def _n_taken(items: Sequence[_Mergeable], excess: int) -> int:
    """How many of the smallest to merge so that there are `excess` fewer, or nearly."""
    sizes = [item.n_bytes for item in items]
    smaller = [0, *accumulate(sizes)]
    n = 0
    for growth in GROWTHS if excess > 0 else ():
        n = max((i + 1 for i in range(1, len(sizes)) if sizes[i] <= growth * smaller[i]), default=0)
        if n > excess:
            break
    return n


def _groups(segments: Sequence[Segment], n_documents: Mapping[int, int]) -> Iterator[_Mergeable]:
    """The segments by what they cover: those of one group have it only together."""
    groups: dict[tuple[int, ...], list[Segment]] = {}
    for segment in segments:
        groups.setdefault(segment.covers, []).append(segment)
    for covers, group in groups.items():
        yield _Mergeable(tuple(group), sum(n_documents.get(i, 0) for i in covers))


def _is_in(group: _Mergeable, merge: Iterable[_Mergeable]) -> bool:
    return any(group.segments[0] in item.segments for item in merge)


def _within(capacity: int, groups: Iterable[_Mergeable]) -> Iterator[tuple[Segment, ...]]:
    """The groups in merges of at most `capacity` documents, the smallest first."""
    chosen: list[_Mergeable] = []
    for group in sorted(groups, key=lambda group: group.n_documents):
        if _Mergeable.joined([*chosen, group]).n_documents > capacity:
            yield _Mergeable.joined(chosen).segments
            chosen = []
        chosen.append(group)
    yield _Mergeable.joined(chosen).segments
