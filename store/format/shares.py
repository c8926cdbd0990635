"""Shares with intervals of 95 %, in closed form: NumPy is all that a client has.

A share has Wilson's interval (1927), which keeps its width where a judge makes no mistake. What is
made of two independent shares has the interval that Zou and Donner recover from theirs (MOVER,
Statistics in Medicine 27, 2008).
"""

from collections.abc import Callable
from math import sqrt

from saelake.store.format.areas import Z

Share = tuple[float, float, float]  # a value, and its interval


def wilson(value: float, n: float) -> Share:
    """A share of `n`, with Wilson's interval."""
    middle = (value + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * sqrt(value * (1 - value) / n + (Z / (2 * n)) ** 2)
    return value, min(max(middle - half, 0.0), value), max(min(middle + half, 1.0), value)


def of_two(combined: Callable[[float, float], float], a: Share, b: Share) -> Share:
    """What is made of two independent shares: it grows with `a`, and grows or falls with `b`.

    It lies between 0 and 1. The interval is MOVER's.
    """
    value = combined(a[0], b[0])
    by_b = sorted((combined(a[0], b[1]), combined(a[0], b[2])))
    low = value - sqrt((value - combined(a[1], b[0])) ** 2 + (value - by_b[0]) ** 2)
    high = value + sqrt((combined(a[2], b[0]) - value) ** 2 + (by_b[1] - value) ** 2)
    return value, max(low, 0.0), min(high, 1.0)
