"""Answers as data frames, of whichever library is installed."""

from typing import Any

import pyarrow as pa

from saelake.store.errors import MissingExtra


def flat(table: pa.Table) -> pa.Table:
    """The table with its metadata in columns of their own: `label`, or `metadata.label` where
    `label` is the name of another column.
    """
    if "metadata" not in table.schema.names or not pa.types.is_struct(table["metadata"].type):
        return table
    taken = set(table.schema.names)
    at = table.schema.get_field_index("metadata")
    rest = table.remove_column(at)
    field = table.schema.field(at)
    for column, values in zip(field.type, table["metadata"].flatten(), strict=True):
        name = f"metadata.{column.name}" if column.name in taken else column.name
        rest = rest.add_column(at, name, values)
        at += 1
    return rest


def to_pandas(table: pa.Table) -> Any:
    """The table as a pandas data frame. Raises `MissingExtra`."""
    try:
        return flat(table).to_pandas()
    except ImportError as error:
        raise _missing("pandas") from error


def to_polars(table: pa.Table) -> Any:
    """The table as a polars data frame. Raises `MissingExtra`."""
    try:
        import polars  # not a dependency: who asks for it has it
    except ImportError as error:
        raise _missing("polars") from error
    return polars.from_arrow(flat(table))


def _missing(library: str) -> MissingExtra:
    return MissingExtra(
        f"to_{library} needs {library}: pip install {library}. to_arrow works without.",
        extra=library,
    )
