"""Tests of two shares, with intervals of 95 %, in closed form: NumPy is all that a client has.

Separate documents have Fisher's exact test, two-sided (the chance of all tables that are not more
likely than the one found, as in R and SciPy), and Newcombe's interval (1998, Statistics in Medicine
17, 873-890, method 10). Pairs have McNemar's exact test, and Newcombe's interval for pairs
(17, 2635-2650, method 10).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, exp, inf, lgamma, nan, sqrt
from typing import Literal

from saelake.store.format.shares import wilson

Correction = Literal["holm", "benjamini-hochberg"]
ALIKE = 1 + 1e-7  # chances that differ by less are the same


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareDifference:
    """The share in a less that in b, its interval of 95 %, and the two-sided p-value.

    NaN with a p-value of 1 where a side has nothing.
    """

    value: float
    low: float
    high: float
    p_value: float


UNTESTED = ShareDifference(value=nan, low=nan, high=nan, p_value=1.0)


def of_separate(a: int, n_a: int, b: int, n_b: int) -> ShareDifference:
    """Of `a` among `n_a` and `b` among `n_b` separate documents."""
    if not (n_a and n_b):
        return UNTESTED
    share_a, share_b = a / n_a, b / n_b
    (_, low_a, high_a), (_, low_b, high_b) = wilson(share_a, n_a), wilson(share_b, n_b)
    value = share_a - share_b
    return ShareDifference(
        value=value,
        low=value - sqrt((share_a - low_a) ** 2 + (high_b - share_b) ** 2),
        high=value + sqrt((high_a - share_a) ** 2 + (share_b - low_b) ** 2),
        p_value=fisher(a, n_a, b, n_b),
    )


def fisher(a: int, n_a: int, b: int, n_b: int) -> float:
    """Fisher's exact test, two-sided."""
    total = a + b
    chances = [
        _log_comb(n_a, k) + _log_comb(n_b, total - k)
        for k in range(max(0, total - n_b), min(n_a, total) + 1)
    ]
    whole = _log_comb(n_a + n_b, total)
    found = exp(chances[a - max(0, total - n_b)] - whole)
    p = sum(chance for c in chances if (chance := exp(c - whole)) <= found * ALIKE)
    return min(p, 1.0)


def _log_comb(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) if 0 <= k <= n else -inf


def of_pairs(both: int, only_a: int, only_b: int, neither: int) -> ShareDifference:
    """Of pairs: in how many it is so on both sides, on one alone, and on none."""
    n = both + only_a + only_b + neither
    if not n:
        return UNTESTED
    share_a, share_b = (both + only_a) / n, (both + only_b) / n
    (_, low_a, high_a), (_, low_b, high_b) = wilson(share_a, n), wilson(share_b, n)
    phi, value = _phi(both, only_a, only_b, neither), share_a - share_b
    below = _together(share_a - low_a, high_b - share_b, phi)
    above = _together(high_a - share_a, share_b - low_b, phi)
    p = mcnemar(only_a, only_b)
    return ShareDifference(value=value, low=value - below, high=value + above, p_value=p)


def _together(a: float, b: float, phi: float) -> float:
    return sqrt(max(a * a - 2 * phi * a * b + b * b, 0.0))


def _phi(both: int, only_a: int, only_b: int, neither: int) -> float:
    """The correlation within pairs, corrected for continuity where it is positive."""
    n = both + only_a + only_b + neither
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    if not margins:
        return 0.0
    excess = both * neither - only_a * only_b
    corrected = excess if excess < 0 else max(excess - n / 2, 0)
    return float(corrected / sqrt(margins))


def mcnemar(only_a: int, only_b: int) -> float:
    """McNemar's exact test, two-sided: of the pairs that differ, half do either way by chance."""
    n, smaller = only_a + only_b, min(only_a, only_b)
    tail = sum(comb(n, k) for k in range(smaller + 1))
    return float(min(2 * tail / (1 << n), 1.0))


def corrected(p_values: Sequence[float], correction: Correction) -> tuple[float, ...]:
    """p-values corrected for all of them: by Holm (1979), or Benjamini and Hochberg (1995)."""
    return _holm(p_values) if correction == "holm" else _benjamini_hochberg(p_values)


def _holm(p_values: Sequence[float]) -> tuple[float, ...]:
    m, largest = len(p_values), 0.0
    made = [0.0] * m
    for rank, at in enumerate(sorted(range(m), key=p_values.__getitem__)):
        largest = max(largest, min((m - rank) * p_values[at], 1.0))
        made[at] = largest
    return tuple(made)


def _benjamini_hochberg(p_values: Sequence[float]) -> tuple[float, ...]:
    m, smallest = len(p_values), 1.0
    made = [0.0] * m
    ranked = sorted(range(m), key=p_values.__getitem__)
    for rank, at in reversed(list(enumerate(ranked, 1))):
        smallest = min(smallest, p_values[at] * m / rank)
        made[at] = smallest
    return tuple(made)
