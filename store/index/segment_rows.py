"""A segment made of codes: its rows, from the postings of many documents."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from saelake.store.format.values import ValueCodec
from saelake.store.index.layout import PostingsBlock, last_row
from saelake.store.index.others import Others
from saelake.store.index.postings import Postings, RowTokens, merged

POSTINGS_PER_BLOCK, FEATURES_PER_BLOCK = 1 << 20, 1 << 16  # bound the scratch space of a block


def segment_rows(
    pieces: list[Postings],
    tokens: RowTokens,
    *,
    covers: Sequence[int],
    schema: pa.Schema,
    codec: ValueCodec,
    width: int,
) -> Iterator[pa.RecordBatch]:
    """The rows of a segment, in order, a block of features at a time; `pieces` is emptied."""
    whole = merged(pieces, codec.dtype)
    pieces.clear()
    for block in _blocks(whole, tokens, width):
        yield from block.batches(schema, covers if block.first_feature == 0 else None)
    yield last_row(schema)


def _blocks(postings: Postings, tokens: RowTokens, width: int) -> Iterator[PostingsBlock]:
    """The postings of all features, some neighbours at a time."""
    starts = np.searchsorted(postings.feature, np.arange(width + 1))
    first = 0
    while first < width:
        full = np.searchsorted(starts, starts[first] + POSTINGS_PER_BLOCK, side="right") - 1
        last = min(max(int(full), first + 1), first + FEATURES_PER_BLOCK, width)
        block = postings[int(starts[first]) : int(starts[last])]
        offsets = starts[first : last + 1] - starts[first]
        others = block.others or Others.unknown(len(block))
        yield PostingsBlock(
            first_feature=first,
            begins=offsets[:-1],
            ends=offsets[1:],
            doc=block.doc.astype(np.uint32),
            max=block.max,
            position=block.position,
            token=tokens.ids[block.token],
            start=tokens.starts[block.token],
            length=tokens.lengths[block.token],
            others=others,
        )
        first = last
