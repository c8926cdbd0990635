"""Tests of many features at once equal SciPy's, one by one."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from saelake.store.arrays.statistics import FEW, adjusted, discordant, log_odds, two_proportions

Array = npt.NDArray[np.int64]

pair_counts = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 60)), min_size=1, max_size=8)


def one_test(a: int, n_a: int, b: int, n_b: int) -> float:
    """The p-value of one feature, by the formulas."""
    n, fires = n_a + n_b, a + b
    if min(n_a, n_b) == 0 or fires in (0, n):
        return 1.0
    if min(n_a, n_b) * min(fires, n - fires) / n < FEW:
        table = stats.hypergeom(n, fires, n_a)
        support = np.arange(fires + 1)
        lower = table.pmf(support[support <= a]).sum()
        upper = table.pmf(support[support >= a]).sum()
        return float(min(2 * min(lower, upper), 1))
    share = fires / n
    z = (a / n_a - b / n_b) / np.sqrt(share * (1 - share) * (1 / n_a + 1 / n_b))
    return float(2 * stats.norm.sf(abs(z)))


@settings(max_examples=80, deadline=None)
@given(pairs=pair_counts, spare_a=st.integers(0, 60), spare_b=st.integers(0, 60))
def test_two_proportions(pairs: list[tuple[int, int]], spare_a: int, spare_b: int) -> None:
    a, b = np.array(pairs).T
    n_a, n_b = int(a.max()) + spare_a, int(b.max()) + spare_b
    expected = [one_test(x, n_a, y, n_b) for x, y in pairs]
    np.testing.assert_allclose(two_proportions(a, n_a, b, n_b), expected, rtol=1e-9)


def test_both_kinds_of_test_are_used() -> None:
    """The pooled z statistic squared is Pearson's chi square; small counts give Fisher's tails."""
    p = two_proportions(np.array([300, 3]), 1000, np.array([250, 0]), np.array([1000, 1000]))
    table = [[300, 700], [250, 750]]
    assert p[0] == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue)
    tail = stats.fisher_exact([[3, 997], [0, 1000]], alternative="greater").pvalue
    assert p[1] == pytest.approx(2 * tail)


def test_sides_may_be_swapped() -> None:
    a, b = np.array([3, 40, 0, 7]), np.array([9, 12, 0, 50])
    np.testing.assert_allclose(two_proportions(a, 60, b, 50), two_proportions(b, 50, a, 60))


def test_nothing_to_compare() -> None:
    nothing = np.zeros(3, np.int64)
    assert two_proportions(nothing, 5, nothing, 7).tolist() == [1, 1, 1]
    assert two_proportions(nothing, 0, np.array([0, 3, 7]), 7).tolist() == [1, 1, 1]
    assert two_proportions(nothing[:0], 5, nothing[:0], 7).tolist() == []


@settings(max_examples=60, deadline=None)
@given(pairs=pair_counts)
def test_discordant_pairs(pairs: list[tuple[int, int]]) -> None:
    a, b = np.array(pairs).T
    expected = [stats.binomtest(x, x + y).pvalue if x + y else 1.0 for x, y in pairs]
    np.testing.assert_allclose(discordant(a, b), expected, rtol=1e-9)


@settings(max_examples=60, deadline=None)
@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_adjusted(p: list[float]) -> None:
    """Benjamini and Hochberg's step-up, written out: the least n p / rank of this and larger p."""
    sizes = np.array(p)
    ranks = stats.rankdata(sizes, method="ordinal")
    raw = len(p) * sizes / ranks
    expected = [min(raw[ranks >= rank].min(), 1) for rank in ranks]
    np.testing.assert_allclose(adjusted(sizes), expected, atol=1e-12)


def test_no_tests_to_adjust() -> None:
    assert adjusted(np.empty(0)).tolist() == []


def test_log_odds() -> None:
    """Half a document is added to each cell of the table."""
    a, b = np.array([30, 0, 5]), np.array([10, 4, 0])
    odds_a, odds_b = (a + 0.5) / (40 - a + 0.5), (b + 0.5) / (20 - b + 0.5)
    np.testing.assert_allclose(log_odds(a, 40, b, 20), np.log(odds_a / odds_b))
    np.testing.assert_allclose(log_odds(a, 40, b, 20), -log_odds(b, 20, a, 40))
