"""Streams that can be read once, kept in a temporary file so that they can be read again."""

import os
import sys
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
from pyarrow import fs

from saelake.store.errors import CorpusError
from saelake.workers.corpus.files import File
from saelake.workers.corpus.source import CorpusPart

COPY_BYTES = 1 << 20
ROWS = 1024
STDIN = "stdin"


class Spool:
    """A temporary file that goes with this value."""

    def __init__(self) -> None:
        number, name = tempfile.mkstemp(prefix="saelake-")
        os.close(number)
        self.path = Path(name)
        self._finalizer = weakref.finalize(self, _remove, name)


def _remove(name: str) -> None:
    with suppress(FileNotFoundError):
        Path(name).unlink()


def spooled_input(stream: BinaryIO | None = None) -> tuple[Spool, File]:
    """What a stream (None: standard input) has to its end, as a file called `stdin`."""
    spool = Spool()
    source = sys.stdin.buffer if stream is None else stream
    with spool.path.open("wb") as file:
        while block := source.read(COPY_BYTES):
            file.write(block)
    size = spool.path.stat().st_size
    if size == 0:
        raise CorpusError("Standard input is empty, so there is nothing to import.")
    local = fs.LocalFileSystem()
    return spool, File(name=STDIN, path=str(spool.path), filesystem=local, size_bytes=size)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledPart:
    """A part that is read from a temporary file."""

    part: CorpusPart
    spool: Spool

    @property
    def name(self) -> str:
        """The part's name."""
        return self.part.name

    def schema(self) -> pa.Schema:
        """The part's columns."""
        return self.part.schema()

    def batches(self, schema: pa.Schema, /) -> Iterator[pa.RecordBatch]:
        """The part's rows."""
        return self.part.batches(schema)


class SpooledBatches:
    """Batches of rows in a temporary file, each with types of its own."""

    def __init__(self) -> None:
        self._spool = Spool()

    def add(self, batch: pa.RecordBatch) -> None:
        """Put a batch after those that are there."""
        with self._spool.path.open("ab") as file, pa.ipc.new_stream(file, batch.schema) as writer:
            writer.write_batch(batch)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows."""
        with self._spool.path.open("rb") as file:
            size = self._spool.path.stat().st_size
            while file.tell() < size:
                with pa.ipc.open_stream(file) as reader:
                    yield from reader


class SpooledRows(SpooledBatches):
    """Rows as mappings, kept as Arrow in a temporary file; read again in batches of 1,024.

    Raises `CorpusError` for a row that is no mapping, and for values of one column that have no
    type together.
    """

    def __init__(self, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
        super().__init__()
        first = 0
        iterator = iter(rows)
        while some := list(islice(iterator, ROWS)):
            self.add(batch_of(name, first, some))
            first += len(some)


def batch_of(name: str, first: int, rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    """Rows of a source called `name`, the first of which has that number. Raises `CorpusError`."""
    for number, row in enumerate(rows, start=first):
        if not isinstance(row, Mapping):
            raise CorpusError(
                f"{name}, row {number}: this is {type(row).__name__}, and a row is a mapping of "
                "column names to values.",
                row=number,
            )
    columns = dict.fromkeys(key for row in rows for key in row)
    arrays = [_column(name, first, str(key), [row.get(key) for row in rows]) for key in columns]
    return pa.RecordBatch.from_arrays(arrays, names=[str(key) for key in columns])


def with_surrogates(values: Sequence[Any]) -> pa.Array:
    """Strings of which some have lone surrogates, which become bytes that are not UTF-8."""
    raw = [v.encode(errors="surrogatepass") if isinstance(v, str) else v for v in values]
    return pa.array(raw, pa.binary()).cast(pa.string(), safe=False)


def _array(values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except UnicodeEncodeError:  # lone surrogates
        return with_surrogates(values)
    except OverflowError:  # integers beyond 64 bits
        if all(v is None or isinstance(v, int) for v in values):
            return pa.array([v if v is None else Decimal(v) for v in values])
        raise


def _column(name: str, first: int, column: str, values: Sequence[Any]) -> pa.Array:
    try:
        return _array(values)
    except (pa.ArrowException, TypeError, OverflowError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise CorpusError(
            f"{name}, row {first} or after: the values of column {column!r} have no type together "
            f"({reason}). Give them one type.",
            column=column,
        ) from error
