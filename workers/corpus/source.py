"""A source of documents: parts, and the columns that were chosen from them all."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

import pyarrow as pa
from pyarrow import types

from saelake.store.arrays.batches import split
from saelake.store.documents.fitting import fitting
from saelake.store.documents.imports import SourceBatch, SourceWidened
from saelake.store.errors import CorpusError
from saelake.store.format.widening import widened
from saelake.workers.corpus.columns import ID_COLUMNS, Columns, check_unique
from saelake.workers.corpus.types import is_id, is_odd_id, is_text, plain_type

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
    """Rows to import, in the order of the parts, with the columns of all parts together.

    A part may leave columns out, which are then null, and have narrower types (see `widened`).
    """

    def __init__(
        self, name: str, parts: Sequence[CorpusPart], *, text_column: str, id_column: str | None
    ) -> None:
        self.name = name
        self._parts = parts
        self._schemas = []
        for part in parts:
            with unreadable(part.name):
                self._schemas.append(part.schema())
                check_unique(self._schemas[-1], part.name)
        if not any(schema.names for schema in self._schemas):
            raise CorpusError(f"{name} is empty.", source=name)
        self._text, self._asked_id = text_column, id_column
        self._ids = (*ID_COLUMNS,) if id_column is None else (id_column,)
        self._set_schema(self._together())

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

    @property
    def notes(self) -> tuple[str, ...]:
        """What becomes of columns and ids, where that is not plain, in sentences."""
        return tuple(self._columns.notes(self._schema, self.name))

    def batches(self) -> Iterator[SourceBatch]:
        """The rows, in batches of at most 1,024 rows and 8 MiB or one longer row.

        Raises `CorpusError` when a part cannot be read or has types that do not fit, and
        `SourceWidened` at the end when types that came late are wider than those of `schema`.
        """
        wider = self._schema
        for part, schema in zip(self._parts, self._schemas, strict=True):
            row = 0
            for batch in part.batches(schema):
                wider = self._wider(wider, batch.schema, f"{part.name}, at row {row} or after")
                if wider.equals(self._schema):
                    yield from self._split(batch, part.name, row)
                row += batch.num_rows
        if not wider.equals(self._schema):
            self._set_schema(wider)
            raise SourceWidened

    def _split(self, batch: pa.RecordBatch, name: str, row: int) -> Iterator[SourceBatch]:
        for piece in split(_decoded(batch), max_rows=BATCH_ROWS, max_bytes=BATCH_BYTES):
            where = f"{name}, at row {row} or after"
            with unreadable(name, f" from row {row} on"):
                aligned = self._aligned(piece, where)
                rows = self._columns.rows(aligned, file=name, first_row=row)
            yield SourceBatch(file=name, first_row=row, rows=rows)
            row += piece.num_rows

    def _set_schema(self, schema: pa.Schema) -> None:
        self._schema = schema
        self._columns = Columns.choose(
            schema,
            text_column=self._text,
            id_column=self._asked_id,
            name=self._parts[0].name if len(self._parts) == 1 else self.name,
        )

    def _together(self) -> pa.Schema:
        """The columns of all parts."""
        together = pa.schema([])
        for part, schema in zip(self._parts, self._schemas, strict=True):
            together = self._wider(together, schema, part.name)
        return together

    def _wider(self, before: pa.Schema, given: pa.Schema, where: str) -> pa.Schema:
        """The columns of before, and of what is given there."""
        known = {field.name: field.type for field in before}
        for field in given:
            kind = known.get(field.name, pa.null())
            known[field.name] = self._wider_type(kind, field, where)
        wider = pa.schema(list(known.items()))
        return before if wider.equals(before) else wider

    def _wider_type(self, before: pa.DataType, field: pa.Field, where: str) -> pa.DataType:
        try:
            given = plain_type(field.type)
        except CorpusError:
            return field.type  # which is refused where columns are chosen
        if field.name == self._text and is_text(before) and is_text(given):
            return before
        if field.name in self._ids and is_id(before) and is_id(given):
            return given if is_odd_id(given) else before
        wider = widened(before, given)
        if wider is None:
            raise CorpusError(
                f"{where}: column {field.name!r} does not fit: it is {given} here, and {before} "
                "before, and no type holds both without loss. Give it one type everywhere, or "
                "import it as another corpus.",
                source=where,
                column=field.name,
            )
        return wider

    def _aligned(self, batch: pa.RecordBatch, where: str) -> pa.RecordBatch:
        """The batch with exactly the columns of the source; text and ids with types of its own."""
        columns = []
        for field in self._schema:
            at = batch.schema.get_field_index(field.name)
            column = batch.columns[at] if at >= 0 else pa.nulls(batch.num_rows, field.type)
            own = field.name in (self._columns.text, self._columns.id)
            columns.append(column if own else fitting(column, field, where))
        return pa.RecordBatch.from_arrays(columns, names=self._schema.names)


@contextmanager
def unreadable(name: str, place: str = "") -> Iterator[None]:
    """Turn errors of reading a file into a `CorpusError` that names it and the place in it."""
    try:
        yield
    except (pa.ArrowException, OSError, EOFError) as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        reason = "".join(c if c.isprintable() else "\ufffd" for c in lines[0])
        raise CorpusError(f"{name} cannot be read{place}: {reason}", file=name) from error
    except UnicodeError as error:  # texts are checked row by row, names are not
        encoding = getattr(error, "encoding", None)
        if encoding is None or encoding.replace("-", "").lower() != "utf8":
            reason = getattr(error, "reason", str(error))
            raise CorpusError(
                f"{name} is not in the encoding that was said ({reason}). Say with --encoding "
                "which one it has.",
                file=name,
            ) from error
        called = getattr(error, "object", b"")
        raise CorpusError(
            f"{name} has a column whose name is not UTF-8: {called!r}. Rename it, or say "
            "with --encoding which encoding the file has (latin-1, cp1252, utf-16, …).",
            file=name,
        ) from error


def _decoded(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with the values of its dictionaries, whose size its slices can then tell."""
    columns = [c.dictionary_decode() if types.is_dictionary(c.type) else c for c in batch.columns]
    return pa.record_batch(columns, names=batch.schema.names)
