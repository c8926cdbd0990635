"""CSV and TSV files."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, types

from saelake.store.errors import CorpusError
from saelake.store.format.widening import widened
from saelake.workers.corpus.delimiters import other_delimiter, sniffed
from saelake.workers.corpus.files import File
from saelake.workers.corpus.source import unreadable

# pyarrow reads 32 blocks ahead, and no row may be longer than a block. So blocks are small, and
# are large only for a file in which a long row was met.
BLOCK_BYTES = 1 << 20
LONG_ROW_BYTES = 16 << 20
HEADER_BYTES = 64 << 10
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_INFERRED = (  # in pyarrow's order; times of day stay texts
    pa.int64(),
    pa.bool_(),
    pa.date32(),
    pa.timestamp("s"),
    pa.timestamp("ns"),
    pa.float64(),
)
_OTHER_TYPE = re.compile(r"In CSV column #(\d+): Row #(\d+): .* to (.*): invalid value (.*)")


class _RowTooLong(CorpusError):
    """A row that is longer than the block it begins in."""


class _OtherType(CorpusError):
    """A value that does not have the type of the rows before."""

    column: str


@dataclass(frozen=True, kw_only=True)
class DelimitedPart:
    """One file of delimited values whose first line names the columns.

    `delimiter` None is found out (see `delimiters`). The columns `as_text` are texts, whatever
    they look like. A column without any value is null; in one of texts nothing is an empty text.
    """

    file: File
    delimiter: str | None
    as_text: frozenset[str]
    text_column: str

    @property
    def name(self) -> str:
        """The file's name."""
        return self.file.name

    @cached_property
    def _delimiter(self) -> str:
        return self.delimiter or sniffed(self.name, self._header, self.text_column)

    @cached_property
    def _header(self) -> str:
        with unreadable(self.name), self.file.stream() as stream:
            beginning = bytes(stream.read(HEADER_BYTES))
        if beginning[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise CorpusError(
                f"{self.name} is not UTF-8: it begins as UTF-16 does. Say so with --encoding "
                "utf-16.",
                file=self.name,
            )
        line = beginning.removeprefix(_BYTE_ORDER_MARK).lstrip().splitlines()[:1]
        return b"".join(line).decode(errors="replace")

    def schema(self) -> pa.Schema:
        """The columns, with types from the first 16 MiB."""
        with unreadable(self.name), self.file.stream() as stream:
            # Not `read`: a thread of pyarrow's may let go of these bytes when Python has ended,
            # which aborts the process if they are Python's. Only the first block is looked at.
            beginning = stream.read_buffer(2 * LONG_ROW_BYTES)
        wanted = {column: pa.string() for column in self.as_text}
        with self._reading(), self._open(beginning, wanted, LONG_ROW_BYTES) as reader:
            schema = reader.schema
        if other := other_delimiter(self._header, self._delimiter):
            self._check_one_column(schema, other)
        return schema

    def _check_one_column(self, schema: pa.Schema, other: str) -> None:
        """Refuse a first line that is one column only because another delimiter was meant."""
        if self.text_column not in schema.names:
            raise CorpusError(
                f"{self.name} has no column {self.text_column!r}; its columns are "
                f"{', '.join(map(repr, schema.names))}. Say with --text-column which one is the "
                f"text, or with --delimiter {other!r} what separates values.",
                file=self.name,
                column=self.text_column,
            )

    def batches(self, schema: pa.Schema, /) -> Iterator[pa.RecordBatch]:
        """The rows, with the types of `schema`, or wider ones where these do not fit."""
        late = frozenset(field.name for field in schema if types.is_null(field.type))
        n_rows = 0
        block_bytes = BLOCK_BYTES
        refused: _OtherType | None = None
        while True:
            try:
                seen = 0
                for batch in self._read(schema, block_bytes, late):
                    fresh = batch.slice(min(max(n_rows - seen, 0), batch.num_rows))
                    seen += batch.num_rows
                    if fresh.num_rows:
                        yield _typed(fresh, schema, late, refused)
                        n_rows += fresh.num_rows
                return
            except _RowTooLong:
                if block_bytes == LONG_ROW_BYTES:
                    raise
                block_bytes = LONG_ROW_BYTES
            except _OtherType as error:
                if error.column in late:
                    raise
                refused = error
                late |= {error.column}

    def _read(
        self, schema: pa.Schema, block_bytes: int, late: frozenset[str]
    ) -> Iterator[pa.RecordBatch]:
        wanted = {f.name: pa.string() if f.name in late else f.type for f in schema}
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
        self,
        source: pa.NativeFile | pa.Buffer,
        column_types: dict[str, pa.DataType],
        block_bytes: int,
    ) -> csv.CSVStreamingReader:
        return csv.open_csv(
            pa.BufferReader(source) if isinstance(source, pa.Buffer) else source,
            read_options=csv.ReadOptions(use_threads=False, block_size=block_bytes),
            parse_options=csv.ParseOptions(delimiter=self._delimiter, newlines_in_values=True),
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
        explained = _OtherType(
            f"{self.name}, row {row} (from 0): column {column!r} is {other[4]} here, and "
            f"{other[3]} in the rows before. Give the column one type in the whole file, or "
            "convert the file to Parquet.",
            file=self.name,
            row=row,
            column=column,
        )
        explained.column = column
        return explained


def _typed(
    batch: pa.RecordBatch, schema: pa.Schema, late: frozenset[str], refused: _OtherType | None
) -> pa.RecordBatch:
    """The rows with the types that the texts of `late` columns have now.

    Raises `refused`, what was said of one of them, if its type and the one before are not of a
    kind.
    """
    columns = {name: batch[name] for name in batch.schema.names}
    for name in late:
        before = schema.field(name).type
        columns[name] = _inferred(columns[name], before)
        if widened(before, columns[name].type) is None and refused is not None:
            raise refused
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def _inferred(texts: pa.Array, before: pa.DataType) -> pa.Array:
    """The values of these texts as pyarrow would infer them, as the type before if they are."""
    given = pc.if_else(pc.equal(pc.binary_length(texts), 0), None, texts)
    if given.null_count == len(given):
        return pa.nulls(len(given), before)
    for kind in (*([] if types.is_null(before) else [before]), *_INFERRED):
        try:
            return given.cast(kind)
        except pa.ArrowException:  # also of types that are not made of texts
            continue
    return texts
