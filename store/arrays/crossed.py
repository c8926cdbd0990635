"""Compiled loops over the codes of two dictionaries at the same tokens.

Codes of one side are grouped by feature and those of the other by token, so that all that goes
with one feature is added to one line of sums, which stays in a core's cache. What a token of the
other side has is brought there some tokens ahead: the order in which a feature meets them is one
that cores do not foresee.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from saelake.store.arrays.kernels import compiled, fetch_ahead
from saelake.store.format.lists import Array

CODE_BITS = 16  # of a packed pair: a number, and below it the bits of a value's code
AHEAD = 4  # tokens: of 2 to 16 the fastest
CACHE_LINE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupedCodes:
    """Codes in groups, by feature or by token.

    Group i has `packed[begins[i]:begins[i + 1]]`: numbers (tokens of a feature, or features of a
    token) `<< 16`, and the bits of a value's code; uint32, or uint64 where numbers are larger.
    `begins` is int64 (n_groups + 1,).
    """

    begins: Array
    packed: Array

    @property
    def n_bytes(self) -> int:
        """The memory that the arrays take."""
        return self.begins.nbytes + self.packed.nbytes

    @classmethod
    def of(
        cls, groups: Array, n_groups: int, numbers: Array, n_numbers: int, codes: Array
    ) -> "GroupedCodes":
        """Codes (uint16) with the group and the number of each, left out where one is -1."""
        small = n_numbers <= 1 << 32 - CODE_BITS
        room = np.empty(len(codes), np.uint32 if small else np.uint64)
        begins = group(groups, n_groups, numbers, codes, room)
        return cls(begins=begins, packed=room[: begins[-1]])


@compiled
def flat(
    begins: Array, features: Array, counts: Array, firsts: Array, positions: Array, number: Array
) -> Any:
    """The feature and the token of each code of feature-sorted rows, int32 (n_codes,).

    Row i has the features `features[begins[i]:begins[i + 1]]`, each with so many of the positions,
    which are end to end. Its token at position p is `number[firsts[i] + p]`.
    """
    feature = np.empty(len(positions), np.int32)
    token = np.empty(len(positions), np.int32)
    at = 0
    for row in range(len(begins) - 1):
        for i in range(begins[row], begins[row + 1]):
            for _ in range(counts[i]):
                feature[at] = features[i]
                token[at] = number[firsts[row] + positions[at]]
                at += 1
    return feature, token


@compiled
def group(groups: Array, n_groups: int, numbers: Array, codes: Array, packed: Array) -> Any:
    """Write the codes into `packed` by group, in their order, and return where each begins.

    By counting; what has the group or the number -1 is left out. See `GroupedCodes`.
    """
    begins = np.zeros(n_groups + 1, np.int64)
    for i in range(len(groups)):
        if groups[i] >= 0 and numbers[i] >= 0:
            begins[groups[i] + 1] += 1
    for i in range(n_groups):
        begins[i + 1] += begins[i]
    cursor = begins[:-1].copy()
    for i in range(len(groups)):
        if groups[i] >= 0 and numbers[i] >= 0:
            packed[cursor[groups[i]]] = np.int64(numbers[i]) << CODE_BITS | np.int64(codes[i])
            cursor[groups[i]] += 1
    return begins


@compiled
def add_moments(
    feature: Array, token: Array, codes: Array, decoded: Array, count: Array, moments: Array
) -> None:
    """Add to `count` (int64) and to `moments` float64 (2, d_sae): sums of values and squares.

    Of each feature, over the codes whose token is not -1; a code's value is `decoded[code]`.
    """
    for i in range(len(feature)):
        if token[i] >= 0:
            value = np.float64(decoded[codes[i]])
            count[feature[i]] += 1
            moments[0, feature[i]] += value
            moments[1, feature[i]] += value * value


@compiled
def _fetch(begins: Array, packed: Array, token: Any) -> None:
    """Begin to bring the codes of a token: two lines, and cores themselves go on from there."""
    at = begins[token]
    fetch_ahead(packed, at)
    fetch_ahead(packed, at + CACHE_LINE // packed.itemsize)


@compiled
def _add_line(
    mine: Array,
    last: int,
    begin: int,
    end: int,
    theirs: tuple[Array, Array],
    decoded: tuple[Array, Array],
    products: Array,
    both: Array,
) -> None:
    """Add what one feature of the first side has, `mine[begin:end]`, to its line of sums."""
    begins, packed = theirs
    of_mine, of_theirs = decoded
    mask = (1 << CODE_BITS) - 1
    for i in range(begin, end):
        token = np.int64(mine[i]) >> CODE_BITS
        value = np.float64(of_mine[np.int64(mine[i]) & mask])
        _fetch(begins, packed, np.int64(mine[min(i + AHEAD, last)]) >> CODE_BITS)
        for j in range(begins[token], begins[token + 1]):
            feature = np.int64(packed[j]) >> CODE_BITS
            products[feature] += value * of_theirs[np.int64(packed[j]) & mask]
            both[feature] += np.uint32(1)


@compiled
def add_products(
    mine: tuple[Array, Array],
    theirs: tuple[Array, Array],
    decoded: tuple[Array, Array],
    first: int,
    products: Array,
    both: Array,
) -> None:
    """Add value times value, and 1, for each two features that fire at one token.

    `mine` and `theirs` are the `begins` and `packed` of one side by feature, and of the other by
    token; `decoded` has the float32 value of each code of either. Feature `first + i` of the first
    side is line i of `products` (float64) and of the counts `both` (uint32), (n_lines, d_other).
    """
    begins, packed = mine
    width, last = both.shape[1], len(packed) - 1
    each = len(theirs[1]) / max(len(theirs[0]) - 1, 1)
    sums, counts = np.zeros(width), np.zeros(width, np.uint32)
    for line in range(len(both)):
        begin, end = begins[first + line], begins[first + line + 1]
        if (end - begin) * each < width:
            _add_line(packed, last, begin, end, theirs, decoded, products[line], both[line])
            continue
        _add_line(packed, last, begin, end, theirs, decoded, sums, counts)
        for i in range(width):
            products[line, i] += sums[i]
            both[line, i] += counts[i]
            sums[i], counts[i] = 0.0, np.uint32(0)


@compiled
def add_meetings(
    mine: tuple[Array, Array], theirs: tuple[Array, Array], first: int, both: Array
) -> None:
    """As `add_products`, the counts alone."""
    begins, packed = mine
    other_begins, other = theirs
    last = len(packed) - 1
    for line in range(len(both)):
        counts = both[line]
        for i in range(begins[first + line], begins[first + line + 1]):
            token = np.int64(packed[i]) >> CODE_BITS
            _fetch(other_begins, other, np.int64(packed[min(i + AHEAD, last)]) >> CODE_BITS)
            for j in range(other_begins[token], other_begins[token + 1]):
                counts[np.int64(other[j]) >> CODE_BITS] += np.uint32(1)


@compiled
def _correlation(product: float, n: int, mean: float, other: float, scale: float) -> float:
    """Pearson's r of a sum of products over n tokens; 0 where one side never changes."""
    if scale <= 0:
        return 0.0
    return min(max((product / n - mean * other) / scale, -1.0), 1.0)


