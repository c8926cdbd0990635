"""Compiled: the largest values within windows of tokens."""

from typing import Any

import numpy as np

from saelake.store.arrays.kernels import compiled
from saelake.store.format.lists import Array


@compiled
def window_maxima(keys: Array, values: Array, anchors: Array, reach: int, span: int) -> Array:
    """The largest value within `reach` tokens of each anchor, float32, -inf where there is none.

    Keys and anchors (int64) are `document * span + position`, ascending; windows end with the
    document. Both ends of the window only ever move on, so that each value is looked at twice.
    """
    found = np.full(len(anchors), np.float32(-np.inf))
    falling = np.empty(len(keys), np.int64)  # places in the window, each larger than all after it
    head, tail, high = 0, 0, 0
    for a in range(len(anchors)):
        anchor = anchors[a]
        position = anchor % span
        first, last = anchor - min(position, reach), anchor + min(span - 1 - position, reach)
        while high < len(keys) and keys[high] <= last:
            while tail > head and values[falling[tail - 1]] <= values[high]:
                tail -= 1
            falling[tail] = high
            tail += 1
            high += 1
        while head < tail and keys[falling[head]] < first:
            head += 1
        if head < tail:
            found[a] = values[falling[head]]
    return found


@compiled
def bounds_at(keys: Array, lower: Array, upper: Array, anchors: Array) -> Any:
    """The largest of either values at each anchor itself, float32, -inf where there is none."""
    least = np.full(len(anchors), np.float32(-np.inf))
    most = np.full(len(anchors), np.float32(-np.inf))
    k = 0
    for a in range(len(anchors)):
        while k < len(keys) and keys[k] < anchors[a]:
            k += 1
        while k < len(keys) and keys[k] == anchors[a]:
            least[a], most[a] = max(least[a], lower[k]), max(most[a], upper[k])
            k += 1
    return least, most


@compiled
def largest_of_groups(groups: Array, values: Array, n: int) -> Array:
    """The largest of the values of each of `n` groups, float32, -inf where there is none."""
    found = np.full(n, np.float32(-np.inf))
    for i in range(len(groups)):
        found[groups[i]] = max(found[groups[i]], values[i])
    return found
