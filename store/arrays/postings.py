"""Compiled loops over posting lists: segments' lists made one, and split into their tiers.

A block of features has its postings in parallel arrays; those of feature f are the places
`begins[f]` to `ends[f]`. The three tiers of a feature are three rows, one after the other: the
first has one list, of six columns end to end, the others have one list in each column.
"""

from typing import Any

import numpy as np

from saelake.store.arrays.kernels import compiled
from saelake.store.format.lists import Array

NO_DOC = np.int64(1 << 62)

# What later tiers store: gaps between documents, maxima, positions, starts and lengths of tokens.
Later = tuple[Array, Array, Array, Array, Array]
# Of each posting: the document, the maximum, its position, its token's id, start and length.
Columns = tuple[Array, Array, Array, Array, Array, Array]


@compiled
def append(
    strongest_at: Array,
    strongest: Array,
    later_at: Array,
    later: Later,
    ends: Array,
    columns: Columns,
) -> None:
    """Append a segment's postings of a block of features, by document; `ends` moves on.

    `strongest_at` and `later_at` int64 (3 n_features + 1,) are the lists' offsets. A posting of a
    later tier has no token: 0.
    """
    gaps, maxima, positions, starts, lengths = later
    doc, max_, position, token, start, length = columns
    for f in range(len(ends)):
        base = strongest_at[3 * f]
        n = (strongest_at[3 * f + 1] - base) // 6
        i, j, k = np.int64(0), later_at[3 * f + 1], later_at[3 * f + 2]
        second, third = later_at[3 * f + 2], later_at[3 * f + 3]
        a = np.int64(strongest[base]) if n > 0 else NO_DOC
        b = np.int64(gaps[j]) if j < second else NO_DOC
        c = np.int64(gaps[k]) if k < third else NO_DOC
        at = ends[f]
        while a < NO_DOC or b < NO_DOC or c < NO_DOC:
            if a <= b and a <= c:
                doc[at] = a
                max_[at] = strongest[base + n + i]
                position[at] = strongest[base + 2 * n + i]
                token[at] = strongest[base + 3 * n + i]
                start[at] = strongest[base + 4 * n + i]
                length[at] = strongest[base + 5 * n + i]
                i += 1
                a = a + np.int64(strongest[base + i]) if i < n else NO_DOC
            else:
                first = b <= c
                here = j if first else k
                doc[at] = b if first else c
                max_[at] = maxima[here]
                position[at] = positions[here]
                token[at] = 0
                start[at] = starts[here]
                length[at] = lengths[here]
                if first:
                    j += 1
                    b = b + np.int64(gaps[j]) if j < second else NO_DOC
                else:
                    k += 1
                    c = c + np.int64(gaps[k]) if k < third else NO_DOC
            at += 1
        ends[f] = at


@compiled
def _ascending(doc: Array) -> Array:
    """The places of documents in ascending order, equal ones in theirs: runs are merged by twos."""
    n, n_runs = len(doc), 1
    for i in range(1, n):
        n_runs += doc[i] < doc[i - 1]
    bounds = np.zeros(n_runs + 1, np.int64)
    n_runs = 1
    for i in range(1, n):
        if doc[i] < doc[i - 1]:
            bounds[n_runs] = i
            n_runs += 1
    bounds[n_runs] = n
    order, other = np.arange(n), np.empty(n, np.int64)
    while n_runs > 1:
        n_merged = 0
        for run in range(0, n_runs, 2):
            i, middle, end = bounds[run], bounds[run + 1], bounds[min(run + 2, n_runs)]
            bounds[n_merged] = i
            n_merged += 1
            j = middle
            for at in range(i, end):
                if i < middle and (j >= end or doc[order[i]] <= doc[order[j]]):
                    other[at] = order[i]
                    i += 1
                else:
                    other[at] = order[j]
                    j += 1
        bounds[n_merged] = n
        n_runs = n_merged
        order, other = other, order
    return order


@compiled
def _gather(column: Array, order: Array, first: int, n: int) -> None:
    """Put the values at the first `n` places of `order` from place `first` on."""
    values = np.empty(n, column.dtype)
    for i in range(n):
        values[i] = column[order[i]]
    for i in range(n):
        column[first + i] = values[i]


