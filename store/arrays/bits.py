"""Compiled loops that write small numbers with as few bits as the largest of a block needs.

A *band* is some postings of a feature, by ascending document, in three sections of bytes:

1. of each block of `BLOCK` postings the gaps between documents, the maxima less the band's least,
   and their positions;
2. the tokens besides that of the maximum (see `store.index.others`): how many, their positions and
   levels, and where not all are listed, the level of what is not;
3. the characters of the tokens: where one starts less where tokens as long as the band's are on
   average would bring it, and how long it is.

A *run* is a byte with the width in bits, and then the numbers, the lowest bits first.
"""

from typing import Any

import numpy as np

from saelake.store.arrays.kernels import compiled, word_of
from saelake.store.format.lists import Array

BLOCK = 128  # postings whose numbers have one width: of 64 to 1,024 the fewest bytes
LEVEL_BITS = 4
RATIO = 16  # the average length of tokens is told in so many parts of a character
LARGEST_RATIO = 65_535
WIDEST = 40  # bits of a number: it and seven bits of the one before are kept at once


@compiled
def put_run(data: Array, at: Any, values: Array, n: int) -> Any:
    """Write the first `n` values (int64, from 0 on) from byte `at` on; where the next is."""
    largest = np.int64(0)
    for i in range(n):
        largest |= values[i]
    width = np.uint64(0)
    while largest >> width > 0:
        width += np.uint64(1)
    data[at] = width
    at += 1
    kept, have = np.uint64(0), np.uint64(0)
    for i in range(n):
        kept |= np.uint64(values[i]) << have
        have += width
        while have >= np.uint64(8):
            data[at] = kept & np.uint64(255)
            at += 1
            kept >>= np.uint64(8)
            have -= np.uint64(8)
    if have > np.uint64(0):
        data[at] = kept
        at += 1
    return at


@compiled
def run_of(data: Array, at: Any, n: Any) -> Any:
    """Where the numbers of a run of `n` begin, with how many bits each, and where the next is.

    Raises `ValueError` where the bytes end before it, or cannot be a run.
    """
    if at < 0 or at >= len(data) or data[at] > WIDEST:
        raise ValueError("packed postings are cut short")
    width = np.int64(data[at])
    end = at + 1 + (n * width + 7) // 8
    if end > len(data):
        raise ValueError("packed postings are cut short")
    return at + 1, width, end


@compiled
def number_of(data: Array, begin: Any, width: Any, i: Any) -> Any:
    """Number `i` (int64) of a run that `run_of` found."""
    bit = np.int64(i) * width
    at = begin + (bit >> 3)
    word = np.uint64(0)
    if at + 8 <= len(data):
        word = word_of(data, at)
    else:
        for j in range(len(data) - at):
            word |= np.uint64(data[at + j]) << np.uint64(8 * j)
    mask = (np.uint64(1) << np.uint64(width)) - np.uint64(1)
    return np.int64((word >> np.uint64(bit & 7)) & mask)


@compiled
def take_run(data: Array, at: Any, values: Array, n: int) -> Any:
    """Read `n` numbers of a run into `values` (int64); where the next is.

    Raises `ValueError` where the bytes end before it, or cannot be a run.
    """
    if (
        at < 0
        or at >= len(data)
        or data[at] > WIDEST
        or at + 1 + (n * data[at] + 7) // 8 > len(data)
    ):
        raise ValueError("packed postings are cut short")
    width = np.int64(data[at])
    shift, mask = np.uint64(width), (np.uint64(1) << np.uint64(width)) - np.uint64(1)
    at += 1
    end = at + (n * width + 7) // 8
    first = np.int64(0)
    if width <= 8:  # eight numbers are whole bytes, and one word
        while first + 8 <= n and at + 8 <= len(data):
            word = word_of(data, at)
            for i in range(8):
                values[first + i] = (word >> (shift * np.uint64(i))) & mask
            at += width
            first += 8
    else:
        while first < n and at + (first * width >> 3) + 8 <= len(data):
            bit = first * width
            values[first] = (word_of(data, at + (bit >> 3)) >> np.uint64(bit & 7)) & mask
            first += 1
        at += first * width >> 3
    kept, have = np.uint64(0), np.uint64(0)
    if width > 8 and first < n and first * width & 7:
        have = np.uint64(8 - (first * width & 7))
        kept = np.uint64(data[at]) >> (np.uint64(8) - have)
        at += 1
    for i in range(first, n):
        while have < shift:
            kept |= np.uint64(data[at]) << have
            at += 1
            have += np.uint64(8)
        values[i] = kept & mask
        kept >>= shift
        have -= shift
    return end


@compiled
def put_postings(
    data: Array, at: Any, places: Array, doc: Array, max_: Array, position: Array, least: Any
) -> Any:
    """Write the first section of the band of these places; where the next is."""
    numbers = np.empty(BLOCK, np.int64)
    before = np.int64(0)
    for first in range(0, len(places), BLOCK):
        n = min(BLOCK, len(places) - first)
        for i in range(n):
            here = np.int64(doc[places[first + i]])
            numbers[i] = here - before
            before = here
        at = put_run(data, at, numbers, n)
        for i in range(n):
            numbers[i] = np.int64(max_[places[first + i]]) - least
        at = put_run(data, at, numbers, n)
        for i in range(n):
            numbers[i] = position[places[first + i]]
        at = put_run(data, at, numbers, n)
    return at


