"""Metadata columns as an argument names them, and their values: as filters do.

Without quotes lower and upper case are the same, unless that leaves two; in double quotes a name
is exactly that. `meta.kind` is the field `kind` of the column `meta`.
"""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from saelake.store.documents.documents import Documents
from saelake.store.errors import InvalidFilter, InvalidInput
from saelake.store.predicates.grammar import parse
from saelake.store.predicates.names import UnknownName, nearest, resolved, typed, typed_list
from saelake.store.predicates.tree import Field, Item, Name, Node, Value

SCAN_ROWS = 65_536
AHEAD_BYTES = 16 << 20  # Lance alone would hold a whole file of texts

Path = tuple[str, ...]


def column_of(documents: Documents, said: str) -> Path:
    """The metadata column that is meant, and the fields within it.

    Raises `InvalidInput` where there is none, saying which is near, and where there are several.
    """
    schema = documents.table.schema
    if said in documents.metadata_columns:
        return (said,)
    found: list[str] = []
    within = pa.struct([schema.field(name) for name in documents.metadata_columns])
    for name in _path(said):
        names = [field.name for field in within] if types.is_struct(within) else []
        found.append(_resolved(documents.corpus, said, name, found, names))
        within = within.field(found[-1]).type
    return tuple(found)


def read_columns(documents: Documents, said: Sequence[str]) -> pa.Table:
    """`doc`, and the columns that are meant, called as they are said; all documents, in order.

    A field of a structure that is null is null. Raises `InvalidInput`.
    """
    paths = {name: column_of(documents, name) for name in said}
    stored = list(dict.fromkeys(path[0] for path in paths.values()))
    batches = documents.table.scan(["doc", *stored], batch_rows=SCAN_ROWS)
    return pa.Table.from_batches([_selected(batch, paths) for batch in batches])


def scan_column(documents: Documents, said: str) -> Iterator[pa.Array]:
    """The values of the column that is meant, as `read_columns` has them, some at a time.

    Raises `InvalidInput`.
    """
    path = column_of(documents, said)
    table = documents.table
    for batch in table.scan([path[0]], batch_rows=SCAN_ROWS, ahead_bytes=AHEAD_BYTES):
        yield _value(batch[path[0]], path[1:])


def check_apart(documents: Documents, columns: Sequence[str], others: Sequence[str]) -> None:
    """Raise `InvalidInput` for a column that is among others too, though it is called otherwise."""
    looked_at = {column_of(documents, name) for name in columns}
    for other in others:
        if column_of(documents, other) in looked_at:
            raise InvalidInput(
                f"{other} is the column itself: nothing is left of it to control for or to "
                "cluster by.",
                column=other,
            )


Values = TypeVar("Values", pa.Array, pa.ChunkedArray)


def as_texts(values: Values, column: str, purpose: str) -> Values:
    """A column's values as texts. Raises `InvalidInput` for those that cannot serve the purpose."""
    try:
        texts: Values = values.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidInput(
            f"{column} has values of type {values.type}, which cannot {purpose} documents: name a "
            "column of texts or numbers.",
            column=column,
        ) from error
    return texts


def _selected(batch: pa.RecordBatch, paths: dict[str, Path]) -> pa.RecordBatch:
    columns = [_value(batch[path[0]], path[1:]) for path in paths.values()]
    return pa.record_batch([batch["doc"], *columns], names=["doc", *paths])


def _value(column: pa.Array, fields: Path) -> pa.Array:
    return pc.struct_field(column, list(fields)) if fields else column


def _path(said: str) -> list[Name]:
    """The names that a text consists of; it is one name where it is nothing that filters know."""
    try:
        return list(_names(parse(said)))
    except (InvalidFilter, TypeError):
        return [Name(said, is_quoted=False, at=0)]


def _names(node: Node) -> Iterator[Name]:
    match node:
        case Name():
            yield node
        case Field(of, name):
            yield from (*_names(of), name)
        case Item(of, Value("text", text, at)):
            yield from (*_names(of), Name(text, is_quoted=True, at=at))
        case _:
            raise TypeError(node)


def _resolved(
    corpus: str, said: str, name: Name, above: Sequence[str], names: Sequence[str]
) -> str:
    try:
        return resolved(name, names)
    except UnknownName as error:
        if len(names) and error.is_ambiguous:
            raise InvalidInput(f"The column {said!r} of {corpus}: {error}", column=said) from None
        hint = _hint(name, above, names)
        message = f"{corpus} has no metadata column {said!r}. {hint}"
        raise InvalidInput(message, column=said) from None


def _hint(name: Name, above: Sequence[str], names: Sequence[str]) -> str:
    """What might be meant, or what there is."""
    if close := nearest(name.text, names):
        return f"Did you mean {_shown((*above, close))!r}?"
    if not above:
        return f"It has {typed_list(names) or 'none'}."
    if not names:
        return f"{_shown(above)} has no fields."
    return f"{_shown(above)} has the fields {typed_list(names)}."


def _shown(path: Sequence[str]) -> str:
    return path[0] if len(path) == 1 else ".".join(map(typed, path))
