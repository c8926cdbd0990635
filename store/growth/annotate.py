"""Columns that come after the documents: set, and dropped, each by one commit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa

from saelake.store.documents.added import AddedColumn, added_columns, with_added
from saelake.store.documents.annotations import (
    NOWHERE,
    Annotations,
    RowDocuments,
    check_known,
    fitted_values,
    similar_names,
)
from saelake.store.documents.documents import Documents
from saelake.store.errors import Conflict, InvalidInput
from saelake.store.format.lists import Array
from saelake.store.format.schema import RESERVED_COLUMNS
from saelake.store.lake.lake import Lake
from saelake.store.reports import AnnotateReport, DropColumnReport
from saelake.store.tables.changes import Change, Draft
from saelake.store.tables.tables import Table

SCAN_ROWS = 65_536
EXAMPLES = 3  # of rows of no document


def annotate(
    lake: Lake,
    corpus: str,
    rows: pa.Table,
    *,
    about: str | None = None,
    known_only: bool = False,
    replace_imported: bool = False,
) -> AnnotateReport:
    """Set values in columns of a corpus for the documents that rows name, by one commit.

    See `AnnotateCommand`. A column's values are written anew for the fragments that have such a
    document, and nothing else is. Where all is as it should be, nothing is committed. Raises
    `NotFound` for a corpus, and for documents unless `known_only`; `InvalidInput` for values and
    names that no column can have; `Conflict` for a column that came with documents.
    """
    annotations = Annotations(rows)
    setting = _Setting(lake, corpus, annotations, about, known_only, replace_imported)
    Documents.open(lake, corpus)
    Table.open(lake.documents(corpus)).commit(setting.decide)
    return setting.report()


def drop_column(
    lake: Lake, corpus: str, column: str, *, imported: bool = False
) -> DropColumnReport:
    """Take a column out of a corpus, by one commit; earlier states keep it.

    Raises `Conflict` for one that came with documents, unless `imported` says so, and
    `InvalidInput` for one that every corpus has.
    """
    if column in RESERVED_COLUMNS:
        raise InvalidInput(f"Every corpus has the column {column!r}: it stays.", column=column)
    was_there = False

    def decide(snapshot: Table) -> Change | None:
        nonlocal was_there
        if column not in snapshot.schema.names:
            return None
        was_there = True
        added = added_columns(snapshot.schema)
        if not imported and (column not in added or added[column].is_imported):
            raise Conflict(
                f"The column {column!r} of {corpus} came with its documents, and was not added: "
                "say --imported (imported=True) to drop it all the same.",
                column=column,
            )
        left = {name: known for name, known in added.items() if name != column}
        schema = with_added(snapshot.schema, left)
        return Change(evolution=snapshot.without_columns([column], schema))

    Documents.open(lake, corpus)
    Table.open(lake.documents(corpus)).commit(decide)
    return DropColumnReport(corpus=corpus, column=column, was_there=was_there)


@dataclass(slots=True)
class _Setting:
    """Values that are to be set in a corpus, whatever snapshot of it is the newest."""

    lake: Lake
    corpus: str
    annotations: Annotations
    about: str | None
    known_only: bool
    replace_imported: bool
    found: RowDocuments | None = None
    new: tuple[str, ...] = ()

    def decide(self, snapshot: Table) -> Change | None:
        """What a snapshot must become, None where it is so."""
        documents = Documents(self.lake, self.corpus, snapshot)
        self.found = self.annotations.find(documents)
        if not self.known_only:
            check_known(self.corpus, self.annotations, self.found)
        rows = self.found.known
        if not len(rows):
            return None
        fields = [self._field(documents, name) for name in self.annotations.columns]
        values = [
            fitted_values(self.corpus, field.name, self.annotations.values[field.name], field)
            for field in fields
        ]
        new = [field for field in fields if field.name not in snapshot.schema.names]
        self.new = tuple(field.name for field in new)
        put = _Put(snapshot, fields, [v.take(pa.array(rows)) for v in values], self.found.doc[rows])
        written = dict(put.written())
        if not (written or new or self._says_more(snapshot)):
            return None
        schema = pa.schema([*snapshot.schema, *new], metadata=snapshot.schema.metadata)
        schema = with_added(schema, self._described(snapshot))
        names = self.annotations.columns
        return Change(evolution=snapshot.put_columns(schema, names, written))

    def report(self) -> AnnotateReport:
        """What was done."""
        assert self.found is not None
        unknown = np.flatnonzero(self.found.doc == NOWHERE)
        return AnnotateReport(
            corpus=self.corpus,
            columns=tuple(self.annotations.columns),
            new=self.new,
            n_documents=len(self.annotations) - len(unknown),
            n_unknown=len(unknown),
            unknown=tuple(self.annotations.named(unknown[:EXAMPLES])),
        )

    def _field(self, documents: Documents, name: str) -> pa.Field:
        """The column as it is stored, or will be."""
        schema = documents.table.schema
        if name in schema.names:
            self._check_added(schema, name)
            return schema.field(name)
        for other in similar_names(name, schema.names):
            raise InvalidInput(
                f"{self.corpus} has a column {other!r}, which filters would take for {name!r}: "
                "give it another name.",
                column=name,
            )
        kind = self.annotations.values[name].type
        if pa.types.is_null(kind):
            raise InvalidInput(
                f"{self.corpus} has no column {name!r}, and all its values are null: nothing says "
                "of which type it is.",
                column=name,
            )
        return pa.field(name, kind)

    def _check_added(self, schema: pa.Schema, name: str) -> None:
        known = added_columns(schema).get(name)
        if (known is None or known.is_imported) and not self.replace_imported:
            raise Conflict(
                f"The column {name!r} of {self.corpus} came with its documents, so nothing was "
                "changed. Give yours another name, or say --replace-imported "
                "(replace_imported=True) to set values over those.",
                column=name,
            )

    def _says_more(self, snapshot: Table) -> bool:
        known = added_columns(snapshot.schema)
        return any(
            name not in known or (self.about is not None and known[name].about != self.about)
            for name in self.annotations.columns
        )

    def _described(self, snapshot: Table) -> Mapping[str, AddedColumn]:
        known = added_columns(snapshot.schema)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        for name in self.annotations.columns:
            before = known.get(name)
            about = self.about if self.about is not None or before is None else before.about
            was_there = name in snapshot.schema.names and before is None
            is_imported = was_there or (before is not None and before.is_imported)
            known[name] = AddedColumn(changed=now, about=about, is_imported=is_imported)
        return known


@dataclass(frozen=True, slots=True)
class _Put:
    """Values of columns of a snapshot, for `docs`, ascending int64 (n,)."""

    snapshot: Table
    fields: Sequence[pa.Field]
    values: Sequence[pa.Array]
    docs: Array

    def written(self) -> Iterator[tuple[int, Draft]]:
        """For each fragment in which a value changes its id, and its columns as they become."""
        first = 0
        for fragment in self.snapshot.fragments:
            last = first + fragment.n_rows
            if self._changes(fragment.id, first, last):
                batches = (new for _, new in self._batches(fragment.id, first, last))
                yield fragment.id, self.snapshot.write_columns(pa.schema(self.fields), batches)
            first = last

    def _changes(self, fragment: int, first: int, last: int) -> bool:
        begin, end = np.searchsorted(self.docs, [first, last])
        return bool(end > begin) and any(
            not new.equals(old) for old, new in self._batches(fragment, first, last)
        )

    def _batches(
        self, fragment: int, first: int, last: int
    ) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
        """The columns as they are and as they become, some rows at a time."""
        known = [f.name for f in self.fields if f.name in self.snapshot.schema.names]
        if not known:
            for row in range(first, last, SCAN_ROWS):
                yield self._batch(None, row, min(row + SCAN_ROWS, last))
            return
        for batch in self.snapshot.scan(known, fragments=[fragment], batch_rows=SCAN_ROWS):
            yield self._batch(batch, first, first + batch.num_rows)
            first += batch.num_rows

    def _batch(
        self, stored: pa.RecordBatch | None, first: int, last: int
    ) -> tuple[pa.RecordBatch, pa.RecordBatch]:
        begin, end = np.searchsorted(self.docs, [first, last])
        place = np.arange(last - first)
        place[self.docs[begin:end] - first] = np.arange(end - begin) + (last - first)
        schema, old, new = pa.schema(self.fields), [], []
        for field, values in zip(self.fields, self.values, strict=True):
            before = pa.nulls(last - first, field.type)
            if stored is not None and field.name in stored.schema.names:
                before = stored[field.name]
            both = pa.concat_arrays([before, values.slice(begin, end - begin)])
            old.append(before)
            new.append(both.take(pa.array(place)))
        return pa.record_batch(old, schema=schema), pa.record_batch(new, schema=schema)
