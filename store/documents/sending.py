"""Documents on their way to a server: read whole first, so that what is sent is right."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pyarrow as pa

from saelake.store.documents.imports import Source, SourceBatch, SourceWidened
from saelake.store.requests.commands.documents import FILE, ROW


@contextmanager
def sent_documents(
    source: Source, on_progress: Callable[[int], object]
) -> Iterator[pa.RecordBatchReader]:
    """The rows of a source, as an import that is sent has them.

    They are in a temporary file until the end of the block. Raises what the source does.
    """
    with tempfile.TemporaryFile() as file:
        while True:
            try:
                _write(source, file, on_progress)
                break
            except SourceWidened:
                file.seek(0)
                file.truncate()
        file.seek(0)
        yield pa.ipc.open_stream(pa.PythonFile(file, "r"))


def _write(source: Source, file: object, on_progress: Callable[[int], object]) -> None:
    n_rows = 0
    own = [pa.field(name, pa.string()) for name in ("id", "text")]
    place = [pa.field(FILE, pa.string()), pa.field(ROW, pa.uint64())]
    schema = pa.schema([*own, *source.schema, *place])
    with pa.ipc.new_stream(pa.PythonFile(file, "w"), schema) as writer:
        for batch in source.batches():
            writer.write_batch(_row_by_row(batch, schema))
            n_rows += batch.rows.num_rows
            on_progress(n_rows)


def _row_by_row(batch: SourceBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The rows, each with where it is from."""
    n = batch.rows.num_rows
    rows = np.arange(batch.first_row, batch.first_row + n, dtype=np.uint64)
    columns = {name: batch.rows[name] for name in batch.rows.schema.names}
    columns |= {FILE: pa.array([batch.file] * n, pa.string()), ROW: pa.array(rows)}
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)
