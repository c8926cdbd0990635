"""Record batches of bounded size."""

from collections.abc import Iterator

import pyarrow as pa


def split(batch: pa.RecordBatch, *, max_rows: int, max_bytes: int) -> Iterator[pa.RecordBatch]:
    """The batch in pieces of at most `max_rows` rows and `max_bytes` bytes, in order, not copied.

    A single row that is larger than `max_bytes` is a piece of its own; no piece is empty.
    """
    if batch.num_rows == 0:
        return
    if batch.num_rows == 1 or (batch.num_rows <= max_rows and batch.nbytes <= max_bytes):
        yield batch
        return
    half = batch.num_rows // 2
    yield from split(batch.slice(0, half), max_rows=max_rows, max_bytes=max_bytes)
    yield from split(batch.slice(half), max_rows=max_rows, max_bytes=max_bytes)
