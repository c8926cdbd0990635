"""Documents that are to be judged, in a temporary file: a run takes longer than a server waits."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import pyarrow as pa


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenDocument:
    """A document; `value` is what its column has, None where it is not judged, and `quote`."""

    doc: int
    id: str
    text: str
    value: bool | int | str | None
    quote: str | None


@dataclass(frozen=True, slots=True)
class DocumentSpool:
    """Documents in a file, to be read as often as wanted; `n` of `n_selected` were chosen."""

    file: IO[bytes]
    n: int
    n_selected: int
    column: str

    def read(self) -> Iterator[ChosenDocument]:
        """The documents, in order."""
        self.file.seek(0)
        for batch in pa.ipc.open_stream(pa.PythonFile(self.file, "r")):
            for row in batch.to_pylist():
                metadata = row["metadata"]
                yield ChosenDocument(
                    doc=row["doc"],
                    id=row["id"],
                    text=row["text"],
                    value=metadata.get(self.column),
                    quote=metadata.get(f"{self.column}_quote"),
                )


@contextmanager
def spooled(rows: pa.RecordBatchReader, column: str) -> Iterator[DocumentSpool]:
    """The rows in a file, until the end of the block."""
    with tempfile.TemporaryFile() as file:
        n = 0
        with pa.ipc.new_stream(pa.PythonFile(file, "w"), rows.schema) as writer:
            for batch in rows:
                writer.write_batch(batch)
                n += batch.num_rows
        n_selected = int((rows.schema.metadata or {}).get(b"n_selected", n))
        yield DocumentSpool(file, n, n_selected, column)
