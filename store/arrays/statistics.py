"""Tests of many features at once: from counts to p-values, and from those to q-values."""

from collections.abc import Sequence

import numpy as np
from scipy import interpolate, special, stats

from saelake.store.arrays.proportions import wilson
from saelake.store.format.lists import Array

FEW = 5  # of an expected count under which the normal approximation is not used (Cochran 1954)
SMALLEST = 1e-300  # p-values are not below: what is smaller is not told apart
ROUNDING = 1e-9  # of a sum of documents that is 0
STRAIGHT = 1e-3  # of a skewness under which a distribution is taken for a normal one
GRID = np.arange(-38.0, 38.01, 0.02)  # standard deviations that `of_largest` sums over
KNOTS = 400


def two_proportions(a: Array, n_a: Array | int, b: Array, n_b: Array | int) -> Array:
    """Two-sided p-values of a/n_a = b/n_b, float64 (n,).

    The pooled z test, which is the score test; where an expected count is under 5 the exact
    hypergeometric test, twice the smaller tail with half the chance of what was found (mid-p,
    Lancaster 1961): with all of it, as Fisher's, far fewer than 5 % of true hypotheses have p <
    .05. 1 where a feature fires nowhere, or a side has nothing.
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
    p[small] = hypergeometric(a[small], fires[small], n_a[small], n[small])
    return np.maximum(p, SMALLEST)


def hypergeometric(a: Array, fires: Array, n_a: Array, n: Array) -> Array:
    """Two-sided mid-p of `a` of `n_a` drawn of n, of which `fires` fire, float64 (n,)."""
    asked = np.stack([a, fires, n_a, n])
    (a, fires, n_a, n), place = np.unique(asked, axis=1, return_inverse=True)  # many are alike
    low = a * n <= fires * n_a
    tail = -stats.hypergeom.pmf(a, n, fires, n_a) / 2
    tail[low] += stats.hypergeom.cdf(a[low], n[low], fires[low], n_a[low])
    high = ~low
    tail[high] += stats.hypergeom.sf(a[high] - 1, n[high], fires[high], n_a[high])
    p = np.clip(2 * np.minimum(tail, 1 - tail), SMALLEST, 1)  # both tails make 1
    found: Array = p[place.reshape(-1)]
    return found


def least_p(fires: Array, n_a: Array | int, n_b: Array | int) -> Array:
    """The smallest p-value that `two_proportions` can give a feature that fires so often."""
    most_a, most_b = np.minimum(fires, n_a), np.minimum(fires, n_b)
    return np.minimum(
        two_proportions(most_a, n_a, fires - most_a, n_b),
        two_proportions(fires - most_b, n_a, most_b, n_b),
    )


def _floats(*arrays: Array | int) -> tuple[Array, ...]:
    return tuple(array.astype(np.float64) for array in np.broadcast_arrays(*arrays))


def discordant(only_a: Array, only_b: Array) -> Array:
    """McNemar's exact two-sided mid-p of pairs, float64 (n,).

    `only_a` and `only_b` count the pairs in which a feature fires on one side alone.
    """
    n, least = only_a + only_b, np.minimum(only_a, only_b)
    drawn = stats.binom(n, 0.5)
    p: Array = 2 * (drawn.cdf(least) - drawn.pmf(least) / 2)
    return np.clip(np.where(n > 0, p, 1), SMALLEST, 1)


def skewed(score: Array, variance: Array, third: Array) -> Array:
    """Two-sided p-values of sums that are 0 in the mean, with these central moments, float64 (n,).

    By the gamma distribution with the same three moments (Pearson's type III, as Mielke and Berry
    1976 for permutations), twice the smaller tail; a normal one where there is no skewness. 1 where
    there is no variance.
    """
    spread = np.sqrt(np.maximum(variance, 0))
    known = (spread > 0) & (np.abs(score) > ROUNDING)
    z = np.divide(score, spread, out=np.zeros(len(score)), where=known)
    skew = np.divide(third, spread**3, out=np.zeros(len(score)), where=known)
    p = 2 * special.ndtr(-np.abs(z))
    bent = np.abs(skew) > STRAIGHT
    z, skew = z[bent] * np.sign(skew[bent]), np.abs(skew[bent])
    shape = 4 / skew**2
    at = np.maximum(shape + z * 2 / skew, 0)
    p[bent] = 2 * np.minimum(special.gammainc(shape, at), special.gammaincc(shape, at))
    return np.asarray(np.clip(np.where(known, p, 1), SMALLEST, 1))


def of_largest(z: Array, chosen: Array, n: float, n_others: Sequence[float]) -> Array:
    """Two-sided p-values of a side against the largest of several others, float64 (n_features,).

    `z` is the standardised difference from other `chosen`, as if it had been named beforehand.
    Where all sides have one frequency, those of sides of n units spread with a variance in
    proportion to 1 / n: then P(Z_0 - max Z_j < d) is the mean over Z_0 of 1 - prod_j P(Z_j < Z_0 -
    d).
    """
    own, others = 1 / np.sqrt(n), 1 / np.sqrt(np.asarray(n_others, np.float64))
    d = z * np.hypot(own, others[chosen])
    at = np.unique(d)
    if len(at) > KNOTS:  # a smooth function of one number: between knots by a cubic
        at = np.linspace(at[0], at[-1], KNOTS)
        logs = interpolate.CubicSpline(at, _log_tails(at, float(own), others))(d)
    else:
        logs = _log_tails(at, float(own), others)[np.searchsorted(at, d)]
    p: Array = np.clip(2 * np.exp(logs.min(axis=1)), SMALLEST, 1)
    return p


def _log_tails(d: Array, own: float, others: Array) -> Array:
    """The logarithms of P(own Z_0 - max_j others_j Z_j > d) and of < d, float64 (n, 2)."""
    weight = np.exp(-(GRID**2) / 2)
    weight /= weight.sum()
    tails = np.empty((len(d), 2))
    for row, least in enumerate(d):
        below = special.log_ndtr((GRID * own - least)[:, None] / others).sum(axis=1)
        tails[row] = np.exp(below) @ weight, -np.expm1(below) @ weight
    return np.log(np.maximum(tails, SMALLEST))


def newcombe(a: Array, n_a: int, b: Array, n_b: Array | int, level: float) -> tuple[Array, Array]:
    """The interval of a/n_a - b/n_b: Newcombe's (1998, method 10), of Wilson's for each share."""
    (low_a, high_a), (low_b, high_b) = wilson(a, n_a, level), wilson(b, n_b, level)
    share_a, share_b = a / n_a, b / n_b
    difference = share_a - share_b
    low = difference - np.hypot(share_a - low_a, high_b - share_b)
    return low, difference + np.hypot(high_a - share_a, share_b - low_b)


def adjusted(p: Array) -> Array:
    """Benjamini and Hochberg's (1995) q-values of p-values, all of which are counted as tests.

    A p-value that is NaN is of no test, and has none.
    """
    q = np.full(len(p), np.nan)
    known = ~np.isnan(p)
    if known.any():
        q[known] = stats.false_discovery_control(p[known], method="bh")
    return q


def log_odds(a: Array, n_a: Array | int, b: Array, n_b: Array | int) -> Array:
    """The log odds ratio, half a document added to each count (Haldane 1956, Anscombe 1956)."""
    a, b, n_a, n_b = _floats(a, b, n_a, n_b)
    ratio: Array = np.log((a + 0.5) / (n_a - a + 0.5)) - np.log((b + 0.5) / (n_b - b + 0.5))
    return ratio
