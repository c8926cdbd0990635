"""Tests of many features at once equal SciPy's, one by one."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from saelake.store.arrays.statistics import (
    FEW,
    adjusted,
    discordant,
    least_p,
    log_odds,
    newcombe,
    of_largest,
    skewed,
    two_proportions,
)

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
        lower = table.pmf(support[support < a]).sum() + table.pmf(a) / 2
        upper = table.pmf(support[support > a]).sum() + table.pmf(a) / 2
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
    """The pooled z statistic squared is Pearson's chi square; small counts Fisher's, mid-p."""
    p = two_proportions(np.array([300, 3]), 1000, np.array([250, 0]), np.array([1000, 1000]))
    table = [[300, 700], [250, 750]]
    assert p[0] == pytest.approx(stats.chi2_contingency(table, correction=False).pvalue)
    tail = stats.fisher_exact([[3, 997], [0, 1000]], alternative="greater").pvalue
    assert p[1] == pytest.approx(tail)  # all of the tail is what was found


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
    binomial = [stats.binom(x + y, 0.5) for x, y in pairs]
    tails = [
        b.cdf(min(pair)) - b.pmf(min(pair)) / 2 for b, pair in zip(binomial, pairs, strict=True)
    ]
    expected = [2 * tail if x + y else 1.0 for tail, (x, y) in zip(tails, pairs, strict=True)]
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


def test_a_p_value_that_is_not_known_is_of_no_test() -> None:
    q = adjusted(np.array([0.01, np.nan, 0.04]))
    np.testing.assert_allclose(q, [0.02, np.nan, 0.04])
    assert np.isnan(adjusted(np.full(2, np.nan))).all()


@pytest.mark.parametrize(("n_a", "n_b"), [(40, 40), (15, 200), (300, 30)])
def test_five_percent_of_true_hypotheses_have_p_under_five_percent(n_a: int, n_b: int) -> None:
    """Over counts from rare to frequent; Fisher's test has half of that where they are small."""
    random = np.random.default_rng(n_a)
    fires = random.integers(4, n_a + n_b - 4, 4000)
    a = random.hypergeometric(n_a, n_b, fires)
    p = two_proportions(a, n_a, fires - a, n_b)
    assert 0.03 < (p < 0.05).mean() < 0.06


def test_the_least_p_value_is_of_all_tables() -> None:
    fires = np.arange(1, 20)
    for k, least in zip(range(1, 20), least_p(fires, 12, 30), strict=True):
        a = np.arange(max(0, k - 30), min(k, 12) + 1)
        tables = two_proportions(a, 12, np.full(len(a), k) - a, 30)
        assert least == pytest.approx(tables.min())


@pytest.mark.parametrize(("n", "share"), [(20, 0.1), (60, 0.03), (40, 0.5), (200, 0.9)])
def test_skewed_sums_have_the_mid_p_of_binomial_ones(n: int, share: float) -> None:
    k = np.arange(n + 1)
    drawn = stats.binom(n, share)
    tails = np.minimum(drawn.cdf(k), drawn.sf(k - 1)) - drawn.pmf(k) / 2
    variance = np.full(n + 1, n * share * (1 - share))
    p = skewed(k - n * share, variance, variance * (1 - 2 * share))
    likely = drawn.pmf(k) > 1e-3
    np.testing.assert_allclose(p[likely], 2 * tails[likely], atol=0.07)
    reached = drawn.pmf(k)[p < 0.05].sum()
    assert reached < 0.06


def test_skewed_sums_without_variance_or_score() -> None:
    p = skewed(np.array([0.0, 0, 1e-12]), np.array([0.0, 4, 1e-20]), np.zeros(3))
    assert p.tolist() == [1, 1, 1]


@pytest.mark.parametrize("sizes", [(100, [100]), (50, [80, 200, 80]), (400, [100] * 5)])
def test_the_largest_of_others(sizes: tuple[int, list[int]]) -> None:
    """Of one other, the normal p-value; of several, uniform where no side differs."""
    n, others = sizes
    random = np.random.default_rng(n)
    spread = 1 / np.sqrt([n, *others])
    drawn = random.normal(size=(40_000, len(spread))) * spread
    chosen = drawn[:, 1:].argmax(axis=1)
    d = drawn[:, 0] - drawn[:, 1:].max(axis=1)
    z = d / np.hypot(spread[0], spread[1:][chosen])
    p = of_largest(z, chosen, n, others)
    for level in (0.01, 0.05, 0.3):
        assert (p < level).mean() == pytest.approx(level, abs=4 * np.sqrt(level / 40_000))
    few = of_largest(z[:7], chosen[:7], n, others)  # between knots, and at them
    np.testing.assert_allclose(few, p[:7], rtol=1e-4)
    if len(others) == 1:
        np.testing.assert_allclose(few, 2 * stats.norm.sf(np.abs(z[:7])), rtol=1e-3)


def test_the_largest_of_others_by_quadrature() -> None:
    z, n, others = -1.7, 60, [40, 90]
    own, spread = 60**-0.5, np.array([40**-0.5, 90**-0.5])
    d = z * np.hypot(own, spread[1])

    def inside(x: float) -> float:
        below = np.prod(stats.norm.cdf((own * x - d) / spread))
        return float(stats.norm.pdf(x) * (1 - below))

    lower = integrate.quad(inside, -9, 9)[0]
    p = of_largest(np.array([z]), np.array([1]), n, others)[0]
    assert p == pytest.approx(2 * min(lower, 1 - lower), rel=1e-4)


def test_intervals_are_newcombes() -> None:
    """His example: 56 of 70 against 48 of 80, method 10 (Newcombe 1998, table II, row a)."""
    low, high = newcombe(np.array([56, 9]), 70, np.array([48, 3]), np.array([80, 10]), 0.95)
    assert (round(low[0], 4), round(high[0], 4)) == (0.0524, 0.3339)
    assert low[1] < 9 / 70 - 3 / 10 < high[1]
