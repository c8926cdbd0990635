"""Sets as ascending arrays, compared with Python's."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from saelake.store.arrays.sorted import intersection, matches, union
from saelake.store.format.lists import Array

# Small sets and large ones, so that the fewer are searched for among many, too.
NUMBERS = st.one_of(
    st.sets(st.integers(0, 60), max_size=8),
    st.sets(st.integers(0, 60), max_size=50),
    st.builds(lambda step, n: set(range(0, step * n, step)), st.integers(1, 4), st.just(200)),
)


def _ascending(numbers: set[int]) -> Array:
    return np.array(sorted(numbers), np.int64)


@settings(deadline=None)
@given(NUMBERS, NUMBERS)
def test_sets_are_joined_and_met_as_pythons_are(a: set[int], b: set[int]) -> None:
    assert intersection(_ascending(a), _ascending(b)).tolist() == sorted(a & b)
    assert union(_ascending(a), _ascending(b)).tolist() == sorted(a | b)


@settings(deadline=None)
@given(NUMBERS, NUMBERS)
def test_equal_values_are_paired(a: set[int], b: set[int]) -> None:
    wanted, values = _ascending(a), _ascending(b)
    mine, theirs = matches(wanted, values)
    assert wanted[mine].tolist() == values[theirs].tolist() == sorted(a & b)
