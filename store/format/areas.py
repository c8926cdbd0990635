"""Intervals of areas under ROC curves.

Newcombe's method 5 (Statistics in Medicine 25, 2006, 559-573, part 2), of 95 %, which keeps its
width where few are told apart without a fault.
"""

import numpy as np

from saelake.store.format.lists import Array

Z = 1.959964  # of 95 %
BISECTIONS = 40


def interval(area: Array, n_1: Array, n_0: Array) -> tuple[Array, Array]:
    """The least and the largest area that would be within 1.96 deviations of what was found."""
    found = np.nan_to_num(area, nan=0.5)
    return _bound(found, n_1, n_0, -1), _bound(found, n_1, n_0, 1)


def _bound(area: Array, n_1: Array, n_0: Array, side: int) -> Array:
    inner, outer = area.astype(np.float64), np.full(len(area), float(side > 0))
    for _ in range(BISECTIONS):
        middle = (inner + outer) / 2
        is_within = np.abs(middle - area) <= Z * _deviation(middle, n_1, n_0)
        inner, outer = np.where(is_within, middle, inner), np.where(is_within, outer, middle)
    return inner


def _deviation(area: Array, n_1: Array, n_0: Array) -> Array:
    """Hanley and McNeil's (1982) standard deviation, with both numbers less 1 their mean less 1."""
    more = (n_1 + n_0) / 2 - 1
    spread = 1 + more * (1 - area) / (2 - area) + more * area / (1 + area)
    deviation: Array = np.sqrt(area * (1 - area) * spread / np.maximum(n_1 * n_0, 1))
    return deviation
