"""Values for columns of documents, however they are given, as the rows that a command takes."""

from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any, cast

import pyarrow as pa

from saelake.making.sources import ArrowStream
from saelake.store.errors import InvalidInput, extra
from saelake.store.requests.commands.columns import KEYS

if TYPE_CHECKING:
    from saelake.store.documents.imports import SourceBatch
    from saelake.workers.corpus import CorpusSource

Location = str | PathLike[str]
Value = bool | int | float | str | None
Values = Mapping[Any, Value] | ArrowStream | Location | Iterable[Mapping[str, Any]]


def rows_of(values: Values, column: str | None, *, id_column: str = "id") -> pa.Table:
    """The rows of values: by id or number of a mapping, of a table, of rows, or of a file.

    With a `column` of a table only that. Raises `InvalidInput` and `CorpusError`.
    """
    if isinstance(values, Mapping):
        return _of_mapping(values, column)
    if isinstance(values, str | PathLike):
        return _chosen(_of_file(values, id_column), column)
    is_arrow = hasattr(values, "__arrow_c_stream__")
    table = pa.table(values) if is_arrow else _of_rows(cast("Iterable[Mapping[str, Any]]", values))
    if id_column != "id" and id_column in table.column_names:
        names = ["id" if name == id_column else name for name in table.column_names]
        table = table.rename_columns(names)
    return _chosen(_plain(table), column)


def _of_mapping(values: Mapping[Any, Value], column: str | None) -> pa.Table:
    if column is None:
        raise InvalidInput("Say what the column of these values is called: column=….")
    if not values:
        raise InvalidInput("There are no values to set.")
    is_number = all(isinstance(key, int) and not isinstance(key, bool) for key in values)
    try:
        keys = pa.array(list(values), pa.uint64() if is_number else pa.string())
        return pa.table(
            [keys, pa.array(list(values.values()))], ["doc" if is_number else "id", column]
        )
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise _mixed(error) from error


def _of_rows(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    listed = list(rows)
    names = list(dict.fromkeys(name for row in listed for name in row))
    try:
        return pa.table({name: pa.array([row.get(name) for row in listed]) for name in names})
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise _mixed(error) from error


def _of_file(location: Location, id_column: str) -> pa.Table:
    """The rows of a file, of which all columns but the ids are values."""
    with extra("workers"):
        from saelake.store.documents.imports import SourceWidened
        from saelake.workers.corpus import open_source
    # Read as texts that have no ids, the ids come as they are, and the rest is metadata.
    source = open_source(location, text_column=id_column, id_column="")
    while True:
        try:
            return pa.Table.from_batches(_batches(source), _columns(source))
        except SourceWidened:
            continue


def _columns(source: "CorpusSource") -> pa.Schema:
    return pa.schema([pa.field("id", pa.string()), *source.schema])


def _batches(source: "CorpusSource") -> Iterator[pa.RecordBatch]:
    for batch in source.batches():
        yield _without_text(batch, _columns(source))


def _without_text(batch: "SourceBatch", schema: pa.Schema) -> pa.RecordBatch:
    columns = [batch.rows["text" if name == "id" else name] for name in schema.names]
    try:
        made = pa.RecordBatch.from_arrays(columns, schema=schema)
        made.validate(full=True)
    except pa.ArrowInvalid as error:
        raise InvalidInput(f"{batch.file}, at row {batch.first_row} or after: {error}.") from error
    return made


def _plain(table: pa.Table) -> pa.Table:
    """The table with ids as texts, numbers of documents unsigned, and nothing in dictionaries."""
    for i, field in enumerate(table.schema):
        column = table[i]
        if pa.types.is_dictionary(field.type):
            column = pa.chunked_array(
                [c.dictionary_decode() for c in column.chunks], field.type.value_type
            )
        if field.name == "id" and pa.types.is_large_string(column.type):
            column = column.cast(pa.string())
        if field.name == "doc" and pa.types.is_signed_integer(column.type):
            column = column.cast(pa.uint64())
        table = table.set_column(i, field.name, column)
    return table


def _chosen(table: pa.Table, column: str | None) -> pa.Table:
    if column is None:
        return table
    keys = [name for name in table.column_names if name in KEYS]
    others = [name for name in table.column_names if name not in KEYS]
    if column in others:
        return table.select([*keys, column])
    if len(others) == 1:
        return table.select([*keys, *others]).rename_columns([*keys, column])
    raise InvalidInput(
        f"There are no values for {column!r}: the columns are {', '.join(map(repr, others))}.",
        column=column,
    )


def _mixed(error: Exception) -> InvalidInput:
    return InvalidInput(f"These are no values of one type for documents: {error}")
