"""Compiled loops over rows packed into bytes: a document's features and values.

A row has the bytes of a gap (1, 2 or 4), the gaps of its features, and the codes of its values.
"""

from typing import Any

import numpy as np

from saelake.store.arrays.kernels import compiled, read_at
from saelake.store.format.lists import Array


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


@compiled
def _product(data: Array, begin: int, end: int, size: int, query: Array, decoded: Array) -> Any:
    """The product of the row in these bytes with a query: four sums go on side by side."""
    gap_bytes = np.int64(data[begin])
    n = (end - begin - 1) // (gap_bytes + size)
    gaps, codes = begin + 1, begin + 1 + n * gap_bytes
    feature = np.int64(0)
    a, b, c, d = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
    i = 0
    if gap_bytes == 1 and size == 2:  # as almost always
        while i + 4 <= n:
            f = feature + np.int64(data[gaps + i])
            g = f + np.int64(data[gaps + i + 1])
            h = g + np.int64(data[gaps + i + 2])
            feature = h + np.int64(data[gaps + i + 3])
            at = codes + 2 * i
            a += query[f] * decoded[np.int64(data[at]) | np.int64(data[at + 1]) << 8]
            b += query[g] * decoded[np.int64(data[at + 2]) | np.int64(data[at + 3]) << 8]
            c += query[h] * decoded[np.int64(data[at + 4]) | np.int64(data[at + 5]) << 8]
            d += query[feature] * decoded[np.int64(data[at + 6]) | np.int64(data[at + 7]) << 8]
            i += 4
    while i < n:
        code = np.int64(0)
        for byte in range(gap_bytes):
            feature += np.int64(data[gaps + i * gap_bytes + byte]) << (8 * byte)
        for byte in range(size):
            code |= np.int64(data[codes + i * size + byte]) << (8 * byte)
        a += query[feature] * decoded[code]
        i += 1
    return a + b + c + d


@compiled
def packed_products(data: Array, starts: Array, size: int, query: Array, decoded: Array) -> Any:
    """The products of packed rows with a query (float32, of every feature), float32 (n,).

    Row i is `data[starts[i]:starts[i + 1]]`; a code of `size` bytes is the value `decoded[code]`.
    """
    found = np.empty(len(starts) - 1, np.float32)
    for i in range(len(found)):
        found[i] = _product(data, starts[i], starts[i + 1], size, query, decoded)
    return found


@compiled
def products_in_file(
    file: int, starts: Array, rows: Array, size: int, query: Array, decoded: Array
) -> Any:
    """As `packed_products`, of these rows of an open file; and whether all could be read.

    Only one row is in memory at a time.
    """
    longest = np.int64(1)
    for row in rows:
        longest = max(longest, starts[row + 1] - starts[row])
    data = np.empty(longest, np.uint8)
    found = np.zeros(len(rows), np.float32)
    for i in range(len(rows)):
        begin = starts[rows[i]]
        n_bytes = starts[rows[i] + 1] - begin
        if read_at(np.int32(file), data.ctypes, np.uint64(n_bytes), begin) != n_bytes:
            return found, False
        found[i] = _product(data, 0, n_bytes, size, query, decoded)
    return found, True
