"""Score tests of rates, against all permutations, formulas by hand, and simulated sides."""

from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from saelake.store.arrays.statistics import skewed
from saelake.store.query.parts.scores import N_SUMS, ScoreTotals, Units

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]


def totals(
    x: Floats, side: Ints, size: Floats | None = None, stratum: Ints | None = None,
    *, by_stratum: bool = False,
) -> ScoreTotals:  # fmt: skip
    """The sums of dense values (n_units, n_features), of units on side 0 or 1."""
    n, d = x.shape
    size = np.ones(n) if size is None else size
    stratum = np.zeros(n, np.int64) if stratum is None else stratum
    n_strata = int(stratum.max()) + 1
    units = Units.of(stratum, size * (side == 0), size * (side == 1), n_strata)
    found = ScoreTotals(d_sae=d, by_stratum=by_stratum)
    found.know(units.constants)
    for h in np.flatnonzero(units.constants.compared):
        sums = np.zeros((N_SUMS, d))
        for i in np.flatnonzero(stratum == h):
            unit, on_a = np.full(d, i), side[i] == 0
            sums += units.sums(unit, x[i] * on_a, x[i] * (not on_a)) * (x[i] != 0)
        found.add(units.constants, int(h), np.arange(d), sums)
    return found


def p_values(found: ScoreTotals) -> Floats:
    variance = np.maximum(found.exchangeable, found.v0)
    return np.asarray(skewed(found.score, variance, found.third))


def test_moments_are_those_of_all_permutations() -> None:
    x = np.array([[0.0, 1], [3, 1], [0, 0], [7, 0], [1, 0], [0, 1], [2, 0]])
    scores = []
    for chosen in combinations(range(7), 3):
        side = np.ones(7, np.int64)
        side[list(chosen)] = 0
        found = totals(x, side)
        scores.append(found.score.copy())
    all_scores = np.array(scores)
    np.testing.assert_allclose(all_scores.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(found.exchangeable, (all_scores**2).mean(axis=0))
    np.testing.assert_allclose(found.third, (all_scores**3).mean(axis=0))


def test_documents_in_strata_are_cochran_mantel_and_haenszels() -> None:
    random = np.random.default_rng(2)
    stratum = random.integers(0, 5, 200)
    side = (random.random(200) < 0.2 + 0.1 * stratum).astype(np.int64)
    x = (random.random((200, 6)) < 0.1 + 0.1 * stratum[:, None]).astype(np.float64)
    found = totals(x, side, stratum=stratum)
    for f in range(6):
        score = variance = weights = difference = 0.0
        for h in range(5):
            inside = stratum == h
            n, n_a = inside.sum(), (inside & (side == 0)).sum()
            n_b, k = n - n_a, x[inside, f].sum()
            a = x[inside & (side == 0), f].sum()
            score += a - k * n_a / n
            variance += n_a * n_b * k * (n - k) / (n**2 * (n - 1))
            weights += n_a * n_b / n
            difference += n_a * n_b / n * (a / n_a - (k - a) / n_b)
        assert found.score[f] == pytest.approx(score)
        assert found.exchangeable[f] == pytest.approx(variance)
        assert found.score[f] / found.weight == pytest.approx(difference / weights)


def test_a_mean_of_values_counts_each_value_alike() -> None:
    stratum = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2])
    side = np.array([0, 1, 1, 0, 1, 0, 1, 1, 1])
    x = np.array([[1.0], [0], [0], [1], [1], [0], [1], [1], [0]])
    found = totals(x, side, stratum=stratum, by_stratum=True)
    expected = [1 - 0, 1 - 1, 0 - 2 / 3]
    assert found.score[0] / found.weight == pytest.approx(np.mean(expected))
    assert found.rate_a[0] / found.weight == pytest.approx(2 / 3)
    assert found.v0[0] == pytest.approx(np.square(expected).sum())
    d = found.score / found.weight
    spread = np.var(expected, ddof=1) * 3
    assert found.around(d)[0] == pytest.approx(spread)


