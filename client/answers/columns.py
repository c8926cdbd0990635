"""The metadata columns that an answer shows."""

from collections.abc import Iterator

import pyarrow as pa

from saelake.store.format.kinds import can_be_counted
from saelake.store.predicates.names import typed


def counted_columns(table: pa.Table) -> tuple[str, ...]:
    """The columns by which documents can be counted, as `shares(by=…)` takes them.

    Of a structure its fields, as `column.field`.
    """
    kind = table.schema.field("metadata").type
    return tuple(name for field in kind for name in _names(field, ()))


def _names(field: pa.Field, above: tuple[str, ...]) -> Iterator[str]:
    path = (*above, field.name)
    if pa.types.is_struct(field.type):
        for inner in field.type:
            yield from _names(inner, path)
    elif can_be_counted(field.type):
        yield field.name if not above else ".".join(map(typed, path))
