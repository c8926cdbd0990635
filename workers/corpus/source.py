"""A source of documents: parts of one format, and the columns that were chosen from them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import pyarrow as pa
from pyarrow import types

from saelake.store.arrays.batches import split
from saelake.store.documents.imports import SourceBatch
from saelake.store.errors import CorpusError
from saelake.workers.corpus.columns import Columns

BATCH_ROWS = 1024
BATCH_BYTES = 8 << 20


class CorpusPart(Protocol):
    """One file, folder or data set that is read as a table."""

    @property
    def name(self) -> str:
        """What errors, skips and generated ids call it."""

    def schema(self) -> pa.Schema:
        """Its columns, as far as its beginning shows. Raises `CorpusError`."""

    def batches(self, schema: pa.Schema, /) -> Iterator[pa.RecordBatch]:
        """Its rows; a format without types reads them as `schema` says. Raises `CorpusError`."""


class CorpusSource:
    """Rows to import, in the order of the parts; all parts have the first one's columns.

    A part may leave columns out, which are then null.
    """

    def __init__(
        self, name: str, parts: Sequence[CorpusPart], *, text_column: str, id_column: str | None
    ) -> None:
        self.name = name
        self._parts = parts
        with unreadable(parts[0].name):
            self._schema = parts[0].schema()
            self._columns = Columns.choose(
                self._schema, text_column=text_column, id_column=id_column, name=parts[0].name
            )

    @property
    def schema(self) -> pa.Schema:
        """The metadata columns as a corpus stores them, without text and id."""
        return self._columns.schema

    @property
    def generated_ids(self) -> bool:
        """Whether ids are made from file names and row numbers."""
        return self._columns.id is None

    @property
    def renamed(self) -> Mapping[str, str]:
        """Metadata columns that a corpus calls otherwise: the source's name and the corpus's."""
        return self._columns.renamed

    def batches(self) -> Iterator[SourceBatch]:
        """The rows, in batches of at most 1,024 rows and 8 MiB or one longer row.

        Raises `CorpusError` when a part cannot be read or does not have the columns.
        """
        for part in self._parts:
            row = 0
            for batch in part.batches(self._schema):
                for piece in split(_decoded(batch), max_rows=BATCH_ROWS, max_bytes=BATCH_BYTES):
                    with unreadable(part.name, f" from row {row} on"):
                        aligned = _aligned(piece, self._schema, part.name)
                        rows = self._columns.rows(aligned, file=part.name, first_row=row)
                    yield SourceBatch(file=part.name, first_row=row, rows=rows)
                    row += piece.num_rows


@contextmanager
def unreadable(name: str, place: str = "") -> Iterator[None]:
    """Turn errors of reading a file into a `CorpusError` that names it and the place in it."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = "".join(c if c.isprintable() else "\ufffd" for c in lines[0])
        raise CorpusError(f"{name} cannot be read{place}: {reason}", file=name) from error
    except UnicodeDecodeError as error:  # texts are checked row by row, names are not
        raise CorpusError(
            f"{name} has a column whose name is not UTF-8: {error.object!r}. Rename it.", file=name
        ) from error


def _decoded(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with the values of its dictionaries, whose size its slices can then tell."""
    columns = [c.dictionary_decode() if types.is_dictionary(c.type) else c for c in batch.columns]
    return pa.record_batch(columns, names=batch.schema.names)


def _aligned(batch: pa.RecordBatch, schema: pa.Schema, name: str) -> pa.RecordBatch:
    """The batch with exactly the columns of `schema`. Raises `CorpusError`."""
    for column in batch.schema.names:
        if column not in schema.names:
            raise _different(name, column, "the source's first file does not have it")
    columns = [_column(batch, field, name) for field in schema]
    return pa.record_batch(columns, names=schema.names)


def _column(batch: pa.RecordBatch, field: pa.Field, name: str) -> pa.Array:
    if field.name not in batch.schema.names:
        return pa.nulls(batch.num_rows, field.type)
    column = batch[field.name]
    if types.is_null(column.type):
        return pa.nulls(batch.num_rows, field.type)
    expected = field.type.value_type if types.is_dictionary(field.type) else field.type
    if column.type != expected:
        raise _different(name, field.name, f"it is {column.type} here, and {expected} before")
    return column


def _different(name: str, column: str, problem: str) -> CorpusError:
    return CorpusError(
        f"{name}: column {column!r} does not fit: {problem}. Give all files the same columns, or "
        "import them one by one.",
        file=name,
        column=column,
    )
