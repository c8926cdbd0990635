"""Compiled: the largest values within windows of tokens."""

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
