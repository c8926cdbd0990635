"""Compiled: what packed bands say of a few of their postings, without unpacking the others.

See `bits` for how bands are packed. In a run all numbers have as many bits, so that one is found
without those before it; only documents are gaps, and how many tokens a posting lists must be
counted. What raises `ValueError` is as there.
"""

from typing import Any

import numpy as np

from saelake.store.arrays.bits import BLOCK, number_of, run_of, take_run
from saelake.store.arrays.kernels import compiled
from saelake.store.format.lists import Array


@compiled
def postings_in(data: Array, n: int, least: Any, wanted: Array, dtype_of: Array) -> Any:
    """The postings of a first section in some documents (int64, ascending).

    Which of the `n` they are, int64, their documents, int64, maxima, of the type of `dtype_of`,
    and positions, uint32.
    """
    size = min(n, len(wanted))
    place, doc = np.empty(size, np.int64), np.empty(size, np.int64)
    max_, position = np.empty(size, dtype_of.dtype), np.empty(size, np.uint32)
    gaps = np.empty(BLOCK, np.int64)
    at, here, w, found = np.int64(0), np.int64(0), 0, 0
    for first in range(0, n, BLOCK):
        if w == len(wanted):
            break
        m = min(BLOCK, n - first)
        at = take_run(data, at, gaps, m)
        maxima, max_width, at = run_of(data, at, m)
        positions, position_width, at = run_of(data, at, m)
        last = here
        for i in range(m):
            last += gaps[i]
        if wanted[w] > last:
            here = last
            continue
        for i in range(m):
            here += gaps[i]
            while w < len(wanted) and wanted[w] < here:
                w += 1
            if w < len(wanted) and wanted[w] == here and found < size:
                place[found], doc[found] = first + i, here
                max_[found] = number_of(data, maxima, max_width, i) + least
                position[found] = number_of(data, positions, position_width, i)
                found += 1
    return place[:found], doc[:found], max_[:found], position[:found]


@compiled
def others_at(data: Array, n: int, places: Array, most: int, nothing: int) -> Any:
    """What the second section of `n` postings says of those at some places (int64, ascending).

    As `bits.take_others`: counts, levels of the rest, where what is listed begins, and positions
    and levels of that.
    """
    count, rest = np.empty(len(places), np.uint8), np.empty(len(places), np.uint8)
    begin = np.empty(len(places), np.int64)
    position = np.empty(len(places) * most, np.uint32)
    level = np.empty(len(places) * most, np.uint8)
    counts = np.empty(BLOCK, np.int64)
    at, p, end = np.int64(0), 0, np.int64(0)
    for first in range(0, n, BLOCK):
        if p == len(places):
            break
        m = min(BLOCK, n - first)
        at = take_run(data, at, counts, m)
        n_listed, n_full = np.int64(0), np.int64(0)
        for i in range(m):
            n_listed += counts[i] if counts[i] <= most else 0
            n_full += counts[i] == most
        positions, position_width, at = run_of(data, at, n_listed)
        levels, level_width, at = run_of(data, at, n_listed)
        rests, rest_width, at = run_of(data, at, n_full)
        listed, full = np.int64(0), np.int64(0)
        for i in range(m):
            if p == len(places) or places[p] >= first + m:
                break
            n_own = counts[i] if counts[i] <= most else 0
            if places[p] == first + i:
                count[p], begin[p] = counts[i], end
                rest[p] = 0 if counts[i] > most else nothing
                if counts[i] == most:
                    rest[p] = number_of(data, rests, rest_width, full)
                for j in range(listed, listed + n_own):
                    position[end] = number_of(data, positions, position_width, j)
                    level[end] = number_of(data, levels, level_width, j)
                    end += 1
                p += 1
            listed += n_own
            full += counts[i] == most
    if p < len(places):
        raise ValueError("packed postings are cut short")
    return count, rest, begin, position[:end], level[:end]


@compiled
def characters_at(data: Array, n: int, places: Array, position: Array, ratio_of: int) -> Any:
    """Where the tokens of the postings at some places (int64, ascending) are in their texts.

    Of the third section of `n`; `position` are those of the tokens. Starts and lengths, int64.
    """
    start, length = np.empty(len(places), np.int64), np.empty(len(places), np.int64)
    if len(data) < 2:
        raise ValueError("packed postings are cut short")
    ratio = np.int64(data[0]) | np.int64(data[1]) << 8
    at, p = np.int64(2), 0
    for first in range(0, n, BLOCK):
        if p == len(places):
            break
        m = min(BLOCK, n - first)
        starts, start_width, at = run_of(data, at, m)
        lengths, length_width, at = run_of(data, at, m)
        while p < len(places) and places[p] < first + m:
            i = places[p] - first
            number = number_of(data, starts, start_width, i)
            off = (number >> 1) ^ -(number & 1)
            start[p] = off + ratio * np.int64(position[p]) // ratio_of
            length[p] = number_of(data, lengths, length_width, i)
            p += 1
    return start, length
