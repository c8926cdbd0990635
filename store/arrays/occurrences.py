"""Compiled loops that read terse rows of codes (see `store.codes.terse`)."""

import numpy as np

from saelake.store.arrays.kernels import compiled
from saelake.store.format.lists import Array


@compiled
def running_sums(offsets: Array, gaps: Array, sums: Array) -> None:
    """Set `sums` (uint32) to the sum of each list up to each of its numbers."""
    for row in range(len(offsets) - 1):
        total = np.uint32(0)
        for i in range(np.uint64(offsets[row]), np.uint64(offsets[row + 1])):
            total = np.uint32(total + np.uint32(gaps[i]))
            sums[i] = total


@compiled
def occurrences(
    counts: Array, positions: Array, maxima: Array, below: Array, ordered: Array, values: Array
) -> None:
    """Set `ordered` to positions in their order, and `values` to value codes, from terse ones.

    The counts are above 0 and those of the positions; `below` has one less of each group. Where a
    group's maximum is, is found without branches, which would be guessed wrong half of the time.
    """
    one, at, rest = np.uint64(1), np.uint64(0), np.uint64(0)
    for group in range(np.uint64(len(counts))):
        best, largest = positions[at], maxima[group]
        end = at + np.uint64(counts[group])
        hole = end - one
        for i in range(at + one, end):
            position = positions[i]
            later = np.uint64(position > best)
            hole -= later
            ordered[i - one + later], values[i - one + later] = position, largest - below[rest]
            rest += one
        ordered[hole], values[hole] = best, largest
        at = end
