"""Compiled loops over documents' impacts in levels of 4 bits: made, and added up to estimates."""

from typing import Any

import numpy as np

from saelake.store.arrays.kernels import ask_ahead, compiled
from saelake.store.format.lists import Array

TOGETHER = 4  # columns of a group, whose sums of a document fit in a byte
MOST_WEIGHT = 17  # of a group: 15 times it is 255
MEAN_WEIGHT = 4.25  # of a column, so that most groups are full
MOST_WEIGHTS = 3800  # of all columns: 15 times it, and what rounding adds, fits in 16 bits
_WORDS = 2048  # of a column, so that sums of its documents stay in the nearest cache
_AHEAD, _LINE = 256, 32  # words that are asked for before those of the group in hand; of a line
LOWEST, HIGHEST, N_STEPS = -0.25, 1.25, 1 << 13  # of estimates, in steps by which they are counted


@compiled
def moments(offsets: Array, features: Array, values: Array, scale: Array, width: int) -> Any:
    """Per feature how many rows have it, and the sums of their impacts and of the squares.

    An impact is a value times the row's `scale` (float32). Int64 and twice float64 (width,).
    """
    counts = np.zeros(width, np.int64)
    sums, squares = np.zeros(width), np.zeros(width)
    for row in range(len(offsets) - 1):
        for i in range(offsets[row], offsets[row + 1]):
            impact = np.float64(values[i] * scale[row])
            counts[features[i]] += 1
            sums[features[i]] += impact
            squares[features[i]] += impact * impact
    return counts, sums, squares


@compiled
def typicality(offsets: Array, features: Array, values: Array, scale: Array, means: Array) -> Any:
    """How typical each row is, and how each feature goes with that.

    The product of a row's impacts with the features' `means` (float32, of every feature) less its
    mean over rows, float32 (n,); and the slopes of the regressions of impacts on it, float32
    (width,).
    """
    n = len(offsets) - 1
    found, slopes = np.zeros(n, np.float32), np.zeros(len(means))
    for row in range(n):
        total = np.float32(0)
        for i in range(offsets[row], offsets[row + 1]):
            total += means[features[i]] * values[i]
        found[row] = total * scale[row]
    found -= np.float32(found.mean()) if n else np.float32(0)
    square = 0.0
    for row in range(n):
        square += np.float64(found[row]) ** 2
        for i in range(offsets[row], offsets[row + 1]):
            slopes[features[i]] += np.float64(values[i] * scale[row] * found[row])
    return found, (slopes / max(square, 1e-30)).astype(np.float32)


@compiled
def as_levels(
    offsets: Array,
    features: Array,
    values: Array,
    scale: Array,
    steps: Array,
    place: Array,
    columns: Array,
    cursor: Array,
    rows: Array,
    levels: Array,
    highest: int,
) -> None:
    """Write each row's impacts as levels 1 to `highest`, `steps[f]` (float32, 0: left out) each.

    Of a feature with `place[f]` >= 0 into that line of `columns` (uint8, half as many as rows):
    row i and row half + i share a byte. Of others to `rows` and `levels` (uint8) from `cursor[f]`
    (int64) on, which is moved.
    """
    half = columns.shape[1]
    for row in range(len(offsets) - 1):
        for i in range(offsets[row], offsets[row + 1]):
            feature = features[i]
            if steps[feature] == 0:
                continue
            level = min(max(int(values[i] * scale[row] / steps[feature] + 0.5), 1), highest)
            at = place[feature]
            if at < 0:
                rows[cursor[feature]] = row
                levels[cursor[feature]] = level
                cursor[feature] += 1
            elif row < half:
                columns[at, row] |= np.uint8(level)
            else:
                columns[at, row - half] |= np.uint8(level << 4)


