"""SAE embeddings as bytes, a document each: read one by one, and exact."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from saelake.store.codes.embeddings import Block
from saelake.store.format.lists import Array
from saelake.store.format.values import ValueCodec

ROWS_AT_ONCE = 4096


def packed(block: Block, codec: ValueCodec) -> Iterator[pa.Array]:
    """The embeddings of a block's documents, in order, as large binaries."""
    from saelake.store.arrays import levels  # not every process that has a session needs numba

    for first in range(0, len(block), ROWS_AT_ONCE):
        last = min(first + ROWS_AT_ONCE, len(block))
        span = slice(block.offsets[first], block.offsets[last])
        codes = codec.encode(block.values[span])
        data, starts = levels.packed_rows(
            block.offsets[first : last + 1] - block.offsets[first],
            block.features[span],
            codes.view(np.uint8).reshape(-1, codec.dtype.itemsize),
        )
        buffers = [None, pa.py_buffer(starts), pa.py_buffer(data)]
        yield pa.Array.from_buffers(pa.large_binary(), last - first, buffers)


def unpacked(rows: pa.Array, doc: Array, codec: ValueCodec) -> Block:
    """The embeddings of these documents (uint64), of what was packed of them."""
    from saelake.store.arrays import levels

    _, starts, data = rows.buffers()
    begins = np.frombuffer(starts, np.int64)[rows.offset : rows.offset + len(rows) + 1]
    kept = np.frombuffer(data or b"", np.uint8)
    size = codec.dtype.itemsize
    offsets, features, codes = levels.unpacked_rows(kept, begins, size)
    values = codec.decode(codes.view(codec.dtype))
    return Block(doc=doc, offsets=offsets, features=features, values=values)
