"""Shares with intervals of 95 %: of what a judge said, as delphi's files have it.

A share has Wilson's interval (1927); the balanced accuracy, the mean of two shares, has the one
that Zou and Donner recover from theirs (MOVER, Statistics in Medicine 27, 2008).
"""

from collections.abc import Sequence
from math import sqrt

Z = 1.959964
Share = tuple[float, float, float]  # a value, and its interval


def share(n_so: int, n: int) -> Share:
    """The share of `n_so` in `n`."""
    value = n_so / n
    middle = (value + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * sqrt(value * (1 - value) / n + (Z / (2 * n)) ** 2)
    return value, min(max(middle - half, 0.0), value), max(min(middle + half, 1.0), value)


def balanced(truths: Sequence[bool], said: Sequence[bool]) -> Share | None:
    """The mean of two shares: of the true found, and of the others left; None without both."""
    n_1 = sum(truths)
    n_0 = len(truths) - n_1
    if not n_1 or not n_0:
        return None
    found = share(sum(t and s for t, s in zip(truths, said, strict=True)), n_1)
    left = share(sum(not t and not s for t, s in zip(truths, said, strict=True)), n_0)
    value = (found[0] + left[0]) / 2
    low = value - sqrt((found[0] - found[1]) ** 2 + (left[0] - left[1]) ** 2) / 2
    high = value + sqrt((found[2] - found[0]) ** 2 + (left[2] - left[0]) ** 2) / 2
    return value, max(low, 0.0), min(high, 1.0)