@compiled
def chosen(
    query: Array, numbers: Array, kept: Array, worth: Array, costs: Array, budget: float
) -> Any:
    """Which of the `kept` features to add up: those worth most for their costs, within a budget.

    A feature is worth the square of the query's value of it (float32, of every feature, here by
    `numbers`) times `worth`, which is float32 as `costs`. Worths are told apart in steps of a 32nd
    to a 64th; those of the step that breaks the budget are left out, with all that are worth less.
    Int64, ascending.
    """
    n = len(kept)
    steps = np.empty(n, np.int32)
    mine = np.empty(n, np.float32)
    for i in range(n):
        asked = query[numbers[kept[i]]]
        mine[i] = asked * asked * worth[i]
    bits = mine.view(np.int32)
    spent = np.zeros(1 << 13, np.float32)
    for i in range(n):
        steps[i] = bits[i] >> 18  # the sign, the exponent, and 5 bits more
        spent[steps[i]] += costs[i]
    least = (1 << 13) - 1
    total = spent[least]
    while least > 1 and total + spent[least - 1] <= budget:
        least -= 1
        total += spent[least]
    found = np.empty(n, np.int64)
    size = 0
    for i in range(n):
        if steps[i] >= least and mine[i] > 0:
            found[size] = kept[i]
            size += 1
    return found[:size].copy()


@compiled
def expected(query: Array, numbers: Array, means: Array, slopes: Array, without: Array) -> Any:
    """The products of a query with means and with slopes of features, but for those left out."""
    mean, slope = np.float32(0), np.float32(0)
    for i in range(len(numbers)):
        mean += query[numbers[i]] * means[i]
        slope += query[numbers[i]] * slopes[i]
    for i in without:
        mean -= query[numbers[i]] * means[i]
        slope -= query[numbers[i]] * slopes[i]
    return mean, slope


@compiled
def grouped(exact: Array, unit: float) -> Any:
    """Columns in groups of `TOGETHER` whose weights come to at most `MOST_WEIGHT`.

    A weight is `exact` (float32 (n,)) in units, rounded. Returns places in it, int64, and weights,
    uint16, both of whole groups: a weight that is too large is in several, and what is left of a
    group has the weight 0. A group has the largest weight that is left, and of the smallest ones
    as many as fit beside it.
    """
    n = len(exact)
    weights = np.empty(n, np.int64)
    begins = np.zeros(MOST_WEIGHT + 2, np.int64)  # of the parts of each weight, the largest first
    for i in range(n):
        weights[i] = np.int64(exact[i] / unit + 0.5)
        left = weights[i]
        while left > 0:
            begins[MOST_WEIGHT - min(left, MOST_WEIGHT) + 1] += 1
            left -= MOST_WEIGHT
    for i in range(MOST_WEIGHT + 1):
        begins[i + 1] += begins[i]
    n_parts = begins[-1]
    places, parts = np.empty(n_parts, np.int64), np.empty(n_parts, np.int64)
    for i in range(n):
        left = weights[i]
        while left > 0:
            part = min(left, MOST_WEIGHT)
            at = begins[MOST_WEIGHT - part]
            begins[MOST_WEIGHT - part] += 1
            places[at], parts[at] = i, part
            left -= MOST_WEIGHT
    found = np.zeros(TOGETHER * n_parts, np.int64)
    shares = np.zeros(TOGETHER * n_parts, np.uint16)
    first, last, base = 0, n_parts - 1, 0
    while first <= last:
        room = MOST_WEIGHT - parts[first]
        found[base : base + TOGETHER] = places[first]  # where its weight is 0, it is in the cache
        shares[base] = parts[first]
        first += 1
        used = 1
        while used < TOGETHER and first <= last and parts[last] <= room:
            found[base + used], shares[base + used] = places[last], parts[last]
            room -= parts[last]
            last -= 1
            used += 1
        base += TOGETHER
    return found[:base], shares[:base]


@compiled
def _ask_for(words: Array, place: int, length: int) -> None:
    """Ask memory for so many words from a place on."""
    for word in range(place, place + length, _LINE):
        ask_ahead(words, word)