@compiled
def best_correlated(
    products: Array, both: Array, n: int, mine: Array, theirs: Array, found: Array, score: Array
) -> None:
    """Of each line the columns that correlate most, the first of equals; sums are set to 0.

    `mine` and `theirs` float64 (2, n_lines or n_columns) are means and standard deviations over n
    tokens. Written to `found` int64 and `score` float64, (n_lines, k), best first; -1 where fewer
    columns have a count in `both` (uint32) than k.
    """
    for line in range(len(both)):
        counts, sums, mean, deviation = both[line], products[line], mine[0, line], mine[1, line]
        n_found = 0
        for column in range(len(counts)):
            if counts[column]:
                scale = deviation * theirs[1, column]
                r = _correlation(sums[column], n, mean, theirs[0, column], scale)
                n_found = _insert(found[line], score[line], n_found, column, r)
                sums[column] = 0.0
        found[line, n_found:] = -1


@compiled
def best_overlapping(both: Array, mine: Array, theirs: Array, found: Array, score: Array) -> None:
    """As `best_correlated`, by Jaccard similarity.

    Of the tokens at which either fires: `mine` and `theirs` int64 (n_lines or n_columns,) are at
    how many each does.
    """
    for line in range(len(both)):
        counts, n_found = both[line], 0
        for column in range(len(counts)):
            n_both = np.int64(counts[column])
            if n_both:
                share = n_both / (mine[line] + theirs[column] - n_both)
                n_found = _insert(found[line], score[line], n_found, column, share)
        found[line, n_found:] = -1


@compiled
def _insert(found: Array, score: Array, n_found: int, column: int, value: float) -> int:
    """Put a column into its place among the best, after equals; how many there are now."""
    if n_found == len(found):
        if value <= score[n_found - 1]:
            return n_found
        n_found -= 1
    at = n_found
    while at > 0 and score[at - 1] < value:
        found[at], score[at] = found[at - 1], score[at - 1]
        at -= 1
    found[at], score[at] = column, value
    return n_found + 1
