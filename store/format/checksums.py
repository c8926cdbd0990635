"""Checksums of rows of codes: what a worker packed is what a reader gets."""

import zlib

import numpy as np
import pyarrow as pa

from saelake.store.format.lists import Array, Lists

CHECKSUM = "checksum"
SUMMED = (
    "token_ids",
    "token_starts",
    "token_lengths",
    "features",
    "max",
    "counts",
    "positions",
    "values",
)


def checksums(rows: pa.RecordBatch) -> Array:
    """The CRC-32 of each row's lists, end to end in the order of `SUMMED`, uint32 (n_rows,).

    Of the lists' bytes as they are stored (little-endian), so that it can be computed anywhere.
    """
    found = np.zeros(rows.num_rows, np.uint32)
    for name in SUMMED:
        lists = Lists.of(rows[name])
        data = np.ascontiguousarray(lists.values).view(np.uint8).data
        bounds = (lists.offsets * lists.values.itemsize).tolist()
        for row in range(rows.num_rows):
            found[row] = zlib.crc32(data[bounds[row] : bounds[row + 1]], int(found[row]))
    return found
