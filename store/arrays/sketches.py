"""Compiled loops over sketches: a document's levels side by side, so that one can be looked at.

A line (uint8) of n features, n a multiple of 128, has n / 2 bytes of their lowest four bits: byte i
has those of feature i in its low half, and those of feature n / 2 + i in its high one. Behind these
are n / 8 bytes of their fifth bits: byte i has those of the features i, n / 8 + i, ..., the lowest
first.
"""

from typing import Any

import numpy as np

from saelake.store.arrays.kernels import compiled, read_at
from saelake.store.arrays.levels import expected
from saelake.store.format.lists import Array

MOST = 4095  # of a weight: 15 times it fits in 16 bits


@compiled
def as_sketches(
    offsets: Array,
    features: Array,
    values: Array,
    scale: Array,
    steps: Array,
    place: Array,
    lines: Array,
    highest: int,
) -> None:
    """Write each row's impacts as levels 1 to `highest` (see `levels.as_levels`) into its line.

    Feature f is at `place[f]` of a line; where that is negative, it is left out.
    """
    half, eighth = 4 * lines.shape[1] // 5, lines.shape[1] // 5
    for row in range(len(offsets) - 1):
        line = lines[row]
        for i in range(offsets[row], offsets[row + 1]):
            feature = features[i]
            at = place[feature]
            if at < 0:
                continue
            level = min(max(int(values[i] * scale[row] / steps[feature] + 0.5), 1), highest)
            low = level & 15
            line[at % half] |= np.uint8(low << (4 if at >= half else 0))
            line[half + at % eighth] |= np.uint8((level >> 4) << (at // eighth))


@compiled
def weights_of(query: Array, numbers: Array, steps: Array, indices: Array, n: int) -> Any:
    """The weights of a query for lines of `n` features, `indices` in their order: uint16 (n,).

    And the unit in which they are, float32.
    """
    exact = np.zeros(n, np.float32)
    for i in range(len(indices)):
        exact[i] = query[numbers[indices[i]]] * steps[indices[i]]
    unit = max(exact.max(), np.float32(1e-30)) / np.float32(MOST)
    found = np.empty(n, np.uint16)
    for i in range(n):
        found[i] = np.uint16(exact[i] / unit + np.float32(0.5))
    return found, unit


@compiled
def _sum(line: Array, weights: Array) -> Any:
    """The sum of a line's levels times their weights."""
    half, eighth = len(weights) // 2, len(weights) // 8
    low, high, fifth = line[:half], line[half:], np.uint32(0)
    near, far = weights[:half], weights[half:]
    total = np.uint32(0)
    for i in range(half):
        both = np.uint16(low[i])
        total += np.uint32(np.uint16((both & np.uint16(15)) * near[i]))
        total += np.uint32(np.uint16((both >> np.uint16(4)) * far[i]))
    for bit in range(8):
        mine = weights[bit * eighth : (bit + 1) * eighth]
        for i in range(eighth):
            fifth += np.uint32(np.uint16(((high[i] >> np.uint8(bit)) & np.uint8(1)) * mine[i]))
    return total + np.uint32(16) * fifth


@compiled
def estimates_of(
    lines: Array,
    rows: Array,
    query: Array,
    numbers: Array,
    means: Array,
    slopes: Array,
    steps: Array,
    indices: Array,
    typical: Array,
) -> Any:
    """The products of rows (int64) with a query, by their lines (uint8): float32 (n,).

    A line has the features `indices`; of others counts what is to be expected (see `index.levels`).
    """
    mean, slope = expected(query, numbers, means, slopes, indices)
    weights, unit = weights_of(query, numbers, steps, indices, 8 * lines.shape[1] // 5)
    found = np.zeros(len(rows), np.float32)
    for i in range(len(rows)):
        found[i] = unit * np.float32(_sum(lines[i], weights)) + slope * typical[rows[i]] + mean
    return found


@compiled
def lines_in_file(file: int, begin: int, size: int, rows: Array) -> Any:
    """The lines of rows (int64), uint8 (n, size), and whether all could be read.

    They are `size` bytes each, from the byte `begin` of an open file on.
    """
    lines = np.empty((len(rows), size), np.uint8)
    for i in range(len(rows)):
        at = np.int64(begin + size * rows[i])
        if read_at(np.int32(file), lines[i].ctypes, np.uint64(size), at) != size:
            return lines, False
    return lines, True
