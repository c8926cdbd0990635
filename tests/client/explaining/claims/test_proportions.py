"""The tests and intervals against SciPy, published examples, and simulations."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from saelake.explaining.claims.proportions import (
    UNTESTED,
    Correction,
    corrected,
    fisher,
    mcnemar,
    of_pairs,
    of_separate,
)


@given(st.integers(0, 60), st.integers(1, 60), st.integers(0, 60), st.integers(1, 60))
def test_fishers_test_is_scipys(a: int, more_a: int, b: int, more_b: int) -> None:
    expected = stats.fisher_exact([[a, more_a], [b, more_b]]).pvalue
    assert fisher(a, a + more_a, b, b + more_b) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_fishers_test_of_many_is_scipys() -> None:
    expected = stats.fisher_exact([[700, 1300], [600, 1400]]).pvalue
    assert fisher(700, 2000, 600, 2000) == pytest.approx(expected, rel=1e-6)


@given(st.integers(0, 200), st.integers(0, 200))
def test_mcnemars_test_is_scipys_of_a_fair_coin(only_a: int, only_b: int) -> None:
    n = only_a + only_b
    expected = stats.binomtest(only_a, n, 0.5).pvalue if n else 1.0
    assert mcnemar(only_a, only_b) == pytest.approx(expected, rel=1e-9)


def test_intervals_are_those_that_newcombe_published() -> None:
    """Table II of 17, 873: 56/70 less 48/80, and table III of 17, 2635: method 10."""
    separate = of_separate(56, 70, 48, 80)
    assert (separate.low, separate.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    pairs = of_pairs(36, 12, 2, 0)
    assert (pairs.low, pairs.high) == pytest.approx((0.0569, 0.3404), abs=1e-4)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_the_interval_of_pairs_holds_the_difference(a: int, b: int, c: int, d: int) -> None:
    found = of_pairs(a, b, c, d)
    if a + b + c + d:
        assert -1 - 1e-9 <= found.low <= found.value <= found.high <= 1 + 1e-9
        turned = of_pairs(a, c, b, d)
        assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))
    else:
        assert found == UNTESTED


def test_intervals_of_pairs_hold_the_truth_as_often_as_they_say() -> None:
    random = np.random.default_rng(0)
    chances = [0.3, 0.25, 0.1, 0.35]
    drawn = random.multinomial(60, chances, size=2000).tolist()
    held = [
        (found := of_pairs(*counts)).low <= chances[1] - chances[2] <= found.high
        for counts in drawn
    ]
    assert 0.93 <= np.mean(held) <= 0.985


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_corrections_are_those_of_their_definitions(p: list[float]) -> None:
    expected = stats.false_discovery_control(p, method="bh")
    assert corrected(p, "benjamini-hochberg") == pytest.approx(expected.tolist())
    ranked, largest, holm = np.argsort(p, kind="stable"), 0.0, [0.0] * len(p)
    for rank, at in enumerate(ranked.tolist()):
        largest = max(largest, min(1.0, p[at] * (len(p) - rank)))
        holm[at] = largest
    assert corrected(p, "holm") == pytest.approx(holm)


@pytest.mark.parametrize("correction", ["holm", "benjamini-hochberg"])
def test_no_hypotheses_need_no_correction(correction: Correction) -> None:
    assert corrected([], correction) == ()


def test_a_side_without_anything_is_not_tested() -> None:
    for a, b in product((0, 5), repeat=2):
        if not (a and b):
            assert of_separate(0, a, 0, b) is UNTESTED
