"""Compiled loops over posting lists: segments' lists made one, and split into their tiers.

A block of features has its postings in parallel arrays; those of feature f are the places
`begins[f]` to `ends[f]`. The three tiers of a feature are three rows, one after the other: the
first has one list, of six columns end to end, all have bytes (see `bits` and `index.tiers`).
"""

from typing import Any

import numpy as np

from saelake.store.arrays import bits
from saelake.store.arrays.kernels import compiled
from saelake.store.format.lists import Array

NO_DOC = np.int64(1 << 62)

HEADER = 24  # bytes before a band's own, and how many bands there are before those of all
# What later tiers had as lists: gaps between documents, maxima, positions, starts and lengths.
Later = tuple[Array, Array, Array, Array, Array]
# Of each posting: the document, the maximum, its position, its token's id, start and length, and of
# the other tokens how many are listed, the level of the rest, and where in the lists they begin.
Columns = tuple[Array, Array, Array, Array, Array, Array, Array, Array, Array]
Listed = tuple[Array, Array]  # positions and levels


@compiled
def append(
    strongest_at: Array,
    strongest: Array,
    later_at: Array,
    later: Later,
    ends: Array,
    columns: Columns,
    unknown: int,
) -> None:
    """Append a segment's postings of a block of features, by document; `ends` moves on.

    `strongest_at` and `later_at` int64 (3 n_features + 1,) are the lists' offsets. A posting of a
    later tier has no token: 0. Of others the count `unknown` is all that is known.
    """
    gaps, maxima, positions, starts, lengths = later
    doc, max_, position, token, start, length, count, rest, other = columns
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
            count[at], rest[at], other[at] = unknown, 0, 0
            at += 1
        ends[f] = at


@compiled
def _uint32(data: Array, at: Any) -> Any:
    low = np.int64(data[at]) | np.int64(data[at + 1]) << 8
    return low | np.int64(data[at + 2]) << 16 | np.int64(data[at + 3]) << 24


@compiled
def _put_uint32(data: Array, at: Any, number: Any) -> None:
    for i in range(4):
        data[at + i] = number >> (8 * i) & 255


@compiled
def append_packed(
    strongest_at: Array,
    strongest: Array,
    data_at: Array,
    data: Array,
    lowest: int,
    ends: Array,
    limits: Array,
    columns: Columns,
    listed: Listed,
    n_listed: int,
    most: int,
    nothing: int,
) -> Any:
    """Append a segment's packed postings of a block of features, band by band; `ends` moves on.

    What is listed of others follows the first `n_listed`, and the sum of both is returned. See
    `bits.take_others` for `most` and `nothing`. Raises `ValueError` where the bytes cannot be
    such, or have more postings of a feature than up to its place in `limits`.
    """
    doc, max_, position, token, start, length, count, rest, other = columns
    for row in range(3 * len(ends)):
        f, byte = row // 3, data_at[row]
        if byte == data_at[row + 1]:
            continue
        n_bands = _uint32(data, byte) if byte + 4 <= data_at[row + 1] else np.int64(1)
        header, byte = byte + 4, byte + 4 + n_bands * HEADER
        if byte > data_at[row + 1]:
            raise ValueError("packed postings are cut short")
        for _ in range(n_bands):
            n, least = _uint32(data, header), _uint32(data, header + 8) + lowest
            header += HEADER
            a, b = ends[f], ends[f] + n
            if b > limits[f] or (
                row % 3 == 0 and 6 * n != strongest_at[row + 1] - strongest_at[row]
            ):
                raise ValueError("packed postings are not as many as they say")
            if row % 3 == 0:
                base, before = strongest_at[row], np.int64(0)
                for i in range(n):
                    before += np.int64(strongest[base + i])
                    doc[a + i] = before
                    max_[a + i] = strongest[base + n + i]
                    position[a + i] = strongest[base + 2 * n + i]
                    token[a + i] = strongest[base + 3 * n + i]
                    start[a + i] = strongest[base + 4 * n + i]
                    length[a + i] = strongest[base + 5 * n + i]
            else:
                token[a:b] = 0
                byte = bits.take_postings(data, byte, n, least, doc[a:b], max_[a:b], position[a:b])
            byte, n_listed = bits.take_others(
                data, byte, n, count[a:b], rest[a:b], other[a:b], listed, n_listed, most, nothing
            )
            if row % 3:
                byte = bits.take_characters(data, byte, n, position[a:b], start[a:b], length[a:b])
            ends[f] = b
    return n_listed


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
def order_by_document(begins: Array, ends: Array, columns: Columns, unknown: int) -> None:
    """Put each feature's postings in ascending order of documents; of one document one stays.

    That is the one with the largest maximum, of equals the earliest position; of its others the
    count is `unknown` then. `ends` are of what stays. Lists that are in order are only looked at.
    """
    doc, max_, position, token, start, length, count, rest, listed = columns
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
                count[order[n - 1]], rest[order[n - 1]] = unknown, 0
            else:
                order[n] = mine
                n += 1
        _gather(doc, order, a, n)
        _gather(max_, order, a, n)
        _gather(position, order, a, n)
        _gather(token, order, a, n)
        _gather(start, order, a, n)
        _gather(length, order, a, n)
        _gather(count, order, a, n)
        _gather(rest, order, a, n)
        _gather(listed, order, a, n)
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
def _into_bands(codes: Array, ends: Array, lowest: int) -> Any:
    """The places of a list's codes band by band, in their order inside one, and where bands begin.

    The first `ends[0]` strongest are in the first band, those up to `ends[1]` in the next, and so
    on; of equals the earlier is stronger.
    """
    n, n_bands = len(codes), 1
    while n > ends[n_bands - 1]:
        n_bands += 1
    begins = np.zeros(n_bands + 1, np.int64)
    begins[n_bands] = n
    places = np.arange(n)
    if n_bands == 1:
        return places, begins
    least, equals = np.empty(n_bands, np.int64), np.empty(n_bands, np.int64)
    least[n_bands - 1], equals[n_bands - 1] = lowest - 1, 0
    for band in range(n_bands - 1):
        begins[band + 1] = ends[band]
        least[band], equals[band] = _weakest_of(codes, ends[band], lowest)
    next_ = begins[:n_bands].copy()
    for place in range(n):
        value, band = np.int64(codes[place]), 0
        while value < least[band] or (value == least[band] and equals[band] == 0):
            band += 1
        for passed in range(band, n_bands - 1):  # it is among the strongest of all later ends
            equals[passed] -= value == least[passed]
        places[next_[band]] = place
        next_[band] += 1
    return places, begins