@compiled
def take_postings(
    data: Array, at: Any, n: int, least: Any, doc: Array, max_: Array, position: Array
) -> Any:
    """Read the `n` postings of a first section; where the next is."""
    numbers = np.empty(BLOCK, np.int64)
    before = np.int64(0)
    for first in range(0, n, BLOCK):
        m = min(BLOCK, n - first)
        at = take_run(data, at, numbers, m)
        for i in range(m):
            before += numbers[i]
            doc[first + i] = before
        at = take_run(data, at, numbers, m)
        for i in range(m):
            max_[first + i] = numbers[i] + least
        at = take_run(data, at, numbers, m)
        for i in range(m):
            position[first + i] = numbers[i]
    return at


@compiled
def put_others(
    data: Array,
    at: Any,
    places: Array,
    count: Array,
    rest: Array,
    other: Array,
    listed: tuple[Array, Array],
    most: int,
) -> Any:
    """Write the second section: posting i has those from `other[i]` on in `listed`."""
    positions, levels = listed
    numbers = np.empty(BLOCK * most, np.int64)
    for first in range(0, len(places), BLOCK):
        n = min(BLOCK, len(places) - first)
        for i in range(n):
            numbers[i] = count[places[first + i]]
        at = put_run(data, at, numbers, n)
        for what in range(3):
            m = 0
            for i in range(first, first + n):
                place = places[i]
                if count[place] > most:
                    continue
                if what == 2:
                    if count[place] == most:
                        numbers[m] = rest[place]
                        m += 1
                    continue
                for j in range(other[place], other[place] + count[place]):
                    numbers[m] = positions[j] if what == 0 else levels[j]
                    m += 1
            at = put_run(data, at, numbers, m)
    return at


@compiled
def take_others(
    data: Array,
    at: Any,
    n: int,
    count: Array,
    rest: Array,
    other: Array,
    listed: tuple[Array, Array],
    begin: Any,
    most: int,
    nothing: int,
) -> Any:
    """Read the second section of `n` postings, what is listed from place `begin` on.

    Where the next section is, and the next place. The level `nothing` says that all are listed.
    """
    positions, levels = listed
    numbers = np.empty(BLOCK * most, np.int64)
    for first in range(0, n, BLOCK):
        m = min(BLOCK, n - first)
        at = take_run(data, at, numbers, m)
        begun, n_full = begin, 0
        for i in range(first, first + m):
            count[i] = numbers[i - first]
            other[i] = begin
            rest[i] = 0 if count[i] > most else nothing
            if count[i] <= most:
                begin += count[i]
            n_full += count[i] == most
        if begin > len(positions):
            raise ValueError("packed postings are cut short")
        at = take_run(data, at, numbers, begin - begun)
        for i in range(begin - begun):
            positions[begun + i] = numbers[i]
        at = take_run(data, at, numbers, begin - begun)
        for i in range(begin - begun):
            levels[begun + i] = numbers[i]
        at = take_run(data, at, numbers, n_full)
        j = 0
        for i in range(first, first + m):
            if count[i] == most:
                rest[i] = numbers[j]
                j += 1
    return at, begin


@compiled
def put_characters(
    data: Array, at: Any, places: Array, position: Array, start: Array, length: Array
) -> Any:
    """Write the third section; where the next is."""
    starts, positions = np.int64(0), np.int64(1)
    for place in places:
        starts += start[place]
        positions += position[place]
    ratio: Any = min(starts * RATIO // positions, LARGEST_RATIO)
    data[at], data[at + 1] = ratio & 255, ratio >> 8
    at += 2
    numbers = np.empty(BLOCK, np.int64)
    for first in range(0, len(places), BLOCK):
        n = min(BLOCK, len(places) - first)
        for i in range(n):
            place = places[first + i]
            off = np.int64(start[place]) - (ratio * np.int64(position[place]) // RATIO)
            numbers[i] = (off << 1) ^ (off >> 63)  # small ones of both signs are small
        at = put_run(data, at, numbers, n)
        for i in range(n):
            numbers[i] = length[places[first + i]]
        at = put_run(data, at, numbers, n)
    return at


@compiled
def take_characters(
    data: Array, at: Any, n: int, position: Array, start: Array, length: Array
) -> Any:
    """Read the third section of `n` postings at these positions; where the next is."""
    if at + 2 > len(data):
        raise ValueError("packed postings are cut short")
    ratio = np.int64(data[at]) | np.int64(data[at + 1]) << 8
    at += 2
    numbers = np.empty(BLOCK, np.int64)
    for first in range(0, n, BLOCK):
        m = min(BLOCK, n - first)
        at = take_run(data, at, numbers, m)
        for i in range(m):
            off = (numbers[i] >> 1) ^ -(numbers[i] & 1)
            start[first + i] = off + ratio * np.int64(position[first + i]) // RATIO
        at = take_run(data, at, numbers, m)
        for i in range(m):
            length[first + i] = numbers[i]
    return at
