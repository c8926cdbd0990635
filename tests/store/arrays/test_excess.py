"""Tests of counts over strata, against sums of hypergeometric counts; tallied q-values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from saelake.store.arrays.excess import PTally, excess

Strata = list[tuple[int, int, int]]


def exact(strata: Strata) -> tuple[np.ndarray, tuple[float, float, float]]:
    """Two-sided mid-p of each count that can be, and the moments, from the whole distribution."""
    chance = np.ones(1)
    for n, a, b in strata:
        chance = np.convolve(chance, stats.hypergeom(n, a, b).pmf(np.arange(min(a, b) + 1)))
    counts = np.arange(len(chance))
    mean = float(chance @ counts)
    variance, third = (float(chance @ (counts - mean) ** power) for power in (2, 3))
    upper = np.cumsum(chance[::-1])[::-1] - chance / 2
    return np.minimum(2 * np.minimum(upper, 1 - upper), 1), (mean, variance, third)


stratum = st.integers(8, 120).flatmap(
    lambda n: st.tuples(st.just(n), st.integers(1, n // 2), st.integers(1, n // 2))
)


@settings(max_examples=60, deadline=None)
@given(strata=st.lists(stratum, min_size=1, max_size=12))
def test_counts_of_strata(strata: Strata) -> None:
    """Within a factor of 2 of the exact mid-p wherever it is between .01 and .5, and no smaller."""
    p, (mean, variance, third) = exact(strata)
    n = len(p)
    found = excess(np.arange(n), np.full(n, mean), np.full(n, variance), np.full(n, third))
    near = (p > 0.01) & (p < 0.5) & (variance > 0.5)
    assert (np.abs(np.log(found[near] / p[near])) < np.log(2)).all()
    assert ((found >= 0) & (found <= 1)).all()


def test_many_documents_are_the_mantel_haenszel_test() -> None:
    rng = np.random.default_rng(0)
    tables = rng.integers(50, 400, (6, 2, 2)).astype(float)
    n, a, b = tables.sum((1, 2)), tables[:, 0].sum(1), tables[:, :, 0].sum(1)
    mean = (a * b / n).sum()
    variance = (a * (n - a) * b * (n - b) / (n**2 * (n - 1))).sum()
    square = (tables[:, 0, 0].sum() - mean) ** 2 / variance
    count = np.array([tables[:, 0, 0].sum()])
    (p,) = excess(count, np.array([mean]), np.array([variance]), np.zeros(1))
    assert p == pytest.approx(stats.chi2.sf(square, 1))


def test_what_cannot_vary_is_no_finding() -> None:
    zeros = np.zeros(2)
    assert excess(np.array([3, 0]), np.array([3.0, 0.0]), zeros, zeros).tolist() == [1, 1]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(1e-300, 1), min_size=1, max_size=60), st.integers(0, 500))
def test_tallied_q_values(p: list[float], more: int) -> None:
    """Those of Benjamini and Hochberg over all tests, at most .3 % larger."""
    tally = PTally(len(p) + more)
    tally.add(np.array(p[::2]))
    tally.add(np.array(p[1::2]))
    expected = stats.false_discovery_control([*p, *[1.0] * more])[: len(p)]
    found = tally.q(np.array(p))
    assert (found >= expected * (1 - 1e-9)).all()
    assert (found <= np.minimum(expected * 1.003, 1) + 1e-300).all()


def test_p_values_of_nothing() -> None:
    tally = PTally(10)
    tally.add(np.empty(0))
    assert tally.q(np.empty(0)).tolist() == []
    tally.add(np.zeros(1))
    assert tally.q(np.zeros(1))[0] < 1e-300
