"""SAE embeddings as bytes, a row for each document: read one by one, and exact."""

from collections.abc import Iterator
from functools import cache

import numpy as np

from saelake.store.codes.embeddings import Block
from saelake.store.format.lists import Array
from saelake.store.format.values import ValueCodec

ROWS_AT_ONCE = 4096


def packed(block: Block, codec: ValueCodec) -> Iterator[tuple[Array, Array]]:
    """The embeddings of a block's documents, in order, some rows at a time.

    Their bytes, uint8, and where each row begins in them, and the end, int64 (n_rows + 1,).
    """
    from saelake.store.arrays.packed import packed_rows  # not every process needs numba

    for first in range(0, len(block), ROWS_AT_ONCE):
        last = min(first + ROWS_AT_ONCE, len(block))
        span = slice(block.offsets[first], block.offsets[last])
        codes = codec.encode(block.values[span])
        yield packed_rows(
            block.offsets[first : last + 1] - block.offsets[first],
            block.features[span],
            codes.view(np.uint8).reshape(-1, codec.dtype.itemsize),
        )


def unpacked(data: bytes, starts: Array, doc: Array, codec: ValueCodec) -> Block:
    """The embeddings of these documents (uint64), of what was packed of them.

    `starts` int64 (n + 1,) are where in `data` each row begins.
    """
    from saelake.store.arrays.packed import unpacked_rows

    kept = np.frombuffer(data, np.uint8)
    offsets, features, codes = unpacked_rows(kept, starts, codec.dtype.itemsize)
    values = codec.decode(codes.view(codec.dtype))
    return Block(doc=doc, offsets=offsets, features=features, values=values)


@cache
def decoded(codec: ValueCodec) -> Array:
    """The value of each pattern of a code's bits, float32 (256,) or (65536,)."""
    unsigned = np.dtype(f"u{codec.dtype.itemsize}")
    patterns = np.arange(1 << 8 * codec.dtype.itemsize).astype(unsigned)
    return codec.decode(patterns.view(codec.dtype))
