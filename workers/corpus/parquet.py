"""Parquet files."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from saelake.workers.corpus.files import File
from saelake.workers.corpus.source import BATCH_BYTES, BATCH_ROWS, unreadable

READ_BYTES = 1 << 20  # of a column at a time, so that a row group need not fit in memory


@dataclass(frozen=True, slots=True)
class ParquetPart:
    """One Parquet file."""

    file: File

    @property
    def name(self) -> str:
        """The file's name."""
        return self.file.name

    def schema(self) -> pa.Schema:
        """The file's columns."""
        with unreadable(self.name), self._open() as parquet:
            return parquet.schema_arrow

    def batches(self, _: pa.Schema) -> Iterator[pa.RecordBatch]:
        """The file's rows with its own types, however many a batch as its row groups' size says."""
        with unreadable(self.name), self._open() as parquet:
            for group in range(parquet.num_row_groups):
                n_rows = _rows_per_batch(parquet.metadata.row_group(group))
                yield from parquet.iter_batches(n_rows, row_groups=[group], use_threads=False)

    def _open(self) -> pq.ParquetFile:
        source = self.file.random_access()
        return pq.ParquetFile(source, buffer_size=READ_BYTES, pre_buffer=False)


def _rows_per_batch(group: pq.RowGroupMetaData) -> int:
    row_bytes: int = group.total_byte_size // max(group.num_rows, 1) + 1
    return max(min(BATCH_ROWS, BATCH_BYTES // row_bytes), 1)
