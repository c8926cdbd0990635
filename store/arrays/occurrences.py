"""Compiled loops that read terse rows of codes (see `store.codes.terse`)."""

from typing import Any

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


@compiled
def _groups(
    wanted: Array, features_at: Array, positions_at: Array, gaps: Array, counts: Array
) -> Any:
    """Which group of each row is of which feature, and where its positions begin, int64.

    Both are (n_wanted, n_rows); a row without the feature has -1.
    """
    n_rows, n_wanted = len(features_at) - 1, len(wanted)
    group = np.full((n_wanted, n_rows), -1, np.int64)
    first = np.empty((n_wanted, n_rows), np.int64)
    for row in range(n_rows):
        at, w, feature = positions_at[row], 0, np.uint32(0)
        for i in range(features_at[row], features_at[row + 1]):
            feature = np.uint32(feature + np.uint32(gaps[i]))
            while w < n_wanted and wanted[w] < feature:
                w += 1
            if w == n_wanted:
                break
            n, n_after = np.int64(counts[i]), features_at[row + 1] - 1 - i  # each of which has one
            if n < 1 or at + n + n_after > positions_at[row + 1]:
                raise ValueError("counts are not those of positions")
            if wanted[w] == feature:
                group[w, row], first[w, row] = i, at
            at += n
    return group, first


@compiled
def _ordered(positions: Array, largest: Any, below: Array, found: Array, codes: Array) -> None:
    """Set `found` to the positions of a group in their order, and `codes` to their value codes."""
    best, hole = positions[0], 0
    for i in range(1, len(positions)):
        later = positions[i] > best
        place = i if later else i - 1
        hole += not later
        found[place], codes[place] = positions[i], largest - below[i - 1]
    found[hole], codes[hole] = best, largest


@compiled
def occurrences_of(
    wanted: Array,
    features_at: Array,
    positions_at: Array,
    gaps: Array,
    counts: Array,
    positions: Array,
    maxima: Array,
    below: Array,
) -> Any:
    """Where each of some features (uint32, ascending) fires in terse rows, which are left so.

    `features_at` and `positions_at` int64 (n_rows + 1,) are where rows begin in the lists. Of each
    feature in turn the rows, int64, positions in order, and value codes; and where each feature's
    begin, int64 (n_wanted + 1,). Raises `ValueError` where counts are not those of positions.
    """
    n_rows, n_wanted = len(features_at) - 1, len(wanted)
    group, first = _groups(wanted, features_at, positions_at, gaps, counts)
    begins = np.zeros(n_wanted + 1, np.int64)
    for w in range(n_wanted):
        begins[w + 1] = begins[w]
        for i in group[w]:
            begins[w + 1] += counts[i] if i >= 0 else 0
    rows, found = np.empty(begins[-1], np.int64), np.empty(begins[-1], np.int64)
    codes = np.empty(begins[-1], maxima.dtype)
    end: Any = 0
    for w in range(n_wanted):
        for row in range(n_rows):
            i = group[w, row]
            if i >= 0:
                n, at = np.int64(counts[i]), first[w, row]
                rest = at - i  # all before have one value less there
                last = end + n
                values = maxima[i], below[rest : rest + n - 1]
                _ordered(positions[at : at + n], *values, found[end:last], codes[end:last])
                rows[end:last] = row
                end = last
    return rows, found, codes, begins