@compiled
def split_into_tiers(
    begins: Array,
    ends: Array,
    columns: Columns,
    listed: Listed,
    bits_of: Array,
    lowest: int,
    ends_of_bands: Array,
    strongest_at: Array,
    strongest: Array,
    data_at: Array,
    data: Array,
    most: int,
) -> None:
    """Fill the tiers' lists and bytes with postings that ascend by document.

    The first two of the bands that `ends_of_bands` makes (see `_into_bands`) are tiers 0 and 1,
    all others tier 2. `bits_of` are the maxima without signs; `data_at` int64 (3 n_features + 1,)
    is filled with where the bytes of each tier begin.
    """
    doc, max_, position, _, start, length, count, rest, other = columns
    at: Any = np.int64(0)
    for f in range(len(ends)):
        a, b = begins[f], ends[f]
        places, firsts = _into_bands(max_[a:b], ends_of_bands, lowest)
        places += a
        n_bands = len(firsts) - 1 if b > a else 0
        for tier in range(3):
            data_at[3 * f + tier] = at
            first, last = min(tier, n_bands), n_bands if tier == 2 else min(tier + 1, n_bands)
            if first == last:
                continue
            _put_uint32(data, at, last - first)
            header, at = at + 4, at + 4 + (last - first) * HEADER
            for band in range(first, last):
                here = places[firsts[band] : firsts[band + 1]]
                n, least, n_listed = len(here), np.int64(max_[here[0]]), np.int64(0)
                for place in here:
                    least = min(least, np.int64(max_[place]))
                    n_listed += count[place] if count[place] <= most else 0
                begun = at
                if tier == 0:
                    _put_strongest(here, columns, bits_of, strongest, strongest_at[3 * f])
                else:
                    at = bits.put_postings(data, at, here, doc, max_, position, least)
                middle = at
                at = bits.put_others(data, at, here, count, rest, other, listed, most)
                behind = at
                if tier > 0:
                    at = bits.put_characters(data, at, here, position, start, length)
                _put_uint32(data, header, n)
                _put_uint32(data, header + 4, n_listed)
                _put_uint32(data, header + 8, least - lowest)
                _put_uint32(data, header + 12, middle - begun)
                _put_uint32(data, header + 16, behind - middle)
                _put_uint32(data, header + 20, at - behind)
                header += HEADER
    data_at[3 * len(ends)] = at


@compiled
def _put_strongest(
    places: Array, columns: Columns, bits_of: Array, strongest: Array, base: int
) -> None:
    """Write the list of a first tier."""
    doc, _, position, token, start, length, _, _, _ = columns
    n, before = len(places), np.int64(0)
    for i in range(n):
        place = places[i]
        here = np.int64(doc[place])
        strongest[base + i] = here - before
        strongest[base + n + i] = bits_of[place]
        strongest[base + 2 * n + i] = position[place]
        strongest[base + 3 * n + i] = token[place]
        strongest[base + 4 * n + i] = start[place]
        strongest[base + 5 * n + i] = length[place]
        before = here
