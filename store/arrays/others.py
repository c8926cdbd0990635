"""Compiled: which tokens of a posting are listed besides that of its maximum, and their levels."""

from typing import Any

import numpy as np

from saelake.store.arrays.kernels import compiled
from saelake.store.format.lists import Array

HIGHEST, LOWEST_OF_REST = 15, 14


@compiled
def others_of_groups(
    counts: Array,
    values: Array,
    positions: Array,
    best: Array,
    base: Array,
    shift: int,
    most: int,
) -> Any:
    """See `store.index.others`: counts, rests and begins of groups; positions and levels listed.

    Of more than `most` the strongest, of equally strong ones the earlier.
    """
    n = len(counts)
    size = np.int64(0)
    for g in range(n):
        size += min(counts[g] - 1, most)
    count, rest = np.empty(n, np.uint8), np.full(n, np.uint8(HIGHEST))
    begin = np.empty(n, np.int64)
    position, level = np.empty(size, np.uint32), np.empty(size, np.uint8)
    tally = np.empty(HIGHEST + 1, np.int64)
    first, at = np.int64(0), np.int64(0)
    for g in range(n):
        top = np.int64(values[best[g]])
        tally[:] = 0
        for i in range(first, first + counts[g]):
            if i != best[g]:
                below: Any = min((top - np.int64(values[i])) >> shift, HIGHEST)
                tally[below] += 1
        room, last = np.int64(most), 0  # all above level `last` are listed, and `room` of that
        while last < HIGHEST and tally[last] <= room:
            room -= tally[last]
            last += 1
        begin[g] = at
        for i in range(first, first + counts[g]):
            if i == best[g]:
                continue
            mine: Any = min((top - np.int64(values[i])) >> shift, HIGHEST)
            if mine > last or (mine == last and room == 0):
                rest[g] = min(mine, rest[g], LOWEST_OF_REST)
                continue
            room -= mine == last
            position[at] = base[g] + np.int64(positions[i])
            level[at] = mine
            at += 1
        count[g] = at - begin[g]
        first += counts[g]
    return count, rest, begin, position, level


@compiled
def tokens_of(
    index: Array,
    code: Array,
    position: Array,
    others: tuple[Array, Array, Array, Array, Array],
    shift: int,
    most: int,
    decoded: Array,
    rest: Array,
) -> Any:
    """The tokens that postings tell of, in order: keys, and at least and at most the values there.

    Posting i has its maximum `code[i]` at `position[i]` of document `index[i]` (which ascend), and
    the `others` of `store.index.others.Others`. A key (int64) is the document's index and, in the
    lower 32 bits, the position; values are float32, `decoded` those of codes. `rest` of each
    document is raised to what tokens that are not listed may have.
    """
    count, left, begin, listed, level = others
    n = len(index)
    for i in range(len(count)):
        n += count[i] if count[i] <= most else 0
    keys, lower, upper = np.empty(n, np.int64), np.empty(n, np.float32), np.empty(n, np.float32)
    at = 0
    for i in range(len(index)):
        top, own, base = np.int64(code[i]), np.int64(position[i]), np.int64(index[i]) << 32
        is_left = True
        for j in range(begin[i], begin[i] + (count[i] if count[i] <= most else 0)):
            if is_left and listed[j] > own:
                keys[at], lower[at], upper[at] = base | own, decoded[top], decoded[top]
                at += 1
                is_left = False
            high: Any = max(top - (np.int64(level[j]) << shift), 1)
            low: Any = 1 if level[j] == HIGHEST else max(high - ((1 << shift) - 1), 1)
            keys[at] = base | np.int64(listed[j])
            lower[at], upper[at] = decoded[low], decoded[high]
            at += 1
        if is_left:
            keys[at], lower[at], upper[at] = base | own, decoded[top], decoded[top]
            at += 1
        if left[i] != HIGHEST:
            most_left: Any = max(top - (np.int64(left[i]) << shift), 1)
            rest[index[i]] = max(rest[index[i]], decoded[most_left])
    return keys, lower, upper
