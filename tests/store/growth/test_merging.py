"""Which segments are merged: few stay, and what is written again stays within a logarithm."""

import math
from collections.abc import Sequence
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saelake.store.growth.merging import GROWTHS, LEAST_BYTES, MOST_SEGMENTS, plan_merges
from saelake.store.index.segments import Segment

MIB = 1 << 20
HUGE = 1 << 40


class Postings:
    """Segments as a plan sees them: those of a merge become one that is as large as they were."""

    def __init__(self, capacity: int = HUGE) -> None:
        self.segments: list[Segment] = []
        self.n_documents: dict[int, int] = {}
        self.written = 0
        self._capacity = capacity
        self._numbers = count(1)

    def build(self, n_documents: int, sizes: Sequence[int]) -> None:
        """Segments that were built together, of a new fragment of codes; then what is planned."""
        fragment = next(self._numbers)
        self.n_documents[fragment] = n_documents
        self._add((fragment,), sizes)
        self.merge(built={fragment})

    def merge(self, built: set[int]) -> None:
        while merges := plan_merges(
            self.segments, self.n_documents, capacity=self._capacity, built=built
        ):
            for merge in merges:
                covers = {i for segment in merge for i in segment.covers}
                assert sum(self.n_documents[i] for i in covers) <= self._capacity
                assert all(s in merge for s in self.segments if covers & set(s.covers))
                self.segments = [s for s in self.segments if s not in merge]
                self._add(tuple(sorted(covers)), [sum(s.size_bytes for s in merge)])

    def _add(self, covers: tuple[int, ...], sizes: Sequence[int]) -> None:
        self.written += sum(sizes)
        self.segments += [
            Segment(fragment=next(self._numbers), covers=covers, size_bytes=n) for n in sizes
        ]


@given(st.lists(st.integers(1, 1 << 36), min_size=1, max_size=300))
def test_growth_costs_little_whatever_the_portions(portions: list[int]) -> None:
    """Each merge makes of what it takes in at least 5/4 as much, but of the smallest."""
    postings = Postings()
    for n_bytes in portions:
        postings.build(1000, [n_bytes])
        counted = [max(s.size_bytes, LEAST_BYTES) for s in postings.segments]
        most = 1 + math.log(sum(counted) / min(counted), GROWTHS[-1] + 1)
        assert len(postings.segments) <= max(MOST_SEGMENTS, most)
    assert sorted(i for s in postings.segments for i in s.covers) == sorted(postings.n_documents)
    total = sum(max(n, LEAST_BYTES) for n in portions)
    assert postings.written <= total * (2 + math.log(total / LEAST_BYTES, 1 + 1 / GROWTHS[-1]))


@pytest.mark.parametrize(("n", "most"), [(500, 8), (5000, 11)])
def test_portions_of_one_size_are_written_again_a_few_times(n: int, most: int) -> None:
    postings = Postings()
    for _ in range(n):
        postings.build(1000, [5 * MIB])
        assert len(postings.segments) <= MOST_SEGMENTS
    assert postings.written <= most * n * 5 * MIB


def test_what_was_built_in_one_go_becomes_one() -> None:
    postings = Postings()
    postings.build(1000, [40 * MIB] * 84)
    assert [s.size_bytes for s in postings.segments] == [84 * 40 * MIB]
    assert postings.written == 2 * 84 * 40 * MIB


def test_a_few_segments_of_one_run_become_one_beside_a_large_one() -> None:
    old = Segment(fragment=1, covers=(1,), size_bytes=1 << 33)
    new = [Segment(fragment=i, covers=(i,), size_bytes=1 << 24) for i in (2, 3)]
    n_documents = {1: 10_000, 2: 20, 3: 20}
    found = plan_merges([old, *new], n_documents, capacity=HUGE, built={2, 3})
    assert found == [tuple(new)]
    assert plan_merges([old, *new], n_documents, capacity=HUGE) == []


def test_old_segments_become_few_when_nothing_is_new() -> None:
    segments = [Segment(fragment=i, covers=(i,), size_bytes=1 << 25) for i in range(1, 85)]
    (merge,) = plan_merges(segments, dict.fromkeys(range(1, 85), 7000), capacity=HUGE)
    assert set(merge) == set(segments)


@given(st.lists(st.integers(1, 60), max_size=40), st.integers(10, 100), st.data())
def test_merges_are_within_memory_and_end(
    sizes: list[int], capacity: int, data: st.DataObject
) -> None:
    """Of any two that are left, and small enough to be merged, there are few."""
    postings = Postings(capacity)
    for n in sizes:
        if n <= capacity or data.draw(st.booleans()):
            postings.build(n, [n * MIB] * data.draw(st.integers(1, 3)))
    sizes_of = {s: sum(postings.n_documents[i] for i in s.covers) for s in postings.segments}
    fitting = [s.covers for s, n in sizes_of.items() if n <= capacity]
    assert len(set(fitting)) == len(fitting)
    small = [s for s, n in sizes_of.items() if n <= capacity / 2]
    assert min(len(small), len({s.covers for s in postings.segments})) <= MOST_SEGMENTS