@compiled
def add_columns(columns: Array, asked: Array, weights: Array, unit: float, sums: Array) -> None:
    """Add to `sums` (float32) the levels of these columns times `weights` (uint16) times `unit`.

    Columns are words of 16 bits, of four documents: word i of those 2i and 2i + 1 in the low half
    of each byte, and of those as many further on as a column has bytes in the high half. Columns
    are in groups (see `grouped`), so that one product is of two documents, and the sum of a group
    fits in the byte of each. Memory is asked for the next group while one is added up, as columns
    are of too few pages each for the processor to see what comes.
    """
    n_words = columns.shape[1]
    n, half = len(sums), 2 * n_words
    even, odd = np.empty(_WORDS, np.uint16), np.empty(_WORDS, np.uint16)
    far_even, far_odd = np.empty(_WORDS, np.uint16), np.empty(_WORDS, np.uint16)
    nibbles, byte = np.uint16(0x0F0F), np.uint16(0xFF)
    four, eight = np.uint16(4), np.uint16(8)
    factor, words = np.float32(unit), columns.ravel()
    for begin in range(0, n_words, _WORDS):
        size = min(_WORDS, n_words - begin)
        even[:], odd[:], far_even[:], far_odd[:] = 0, 0, 0, 0
        for j in range(0, len(asked), TOGETHER):
            p, q, r, s = weights[j], weights[j + 1], weights[j + 2], weights[j + 3]
            after = min(j + TOGETHER, len(asked) - TOGETHER)
            for first in range(0, size, _AHEAD):
                length, place = min(_AHEAD, size - first), begin + first
                for i in range(TOGETHER):
                    _ask_for(words, asked[after + i] * n_words + place, length)
                a = columns[asked[j], place : place + length]
                b = columns[asked[j + 1], place : place + length]
                c = columns[asked[j + 2], place : place + length]
                d = columns[asked[j + 3], place : place + length]
                evens, odds = even[first : first + length], odd[first : first + length]
                fars, far_odds = far_even[first : first + length], far_odd[first : first + length]
                for i in range(length):
                    near = np.uint16(
                        np.uint16(p * (a[i] & nibbles))
                        + np.uint16(q * (b[i] & nibbles))
                        + np.uint16(r * (c[i] & nibbles))
                        + np.uint16(s * (d[i] & nibbles))
                    )
                    far = np.uint16(
                        np.uint16(p * ((a[i] >> four) & nibbles))
                        + np.uint16(q * ((b[i] >> four) & nibbles))
                        + np.uint16(r * ((c[i] >> four) & nibbles))
                        + np.uint16(s * ((d[i] >> four) & nibbles))
                    )
                    evens[i] += near & byte
                    odds[i] += near >> eight
                    fars[i] += far & byte
                    far_odds[i] += far >> eight
        at = 2 * begin
        for i in range(min(size, (n - at + 1) // 2)):
            sums[at + 2 * i] += factor * np.float32(even[i])
            if at + 2 * i + 1 < n:
                sums[at + 2 * i + 1] += factor * np.float32(odd[i])
        at += half
        for i in range(min(size, (n - at + 1) // 2)):
            sums[at + 2 * i] += factor * np.float32(far_even[i])
            if at + 2 * i + 1 < n:
                sums[at + 2 * i + 1] += factor * np.float32(far_odd[i])


@compiled
def add_lists(
    rows: Array, levels: Array, begins: Array, ends: Array, weights: Array, sums: Array
) -> None:
    """Add to `sums` (float32) the levels of lists times `weights` (float32)."""
    for i in range(len(begins)):
        weight = np.float32(weights[i])
        for at in range(begins[i], ends[i]):
            sums[rows[at]] += weight * np.float32(levels[at])


@compiled
def estimates(
    query: Array,
    chosen: Array,
    numbers: Array,
    means: Array,
    slopes: Array,
    steps: Array,
    typical: Array,
    place: Array,
    columns: Array,
    begins: Array,
    ends: Array,
    rows: Array,
    levels: Array,
) -> Any:
    """The products with a query from the chosen features (int64), float32 (n,); see `index.levels`.

    Feature i has the column `place[i]`, or where that is negative a list from `begins[i]` on.
    """
    mean, slope = expected(query, numbers, means, slopes, chosen)
    sums = np.empty(len(typical), np.float32)
    for row in range(len(sums)):
        sums[row] = slope * typical[row] + mean
    n_columns, total = 0, np.float64(0)
    of_columns, exact = np.empty(len(chosen), np.int64), np.empty(len(chosen), np.float32)
    n_lists = 0
    lists, weights = np.empty(len(chosen), np.int64), np.empty(len(chosen), np.float32)
    for i in chosen:
        weight = query[numbers[i]] * steps[i]
        if place[i] < 0:
            lists[n_lists], weights[n_lists] = i, weight
            n_lists += 1
        else:
            of_columns[n_columns], exact[n_columns] = place[i], weight
            n_columns += 1
            total += weight
    if n_columns:
        unit = total / min(MEAN_WEIGHT * n_columns, np.float64(MOST_WEIGHTS))
        groups, parts = grouped(exact[:n_columns], unit)
        add_columns(columns, of_columns[groups], parts, unit, sums)
    if n_lists:
        mine = lists[:n_lists]
        add_lists(rows, levels, begins[mine], ends[mine], weights[:n_lists], sums)
    return sums


@compiled
def _step(estimate: Any) -> Any:
    """The step of an estimate: those beyond the steps are in the nearest."""
    step = int((estimate - np.float32(LOWEST)) * np.float32(N_STEPS / (HIGHEST - LOWEST)))
    return min(max(step, 0), N_STEPS - 1)


@compiled
def count_steps(estimates: Array, keep: Array, counts: Array) -> None:
    """Add to `counts` (int32, `N_STEPS`) how many estimates are in each step, of those to keep.

    `keep` is bool, or empty for all.
    """
    for row in range(len(estimates)):
        if len(keep) == 0 or keep[row]:
            counts[_step(estimates[row])] += np.int32(1)


@compiled
def steps_of(estimates: Array) -> Any:
    """The step of each estimate, int64."""
    found = np.empty(len(estimates), np.int64)
    for row in range(len(estimates)):
        found[row] = _step(estimates[row])
    return found


@compiled
def rows_from(estimates: Array, keep: Array, least: int) -> Any:
    """The rows to keep whose estimates are in this step or a higher one, int64."""
    n = 0
    found = np.empty(len(estimates), np.int64)
    width = (HIGHEST - LOWEST) / N_STEPS
    below = np.float32(LOWEST + (least - 1) * width) if least > 0 else np.float32(-np.inf)
    for row in range(len(estimates)):
        if estimates[row] < below:  # as nearly all are, and sooner told
            continue
        if _step(estimates[row]) >= least and (len(keep) == 0 or keep[row]):
            found[n] = row
            n += 1
    return found[:n].copy()


@compiled
def best_rows(estimates: Array, keep: Array, room: int) -> Any:
    """The rows to keep in the highest steps that have `room` of them: all where there are fewer."""
    counts = np.zeros(N_STEPS, np.int32)
    count_steps(estimates, keep, counts)
    least, total = N_STEPS, 0
    while least > 0 and total < room:
        least -= 1
        total += counts[least]
    return rows_from(estimates, keep, least)


@compiled
def row_products(offsets: Array, features: Array, values: Array, queries: Array) -> Any:
    """The products of rows with some queries (d_sae, n_queries) float32: (n, n_queries)."""
    n, width = len(offsets) - 1, queries.shape[1]
    found = np.zeros((n, width), np.float32)
    for row in range(n):
        for i in range(offsets[row], offsets[row + 1]):
            line, value = queries[features[i]], values[i]
            for j in range(width):
                found[row, j] += value * line[j]
    return found