def test_pairs_in_strata_are_mcnemars() -> None:
    random = np.random.default_rng(5)
    x = (random.random((300, 4)) < 0.4).astype(np.float64)
    stratum, side = np.repeat(np.arange(150), 2), np.tile([0, 1], 150)
    found = totals(x, side, stratum=stratum, by_stratum=True)
    only_a = (x[::2] > x[1::2]).sum(axis=0)
    only_b = (x[1::2] > x[::2]).sum(axis=0)
    np.testing.assert_allclose(found.v0, only_a + only_b)
    np.testing.assert_allclose(found.exchangeable, only_a + only_b)
    z = (only_a - only_b) / np.sqrt(only_a + only_b)
    np.testing.assert_allclose(p_values(found), 2 * stats.norm.sf(np.abs(z)))


def test_rates_equal_a_permutation_test() -> None:
    random = np.random.default_rng(7)
    x = random.negative_binomial(0.2, 0.1, (90, 5)).astype(np.float64)
    side = (np.arange(90) >= 20).astype(np.int64)
    p = p_values(totals(x, side))
    for f in range(5):
        drawn = stats.permutation_test(
            (x[side == 0, f], x[side == 1, f]),
            lambda a, b, axis: a.mean(axis) - b.mean(axis),
            n_resamples=20_000,
            vectorized=True,
            rng=np.random.default_rng(f),
        )
        assert p[f] == pytest.approx(drawn.pvalue, abs=0.06)


def simulated(
    n_a: int, n_b: int, length_a: int, length_b: int, *, clumped: bool, n_features: int = 1500
) -> float:
    """The share of p < .05 where both sides have one rate of tokens, and unlike lengths."""
    random = np.random.default_rng(11)
    side = np.repeat([0, 1], [n_a, n_b])
    size = random.poisson(np.where(side == 0, length_a, length_b)) + 1.0
    rate = np.full((len(side), n_features), 0.05)
    if clumped:
        rate *= random.gamma(0.5, 2, rate.shape)
    x = random.poisson(rate * size[:, None]).astype(np.float64)
    return float((p_values(totals(x, side, size)) < 0.05).mean())


@pytest.mark.parametrize("clumped", [False, True])
@pytest.mark.parametrize(
    "sides", [(200, 200, 40, 40), (60, 400, 40, 40), (200, 200, 120, 30), (60, 400, 120, 30)]
)
def test_rates_are_calibrated_whatever_the_lengths(
    sides: tuple[int, int, int, int], clumped: bool
) -> None:
    assert 0.025 < simulated(*sides, clumped=clumped) < 0.065


def test_intervals_cover_the_difference() -> None:
    """Of clumped tokens with rates .05 and .08; robustly, and not by the binomial's variance."""
    random = np.random.default_rng(3)
    side = np.repeat([0, 1], [150, 300])
    size = random.poisson(50, 450) + 1.0
    rate = np.where(side == 0, 0.05, 0.08)[:, None] * random.gamma(0.5, 2, (450, 800))
    x = random.poisson(rate * size[:, None]).astype(np.float64)
    found = totals(x, side, size)
    difference = found.score / found.weight
    half = 1.96 * np.sqrt(found.around(difference)) / found.weight
    assert 0.92 < (np.abs(difference + 0.03) < half).mean() < 0.97


def test_intervals_within_strata_cover_the_difference() -> None:
    random = np.random.default_rng(4)
    stratum = np.repeat(np.arange(60), 6)
    base = random.uniform(0.1, 0.6, 60)[stratum]
    side = (random.random(360) < np.linspace(0.2, 0.8, 60)[stratum]).astype(np.int64)
    share = base + np.where(side == 0, 0.2, 0)
    x = (random.random((360, 800)) < share[:, None]).astype(np.float64)
    found = totals(x, side, stratum=stratum)
    difference = found.score / found.weight
    half = 1.96 * np.sqrt(found.around(difference)) / found.weight
    assert 0.92 < (np.abs(difference - 0.2) < half).mean() < 0.975