@compiled
def order_by_document(begins: Array, ends: Array, columns: Columns) -> None:
    """Put each feature's postings in ascending order of documents; of one document one stays.

    That is the one with the largest maximum, of equals the earliest position. `ends` are of what
    stays. Lists that are in order are only looked at.
    """
    doc, max_, position, token, start, length = columns
    for f in range(len(ends)):
        a, b = begins[f], ends[f]
        i = a + 1
        while i < b and doc[i] > doc[i - 1]:
            i += 1
        if i >= b:
            continue
        order = _ascending(doc[a:b])
        n = 0
        for i in range(len(order)):
            mine = order[i] + a
            if n > 0 and doc[order[n - 1]] == doc[mine]:
                other = order[n - 1]
                if max_[mine] > max_[other] or (
                    max_[mine] == max_[other] and position[mine] < position[other]
                ):
                    order[n - 1] = mine
            else:
                order[n] = mine
                n += 1
        _gather(doc, order, a, n)
        _gather(max_, order, a, n)
        _gather(position, order, a, n)
        _gather(token, order, a, n)
        _gather(start, order, a, n)
        _gather(length, order, a, n)
        ends[f] = a + n


@compiled
def _weakest_of(codes: Array, n: int, lowest: int) -> Any:
    """The n-th largest code, and how many of its equals are among the n largest.

    Codes are of 16 bits, from `lowest` on: counted by their upper byte, then by their lower.
    """
    upper, lower = np.zeros(256, np.int64), np.zeros(256, np.int64)
    for i in range(len(codes)):
        upper[(np.int64(codes[i]) - lowest) >> 8] += 1
    high, left = 255, n
    while upper[high] < left:
        left -= upper[high]
        high -= 1
    for i in range(len(codes)):
        key = np.int64(codes[i]) - lowest
        if key >> 8 == high:
            lower[key & 255] += 1
    low = 255
    while lower[low] < left:
        left -= lower[low]
        low -= 1
    return (high << 8) + low + lowest, left


@compiled
def among_strongest(begins: Array, doc: Array, max_: Array, n: int, lowest: int) -> Any:
    """Which postings are among the `n` strongest of their feature, bool, in any order of documents.

    Those of feature f are the places `begins[f]` to `begins[f + 1]`; of equals the lower document
    is stronger.
    """
    kept = np.ones(len(doc), np.bool_)
    for f in range(len(begins) - 1):
        a, b = begins[f], begins[f + 1]
        if b - a <= n:
            continue
        least, n_equals = _weakest_of(max_[a:b], n, lowest)
        equals = np.sort(doc[a:b][max_[a:b] == least])
        last = equals[n_equals - 1]
        for i in range(a, b):
            kept[i] = max_[i] > least or (max_[i] == least and doc[i] <= last)
    return kept


@compiled
def split_into_tiers(
    begins: Array,
    ends: Array,
    columns: Columns,
    bits: Array,
    lowest: int,
    tiers: tuple[int, int],
    strongest_at: Array,
    strongest: Array,
    later_at: Array,
    later: Later,
) -> None:
    """Fill the tiers' lists, whose offsets are known, with postings that ascend by document.

    Tier 0 has a feature's `tiers[0]` strongest, tier 1 the next `tiers[1]`, tier 2 all others; of
    equals the lower document is stronger. `bits` are the maxima without signs.
    """
    gaps, maxima, positions, starts, lengths = later
    doc, max_, position, token, start, length = columns
    for f in range(len(ends)):
        a, b = begins[f], ends[f]
        n, least, next_least = b - a, np.int64(lowest - 1), np.int64(lowest - 1)
        equals, next_equals = np.int64(0), np.int64(0)
        if n > tiers[0]:
            least, equals = _weakest_of(max_[a:b], tiers[0], lowest)
        if n > tiers[0] + tiers[1]:
            next_least, next_equals = _weakest_of(max_[a:b], tiers[0] + tiers[1], lowest)
        n = min(n, tiers[0])
        base, i = strongest_at[3 * f], np.int64(0)
        j, k = later_at[3 * f + 1], later_at[3 * f + 2]
        before, second, third = np.int64(0), np.int64(0), np.int64(0)
        for place in range(a, b):
            value, here = np.int64(max_[place]), np.int64(doc[place])
            in_next = value > next_least or (value == next_least and next_equals > 0)
            next_equals -= value == next_least
            in_first = value > least or (value == least and equals > 0)
            equals -= value == least
            if in_first:
                strongest[base + i] = here - before
                strongest[base + n + i] = bits[place]
                strongest[base + 2 * n + i] = position[place]
                strongest[base + 3 * n + i] = token[place]
                strongest[base + 4 * n + i] = start[place]
                strongest[base + 5 * n + i] = length[place]
                before = here
                i += 1
                continue
            if in_next:
                at, gaps[j] = j, here - second
                second = here
                j += 1
            else:
                at, gaps[k] = k, here - third
                third = here
                k += 1
            maxima[at] = max_[place]
            positions[at] = position[place]
            starts[at] = start[place]
            lengths[at] = length[place]
