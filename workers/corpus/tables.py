"""Rows that are in Python: data frames, Arrow tables and readers, and rows as mappings."""

from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from saelake.store.errors import CorpusError, InvalidInput
from saelake.store.format.widening import widened
from saelake.workers.corpus.source import BATCH_ROWS, CorpusPart, unreadable
from saelake.workers.corpus.spooled import SpooledBatches, SpooledRows, with_surrogates
from saelake.workers.corpus.types import plain_type

KINDS = (
    "a path, several paths, a pandas or polars DataFrame, an Arrow table or reader, or rows as "
    "mappings (a list or a generator of dicts)"
)


@dataclass(frozen=True, slots=True)
class ArrowPart:
    """A table, or a reader, which can be read once."""

    name: str
    reader: pa.Table | pa.RecordBatchReader

    def schema(self) -> pa.Schema:
        """The columns."""
        return self.reader.schema

    def batches(self, _: pa.Schema, /) -> Iterator[pa.RecordBatch]:
        """The rows."""
        table = self.reader
        with unreadable(self.name):
            is_table = isinstance(table, pa.Table)
            yield from table.to_batches(max_chunksize=BATCH_ROWS) if is_table else table


@dataclass(frozen=True, slots=True)
class RowsPart:
    """Rows that were given as mappings."""

    name: str
    rows: SpooledBatches

    def schema(self) -> pa.Schema:
        """The columns of all rows, in the order in which they came."""
        found: dict[str, pa.DataType] = {}
        for batch in self.rows.batches():
            for field in batch.schema:
                found[field.name] = self._wider(field, found.get(field.name, pa.null()))
        if not found:
            raise CorpusError(f"{self.name} has no rows, so there is nothing to import.")
        return pa.schema(list(found.items()))

    def batches(self, _: pa.Schema, /) -> Iterator[pa.RecordBatch]:
        """The rows, each batch with types of its own."""
        return self.rows.batches()

    def _wider(self, field: pa.Field, before: pa.DataType) -> pa.DataType:
        wider = widened(before, plain_type(field.type))
        if wider is None:
            raise CorpusError(
                f"{self.name}: column {field.name!r} is {field.type} in some rows and {before} in "
                "rows before. Give it one type.",
                column=field.name,
            )
        return wider


def part_of(data: object, name: str) -> CorpusPart:
    """Data in Python as a part of a source called `name`. Raises `InvalidInput`, `CorpusError`."""
    if isinstance(data, Sized) and not isinstance(data, str | bytes | Mapping) and not len(data):
        raise CorpusError(f"{name} has no rows, so there is nothing to import.", source=name)
    with unreadable(name):
        if type(data).__module__.partition(".")[0] == "pandas":
            return ArrowPart(name, _from_pandas(data, name))
        if isinstance(data, pa.RecordBatch):
            return ArrowPart(name, pa.Table.from_batches([data]))
        if isinstance(data, pa.Table | pa.RecordBatchReader):
            return ArrowPart(name, data)
        if hasattr(data, "__arrow_c_stream__"):
            return ArrowPart(name, _from_stream(data))
    if isinstance(data, Iterable) and not isinstance(data, str | bytes | Mapping):
        return RowsPart(name, SpooledRows(name, data))
    raise InvalidInput(f"{type(data).__name__} cannot be imported: give {KINDS}.")


def _from_stream(data: Any) -> pa.RecordBatchReader:
    """The rows of a table in Arrow's stream; a column alone, as a Series, has none."""
    try:
        return pa.RecordBatchReader.from_stream(data)
    except pa.ArrowInvalid as error:
        if "non-struct" not in str(error):
            raise
        raise InvalidInput(
            f"A {type(data).__name__} is one column, and cannot be imported: give {KINDS}."
        ) from error


def _from_pandas(frame: Any, name: str) -> pa.Table:
    """A DataFrame's columns, and its index where that has a name."""
    if not hasattr(frame, "columns"):
        raise InvalidInput(f"A {type(frame).__name__} cannot be imported: give a DataFrame.")
    if any(level is not None for level in frame.index.names):
        frame = frame.reset_index()
    columns = {str(column): frame.iloc[:, i] for i, column in enumerate(frame.columns)}
    if len(columns) < len(frame.columns):
        raise CorpusError(f"{name} has two columns of one name. Rename one of them.")
    return pa.table({column: _series(values, column, name) for column, values in columns.items()})


def _series(values: Any, column: str, name: str) -> pa.Array:
    try:
        return pa.array(values, from_pandas=True)
    except UnicodeEncodeError:
        return with_surrogates([v if isinstance(v, str) else None for v in values])
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise CorpusError(
            f"{name}: the values of column {column!r} have no type together "
            f"({str(error).splitlines()[0]}). Give them one type, for instance with .astype(str).",
            column=column,
        ) from error
