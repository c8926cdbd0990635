"""Which of a source's columns is the text, which the id, and what the others are called."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
from pyarrow import types

from saelake.store.errors import CorpusError
from saelake.store.format.schema import LANCE_COLUMNS, RESERVED_COLUMNS
from saelake.workers.corpus.types import (
    id_texts,
    is_id,
    is_odd_id,
    is_text,
    stored_array,
    stored_type,
)

ID_COLUMNS = ("id", "doc_id")  # taken as ids when nothing else is said
EXACT_IDS = "above 2^53 several ids can be one number: keep those as text"
_NOT_IN_NAMES = re.compile(r"[.`\x00-\x1f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataColumn:
    """A metadata column: what the source calls it, what the corpus does, and its stored type."""

    source: str
    name: str
    type: pa.DataType


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The roles of a source's columns; `id` None means that ids are made from places."""

    text: str
    id: str | None
    metadata: tuple[MetadataColumn, ...]
    like_id: str | None = None  # not taken as the id, for its letters are upper case

    @classmethod
    def choose(
        cls, schema: pa.Schema, *, text_column: str, id_column: str | None, name: str
    ) -> "Columns":
        """The roles in a source called `name`. Raises `CorpusError` when a column is missing."""
        text = _chosen(schema, text_column, "text", name)
        if not is_text(schema.field(text).type):
            raise CorpusError(
                f"The column {text!r} of {name} has type {schema.field(text).type}, which is not "
                "text. Choose another with --text-column.",
                source=name,
                column=text,
            )
        ids = _id_column(schema, id_column, text, name)
        others = [field for field in schema if field.name not in (text, ids)]
        like_id = _like_id(others) if ids is None and id_column is None else None
        return cls(text=text, id=ids, metadata=_metadata(others, name), like_id=like_id)

    @property
    def schema(self) -> pa.Schema:
        """The metadata columns as a corpus stores them."""
        return pa.schema([(column.name, column.type) for column in self.metadata])

    @property
    def renamed(self) -> Mapping[str, str]:
        """Metadata columns that a corpus calls otherwise: the source's name and the corpus's."""
        return {c.source: c.name for c in self.metadata if c.source != c.name}

    def notes(self, schema: pa.Schema, name: str) -> Iterator[str]:
        """What becomes of columns and ids of a source called `name`, where that is not plain."""
        for before, after in self.renamed.items():
            yield f"The column {before!r} of {name} is called {after!r} in the corpus."
        if self.like_id is not None:
            yield (
                f"The column {self.like_id!r} of {name} is not taken for the ids, since it is not "
                f"written {self.like_id.casefold()}: rows are called by their place. Say "
                f"--id-column {self.like_id} to take it."
            )
        if self.id is None or not is_odd_id(kind := schema.field(self.id).type):
            return
        if types.is_floating(kind):
            how = f"are floating-point numbers: they became text, 12.0 as '12' ({EXACT_IDS})"
        else:
            how = "are larger than 64 bits or decimal: they became text, digit for digit"
        yield f"The ids of {name} in the column {self.id!r} {how}."

    def rows(self, batch: pa.RecordBatch, *, file: str, first_row: int) -> pa.RecordBatch:
        """A batch of the source as rows of an import: id, text, metadata.

        Raises `pyarrow.ArrowException` when a value does not fit its stored type.
        """
        if self.id is None:
            numbers = range(first_row, first_row + batch.num_rows)
            ids = pa.array([f"{file}:{number}" for number in numbers], pa.string())
        else:
            ids = id_texts(batch[self.id])
        text = stored_array(batch[self.text], pa.string())
        metadata = [stored_array(batch[c.source], c.type) for c in self.metadata]
        return pa.record_batch([ids, text, *metadata], names=["id", "text", *self.schema.names])


def _id_column(schema: pa.Schema, asked: str | None, text: str, name: str) -> str | None:
    if asked == "":
        return None
    if asked is None:
        fit = (c for c in ID_COLUMNS if c in schema.names and is_id(schema.field(c).type))
        return next((c for c in fit if c != text), None)
    chosen = _chosen(schema, asked, "id", name)
    if not is_id(schema.field(chosen).type):
        raise CorpusError(
            f"The column {chosen!r} of {name} has type {schema.field(chosen).type}; ids are text "
            "or numbers. Choose another with --id-column, or leave it out.",
            source=name,
            column=chosen,
        )
    if chosen == text:
        raise CorpusError(f"{name}: the column {text!r} cannot be both id and text.", source=name)
    return chosen


def _like_id(fields: list[pa.Field]) -> str | None:
    """The column that would be taken as the id if it were written in lower case."""
    fit = (f.name for f in fields if f.name.casefold() in ID_COLUMNS and is_id(f.type))
    return next(fit, None)


def _chosen(schema: pa.Schema, column: str, role: str, name: str) -> str:
    if column in schema.names:
        return column
    raise CorpusError(
        f"{name} has no column {column!r}; its columns are {', '.join(map(repr, schema.names))}. "
        f"Say with --{role}-column which one is the {role}.",
        source=name,
        column=column,
    )


def check_unique(schema: pa.Schema, name: str) -> None:
    """Raise `CorpusError` for a source with two columns of one name."""
    for column in schema.names:
        if schema.names.count(column) > 1:
            raise CorpusError(
                f"{name} has two columns called {column!r}. Rename one of them.",
                source=name,
                column=column,
            )


def _metadata(fields: list[pa.Field], name: str) -> tuple[MetadataColumn, ...]:
    taken = {*RESERVED_COLUMNS, *LANCE_COLUMNS}
    columns = []
    free = [f.name for f in fields if _column_name(f.name, taken) == f.name]
    taken |= set(free)
    for field in fields:
        chosen = field.name if field.name in free else _column_name(field.name, taken)
        taken.add(chosen)
        columns.append(MetadataColumn(source=field.name, name=chosen, type=_type(field, name)))
    return tuple(columns)


def _column_name(column: str, taken: set[str]) -> str:
    chosen = _NOT_IN_NAMES.sub("_", column) or "unnamed"
    while chosen in taken:
        chosen += "_"
    return chosen


def _type(field: pa.Field, name: str) -> pa.DataType:
    try:
        return stored_type(field.type)
    except CorpusError as error:
        raise CorpusError(
            f"The column {field.name!r} of {name} has type {field.type}, which cannot be stored. "
            "Convert it, or leave it out.",
            source=name,
            column=field.name,
        ) from error
