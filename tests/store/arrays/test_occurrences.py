"""Loops over terse rows, compared with rows that are made whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saelake.store.arrays.occurrences import occurrences_of
from saelake.store.format.lists import Array

# Rows: of each feature that fires, its values by position.
ROWS = st.lists(
    st.dictionaries(
        st.integers(0, 9),
        st.dictionaries(st.integers(0, 30), st.integers(1, 60_000), min_size=1, max_size=5),
        max_size=6,
    ),
    max_size=5,
)
Rows = list[dict[int, dict[int, int]]]


def terse(rows: Rows) -> list[Array]:
    """The offsets and lists of terse rows."""
    features_at, positions_at = [0], [0]
    gaps, counts, positions, maxima, below = (list[int]() for _ in range(5))
    for row in rows:
        before = 0
        for feature, fired in sorted(row.items()):
            gaps.append(feature - before)
            before = feature
            best = min(fired, key=lambda position: (-fired[position], position))
            others = [position for position in sorted(fired) if position != best]
            counts.append(len(fired))
            maxima.append(fired[best])
            positions += [best, *others]
            below += [fired[best] - fired[position] for position in others]
        features_at.append(len(gaps))
        positions_at.append(len(positions))
    return [
        np.array(features_at, np.int64),
        np.array(positions_at, np.int64),
        np.array(gaps, np.uint16),
        np.array(counts, np.uint16),
        np.array(positions, np.uint16),
        np.array(maxima, np.uint16),
        np.array(below, np.uint16),
    ]


@settings(deadline=None)
@given(ROWS, st.sets(st.integers(0, 9), min_size=1, max_size=4))
def test_occurrences_are_those_of_each_feature(rows: Rows, wanted: set[int]) -> None:
    row, position, code, begins = occurrences_of(np.array(sorted(wanted), np.uint32), *terse(rows))
    for w, feature in enumerate(sorted(wanted)):
        part = slice(int(begins[w]), int(begins[w + 1]))
        found = list(
            zip(row[part].tolist(), position[part].tolist(), code[part].tolist(), strict=True)
        )
        expected = [
            (number, place, value)
            for number, each in enumerate(rows)
            for place, value in sorted(each.get(feature, {}).items())
        ]
        assert found == expected


@pytest.mark.parametrize("counts", [[0, 3], [9, 1], [2, 2], [65_535, 1]])
def test_counts_that_are_not_of_the_positions_are_refused(counts: list[int]) -> None:
    lists = terse([{1: {0: 5, 3: 4}, 2: {7: 1}}])
    lists[3] = np.array(counts, np.uint16)
    with pytest.raises(ValueError, match="counts are not"):
        occurrences_of(np.array([1, 2], np.uint32), *lists)
