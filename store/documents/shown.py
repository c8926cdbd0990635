"""What answers show of documents beside their texts, kept in memory once it is asked for often.

Each column of a few rows is a read of its own, and ids and metadata are small: kept, they take half
of the time away that the documents of a question cost.
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from saelake.store.tables.tables import Table

HELD_BYTES = 128 << 20  # of the columns of a corpus; where they are more, each question reads them
PATIENCE = 3  # questions before they are read: a process that asks once reads what it shows
SCAN_ROWS = 65_536


class ShownColumns:
    """Some columns of a snapshot of documents; thread-safe."""

    def __init__(
        self, documents: Table, columns: Sequence[str], *, size_bytes: int = HELD_BYTES
    ) -> None:
        self._documents = documents
        self._columns = tuple(columns)
        self._size_bytes = size_bytes
        self._n_asked = 0
        self._reading: Future[pa.Table | None] | None = None
        self._lock = Lock()

    def take(self, docs: npt.NDArray[np.uint64], columns: Sequence[str]) -> pa.Table:
        """`columns` of these documents, in the order asked for."""
        kept = [name for name in columns if name in self._columns]
        held = self._held() if kept else None
        if held is None:
            return self._documents.take(docs.tolist(), columns)
        found = held.select(kept).take(pa.array(docs))
        rest = [name for name in columns if name not in kept]
        if not rest:
            return found
        read = self._documents.take(docs.tolist(), rest)
        parts = [found if name in kept else read for name in columns]
        fields = [part.schema.field(name) for part, name in zip(parts, columns, strict=True)]
        arrays = [part[name] for part, name in zip(parts, columns, strict=True)]
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields))

    def _held(self) -> pa.Table | None:
        """The columns, when they are read and fit; begins to read them, and does not wait."""
        with self._lock:
            self._n_asked += 1
            if self._reading is None and self._n_asked > PATIENCE:
                pool = ThreadPoolExecutor(1)
                self._reading = pool.submit(self._read)
                pool.shutdown(wait=False)
            reading = self._reading
        if reading is None or not reading.done() or reading.exception() is not None:
            return None
        return reading.result()

    def _read(self) -> pa.Table | None:
        """The columns; None where they take too much."""
        batches: list[pa.RecordBatch] = []
        n_bytes = 0
        for batch in self._documents.scan(self._columns, batch_rows=SCAN_ROWS):
            batches.append(batch)
            n_bytes += batch.nbytes
            if n_bytes > self._size_bytes:
                return None
        return pa.Table.from_batches(batches).combine_chunks()
