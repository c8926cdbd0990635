"""Compiled loops over documents' impacts in levels of 4 bits, and over rows packed into bytes."""

from typing import Any

import numpy as np

from saelake.store.arrays.kernels import compiled
from saelake.store.format.lists import Array

TOGETHER = 16  # columns of which a sum of 16 bits can hold all: 16 * 15 * 255 < 2^16
_CHUNK = 2048  # bytes of a column, so that sums of its documents stay in the nearest cache


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
def add_columns(columns: Array, asked: Array, weights: Array, sums: Array) -> None:
    """Add to `sums` (float32, two a byte) the levels of these columns times `weights` (uint16).

    The numbers of both must be a multiple of 4.
    """
    half = columns.shape[1]
    low, high = np.empty(_CHUNK, np.uint16), np.empty(_CHUNK, np.uint16)
    mask, shift = np.uint8(15), np.uint8(4)
    for begin in range(0, half, _CHUNK):
        n = min(_CHUNK, half - begin)
        for first in range(0, len(asked), TOGETHER):
            low[:] = 0
            high[:] = 0
            for j in range(first, min(first + TOGETHER, len(asked)), 4):
                a = columns[asked[j], begin : begin + n]
                b = columns[asked[j + 1], begin : begin + n]
                c = columns[asked[j + 2], begin : begin + n]
                d = columns[asked[j + 3], begin : begin + n]
                p, q = np.uint16(weights[j]), np.uint16(weights[j + 1])
                r, s = np.uint16(weights[j + 2]), np.uint16(weights[j + 3])
                for i in range(n):
                    low[i] += np.uint16(
                        p * np.uint16(a[i] & mask)
                        + q * np.uint16(b[i] & mask)
                        + r * np.uint16(c[i] & mask)
                        + s * np.uint16(d[i] & mask)
                    )
                    high[i] += np.uint16(
                        p * np.uint16(a[i] >> shift)
                        + q * np.uint16(b[i] >> shift)
                        + r * np.uint16(c[i] >> shift)
                        + s * np.uint16(d[i] >> shift)
                    )
            for i in range(n):
                sums[begin + i] += np.float32(low[i])
                sums[half + begin + i] += np.float32(high[i])


@compiled
def add_lists(
    rows: Array, levels: Array, begins: Array, ends: Array, weights: Array, sums: Array
) -> None:
    """Add to `sums` (float32) the levels of lists times `weights`: list i from its begin to end."""
    for i in range(len(begins)):
        weight = np.float32(weights[i])
        for at in range(begins[i], ends[i]):
            sums[rows[at]] += weight * np.float32(levels[at])


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


@compiled
def packed_rows(offsets: Array, features: Array, codes: Array) -> Any:
    """Rows as bytes: the bytes of a gap (1, 2 or 4), the gaps of features, and the value codes.

    `codes` are bytes (n_values, n_bytes). Returns uint8, and where each row begins, int64 (n + 1,).
    """
    n, size = len(offsets) - 1, codes.shape[1]
    gap_bytes, starts = np.ones(n, np.int64), np.zeros(n + 1, np.int64)
    for row in range(n):
        before = np.int64(0)
        for i in range(offsets[row], offsets[row + 1]):
            gap = np.int64(features[i]) - before
            before = np.int64(features[i])
            if gap > 65_535:
                gap_bytes[row] = 4
            elif gap > 255 and gap_bytes[row] < 2:
                gap_bytes[row] = 2
        n_values = offsets[row + 1] - offsets[row]
        starts[row + 1] = starts[row] + 1 + n_values * (gap_bytes[row] + size)
    out = np.empty(starts[n], np.uint8)
    for row in range(n):
        at = starts[row]
        out[at] = gap_bytes[row]
        at += 1
        before = np.int64(0)
        for i in range(offsets[row], offsets[row + 1]):
            gap = np.int64(features[i]) - before
            before = np.int64(features[i])
            for byte in range(gap_bytes[row]):
                out[at] = (gap >> (8 * byte)) & 255
                at += 1
        for i in range(offsets[row], offsets[row + 1]):
            for byte in range(size):
                out[at] = codes[i, byte]
                at += 1
    return out, starts


@compiled
def unpacked_rows(data: Array, starts: Array, size: int) -> Any:
    """Of bytes of `packed_rows`: offsets int64, features uint32, and the bytes of all codes."""
    n = len(starts) - 1
    offsets = np.zeros(n + 1, np.int64)
    for row in range(n):
        length = starts[row + 1] - starts[row] - 1
        offsets[row + 1] = offsets[row] + length // (np.int64(data[starts[row]]) + size)
    features = np.empty(offsets[n], np.uint32)
    codes = np.empty(offsets[n] * size, np.uint8)
    for row in range(n):
        gap_bytes = np.int64(data[starts[row]])
        begin, end = offsets[row], offsets[row + 1]
        at = starts[row] + 1
        before = np.int64(0)
        if gap_bytes == 1:  # as almost always
            for i in range(begin, end):
                before += np.int64(data[at + i - begin])
                features[i] = before
        else:
            for i in range(begin, end):
                for byte in range(gap_bytes):
                    before += np.int64(data[at + (i - begin) * gap_bytes + byte]) << (8 * byte)
                features[i] = before
        at += (end - begin) * gap_bytes
        codes[size * begin : size * end] = data[at : starts[row + 1]]
    return offsets, features, codes
