"""CSV and TSV files."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
from pyarrow import csv, types

from saelake.store.errors import CorpusError
from saelake.workers.corpus.files import File
from saelake.workers.corpus.source import unreadable

# pyarrow reads 32 blocks ahead, and no row may be longer than a block. So blocks are small, and
# are large only for a file in which a long row was met.
BLOCK_BYTES = 1 << 20
LONG_ROW_BYTES = 16 << 20
_OTHER_TYPE = re.compile(r"In CSV column #(\d+): Row #(\d+): .* to (.*): invalid value (.*)")


class _RowTooLong(CorpusError):
    """A row that is longer than the block it begins in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DelimitedPart:
    """One file of delimited values whose first line names the columns.

    The columns `as_text` are texts, whatever they look like; so are columns without any value.
    """

    file: File
    delimiter: str
    as_text: frozenset[str]

    @property
    def name(self) -> str:
        """The file's name."""
        return self.file.name

    def schema(self) -> pa.Schema:
        """The columns, with types from the first 16 MiB."""
        with unreadable(self.name), self.file.stream() as stream:
            beginning = stream.read(2 * LONG_ROW_BYTES)  # only the first block is looked at
        wanted = {column: pa.string() for column in self.as_text}
        with self._reading(), self._open(beginning, wanted, LONG_ROW_BYTES) as reader:
            schema = reader.schema
        return pa.schema(
            [(f.name, pa.string() if types.is_null(f.type) else f.type) for f in schema]
        )

    def batches(self, schema: pa.Schema, /) -> Iterator[pa.RecordBatch]:
        """The rows, with the types of `schema`."""
        n_rows = 0
        try:
            for batch in self._read(schema, BLOCK_BYTES):
                yield batch
                n_rows += batch.num_rows
        except _RowTooLong:
            for batch in self._read(schema, LONG_ROW_BYTES):
                yield batch.slice(min(n_rows, batch.num_rows))
                n_rows = max(n_rows - batch.num_rows, 0)

    def _read(self, schema: pa.Schema, block_bytes: int) -> Iterator[pa.RecordBatch]:
        wanted = {field.name: field.type for field in schema}
        with (
            self._reading(),
            self.file.stream() as stream,
            self._open(stream, wanted, block_bytes) as reader,
        ):
            last = None
            for last in reader:
                yield last
            self._check_closed(last)

    def _check_closed(self, last: pa.RecordBatch | None) -> None:
        """Refuse a quote that is open to the end: pyarrow takes the rest of the file for a value.

        Only a quoted value has a line break, and a file that ends with one ends with its quote.
        """
        if not last or not types.is_string(last.columns[-1].type):
            return
        value = last.columns[-1][-1:].cast(pa.binary())[0].as_py() or b""
        if b"\n" in value and self._last_character() != b'"':
            begins = value[:40].decode(errors="replace")
            raise CorpusError(
                f"{self.name} ends within a quote, of the value that begins with {begins!r}. "
                "Close it.",
                file=self.name,
            )

    def _last_character(self) -> bytes:
        """The last byte of the file that is no white space."""
        last = b""
        with self.file.stream() as stream:
            while block := stream.read(BLOCK_BYTES):
                last = (last + block).rstrip()[-1:]
        return last

    def _open(
        self, source: pa.NativeFile | bytes, column_types: dict[str, pa.DataType], block_bytes: int
    ) -> csv.CSVStreamingReader:
        return csv.open_csv(
            pa.BufferReader(source) if isinstance(source, bytes) else source,
            read_options=csv.ReadOptions(use_threads=False, block_size=block_bytes),
            parse_options=csv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
            convert_options=csv.ConvertOptions(check_utf8=False, column_types=column_types),
        )

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turn what pyarrow says about a row into an error that names it."""
        with unreadable(self.name):
            try:
                yield
            except pa.ArrowInvalid as error:
                raise self._explained(str(error)) or error from error

    def _explained(self, message: str) -> CorpusError | None:
        if "straddling object" in message:
            return _RowTooLong(
                f"{self.name} has a row longer than {LONG_ROW_BYTES >> 20} MiB, or a quote that "
                "is not closed. Close it, or convert the file to JSON lines or Parquet.",
                file=self.name,
            )
        if not (other := _OTHER_TYPE.match(message)):
            return None
        column = self.schema().names[int(other[1])]
        row = int(other[2]) - 2  # pyarrow counts from 1, with the header
        return CorpusError(
            f"{self.name}, row {row} (from 0): column {column!r} is {other[4]} here, and "
            f"{other[3]} in the rows before. Give the column one type in the whole file, or "
            "convert the file to Parquet.",
            file=self.name,
            row=row,
            column=column,
        )
