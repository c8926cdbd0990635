"""Whether the columns of a source fit those of a corpus, and what the corpus's become."""

from collections.abc import Iterator

import pyarrow as pa

from saelake.store.errors import CorpusError
from saelake.store.format.schema import (
    LANCE_COLUMNS,
    NOT_IN_COLUMNS,
    REPLACES,
    RESERVED_COLUMNS,
    documents_schema,
)
from saelake.store.format.widening import converted, widened

REMEDY = "Convert the column, give it another name, or import it as another corpus."


def fitted_schema(
    corpus: str, source: str, metadata: pa.Schema, stored: pa.Schema | None, *, replaces: bool
) -> pa.Schema:
    """The columns of a corpus that also takes the metadata of a source of this name.

    `stored` are its columns so far (None: it is new). Types widen as `widened` says, a column that
    the corpus lacks comes last, and one that the source lacks stays. `replaces` asks for the
    column in which documents say which ones they replace. Raises `CorpusError` for types that do
    not fit, and for names that no column can have.
    """
    check_column_names(source, metadata)
    if stored is None:
        return documents_schema(metadata)
    given = {field.name: field.type for field in metadata}
    fields = [
        field
        if field.name in RESERVED_COLUMNS or field.name not in given
        else field.with_type(_fitted(corpus, source, field, given[field.name]))
        for field in stored
    ]
    new = [field for field in metadata if field.name not in stored.names]
    if replaces and REPLACES not in stored.names:
        new.append(pa.field(REPLACES, pa.uint64()))
    return pa.schema([*fields, *new], metadata=stored.metadata)


def check_column_names(source: str, schema: pa.Schema) -> None:
    """Raise `CorpusError` for a column that cannot be called so."""
    for i in range(len(schema)):
        field = schema.field(i)
        name = _name(field)
        if name and _is_whole(field) and not _is_lances(name):
            continue
        shown = f"number {i + 1}" if name is None else repr(name)
        raise CorpusError(
            f"{source} has a column {shown} that cannot be called so: a name is text in UTF-8, not "
            "empty, without '.', '`' and the character 0, and none of Lance's own.",
            source=source,
            column=shown,
        )


def _is_lances(name: str) -> bool:
    """Whether Lance has a meaning of its own for a name."""
    return name in LANCE_COLUMNS or any(letter in name for letter in NOT_IN_COLUMNS)


def _is_whole(field: pa.Field) -> bool:
    """Whether the names in a field are text that ends where it ends."""
    name, kind = _name(field), field.type
    within = range(kind.num_fields)
    return name is not None and "\0" not in name and all(_is_whole(kind.field(i)) for i in within)


def _name(field: pa.Field) -> str | None:
    """What a field is called; None where that is no UTF-8."""
    try:
        return str(field.name)
    except UnicodeDecodeError:
        return None


def _fitted(corpus: str, source: str, field: pa.Field, given: pa.DataType) -> pa.DataType:
    wider = widened(field.type, given)
    if wider is None:
        raise CorpusError(
            f"{source} has a column {field.name!r} of type {given}, which is {field.type} in "
            f"{corpus}: no type holds both without loss. {REMEDY}",
            source=source,
            column=field.name,
        )
    return wider


def changes(corpus: str, stored: pa.Schema | None, fitted: pa.Schema) -> Iterator[str]:
    """What became of a corpus's columns, for people."""
    if stored is None:
        return
    for field in fitted:
        if field.name == REPLACES:
            continue
        if field.name not in stored.names:
            yield f"Column {field.name!r} is new in {corpus}: documents from before have none."
        elif not field.type.equals(before := stored.field(field.name).type):
            yield f"Column {field.name!r} of {corpus} was {before}, and is {field.type} now."


def fitting(column: pa.Array, field: pa.Field, where: str) -> pa.Array:
    """A column's values as a corpus stores them; `where` they are, for people.

    Raises `CorpusError` when one of them would not be the same.
    """
    try:
        return converted(column, field.type)
    except pa.ArrowInvalid as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise CorpusError(
            f"{where}: column {field.name!r} is {column.type} here and must be {field.type}, which "
            f"does not hold its values without loss ({reason}). {REMEDY}",
            column=field.name,
        ) from error
