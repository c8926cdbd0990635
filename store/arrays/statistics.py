"""Tests of many features at once: from counts to p-values, and from those to q-values."""

import numpy as np
from scipy import special, stats

from saelake.store.format.lists import Array

FEW = 5  # of an expected count under which the normal approximation is not used (Cochran 1954)


def two_proportions(a: Array, n_a: Array | int, b: Array, n_b: Array | int) -> Array:
    """Two-sided p-values of a/n_a = b/n_b, float64 (n,).

    The pooled z test; where an expected count is under 5 the exact hypergeometric test (Fisher's),
    twice the smaller tail. 1 where a feature fires nowhere, or a side has nothing.
    """
    a, b, n_a, n_b = _floats(a, b, n_a, n_b)
    n, fires = n_a + n_b, a + b
    p = np.ones(len(a))
    some = (n_a > 0) & (n_b > 0) & (fires > 0) & (fires < n)
    least = np.minimum(n_a, n_b) * np.minimum(fires, n - fires) / np.maximum(n, 1)
    large = some & (least >= FEW)
    share = fires[large] / n[large]
    error = np.sqrt(share * (1 - share) * (1 / n_a[large] + 1 / n_b[large]))
    z = (a[large] / n_a[large] - b[large] / n_b[large]) / error
    p[large] = 2 * special.ndtr(-np.abs(z))
    small = some & ~large
    drawn = stats.hypergeom(n[small], fires[small], n_a[small])
    tails = np.minimum(drawn.cdf(a[small]), drawn.sf(a[small] - 1))
    p[small] = np.minimum(2 * tails, 1)
    return p


def _floats(*arrays: Array | int) -> tuple[Array, ...]:
    return tuple(array.astype(np.float64) for array in np.broadcast_arrays(*arrays))


def discordant(only_a: Array, only_b: Array) -> Array:
    """McNemar's exact two-sided p-values of pairs, float64 (n,).

    `only_a` and `only_b` count the pairs in which a feature fires on one side alone.
    """
    n = only_a + only_b
    p: Array = 2 * stats.binom.cdf(np.minimum(only_a, only_b), n, 0.5)
    return np.minimum(p, 1)


def adjusted(p: Array) -> Array:
    """Benjamini and Hochberg's (1995) q-values of p-values, all of which are counted as tests."""
    q: Array = stats.false_discovery_control(p, method="bh") if len(p) else np.empty(0)
    return q


def log_odds(a: Array, n_a: Array | int, b: Array, n_b: Array | int) -> Array:
    """The log odds ratio, half a document added to each count (Haldane 1956, Anscombe 1956)."""
    a, b, n_a, n_b = _floats(a, b, n_a, n_b)
    ratio: Array = np.log((a + 0.5) / (n_a - a + 0.5)) - np.log((b + 0.5) / (n_b - b + 0.5))
    return ratio
