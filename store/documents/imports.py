"""From a source of rows to documents: screened, numbered, and visible by one commit."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from saelake.store.arrays.memory import lean, one_arena
from saelake.store.documents.fitting import changes, fitted_schema, fitting
from saelake.store.documents.known import (
    another_document,
    another_place,
    check_on_duplicate,
    differing,
)
from saelake.store.documents.scratch import Scratch, Skip
from saelake.store.documents.screening import INVALID_UTF8, KNOWN_ID, REPEATED_ID, faults
from saelake.store.documents.tombstones import Tombstones
from saelake.store.errors import Conflict, CorpusError, InvalidInput
from saelake.store.format.schema import (
    REPLACES,
    SKIPPED_COLUMNS,
    check_name,
)
from saelake.store.lake.lake import DICTIONARIES, Lake
from saelake.store.reports import ImportReport, OnDuplicate
from saelake.store.tables.changes import Change, Draft, Evolution
from saelake.store.tables.drafts import write_first
from saelake.store.tables.tables import Table

IDS_PER_SCAN = 65_536
EXAMPLES = 3  # of rows that are left out

Progress = Callable[[int], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceBatch:
    """Neighbouring rows of one file of a source, the first of which is the file's `first_row`.

    `rows` has the columns `id` and `text`, both string, and the metadata of the source's schema.
    Its strings need not be valid UTF-8: an import checks.
    """

    file: str
    first_row: int
    rows: pa.RecordBatch


class Source(Protocol):
    """Rows to import: `name` for people, `schema` of the metadata columns, and the rows.

    `generated_ids` says that ids are places in files and not the user's: then the same id with
    another text is a mistake, where the user's own id is only a document that is there already.
    """

    @property
    def name(self) -> str:
        """What people call the source."""

    @property
    def schema(self) -> pa.Schema:
        """The metadata columns."""

    @property
    def generated_ids(self) -> bool:
        """Whether ids were made from file names and row numbers."""

    def batches(self) -> Iterator[SourceBatch]:
        """The rows, in order. Raises `CorpusError` when they cannot be read."""


class SourceWidened(Exception):
    """Rows of a source have wider types than its `schema` said: now it says them. Begin again."""


def import_documents(
    lake: Lake,
    corpus: str,
    source: Source,
    *,
    on_duplicate: OnDuplicate = "skip",
    on_progress: Progress | None = None,
) -> ImportReport:
    """Append the rows of a source to a corpus, all by one commit, and report what was done.

    Documents are numbered on from those that are there; the id of a deleted document is free. Rows
    that cannot be documents (see `screening`) and rows whose id is taken are left out and recorded
    in the lake's table of skipped rows. Importing the same source again therefore adds nothing:
    the report then has 0 documents and every row as skipped, and the lake is as before. A killed
    import leaves nothing visible. `on_progress` is told the number of rows read so far, maybe in
    another thread; the count begins again if types turn out to be wider than they seemed.

    Columns become wider, or more, as `fitting` says, by the same commit. `on_duplicate` says what
    becomes of a row whose id the corpus has, with another text or other metadata: `skip` leaves
    it out and counts it, `update` lets it replace the document, with a new number, and `fail`
    refuses the source. A row that is as the document is left out by all three.

    Raises `CorpusError` if rows cannot be read, do not fit the corpus's columns, or if none of
    them can be a document; `Conflict` if another import into the corpus finished meanwhile.
    """
    check_corpus_name(corpus)
    check_on_duplicate(on_duplicate)
    one_arena()
    while True:
        try:
            return _import(lake, corpus, source, on_duplicate, on_progress or _silent)
        except SourceWidened:
            continue


def _import(
    lake: Lake, corpus: str, source: Source, on_duplicate: OnDuplicate, on_progress: Progress
) -> ImportReport:
    table = Table.find(lake.documents(corpus))
    # Importing 800 MiB of Parquet, the process grew by 60 to 290 MiB; lean, always by 56.
    with lean(), Scratch() as scratch:
        deleted = Tombstones(lake.deleted(corpus), table).docs
        run = _Import(corpus, source, table, deleted, scratch, on_duplicate, on_progress)
        draft = run.write(lake.documents(corpus))
        report = run.report()
        if report.n_documents:
            _commit(lake, run, draft)
        elif KNOWN_ID not in report.reasons:
            raise CorpusError(_nothing_to_import(source, report), source=source.name)
    return report


class _Import:
    """One pass over a source, and the documents that it makes for a snapshot of a corpus."""

    def __init__(
        self,
        corpus: str,
        source: Source,
        table: Table | None,
        deleted: npt.NDArray[np.uint64],
        scratch: Scratch,
        on_duplicate: OnDuplicate,
        on_progress: Progress,
    ) -> None:
        self.corpus = corpus
        self.source = source
        self.table = table
        self.deleted = deleted
        self.scratch = scratch
        self.on_duplicate = on_duplicate
        self.on_progress = on_progress
        self.first_doc = table.n_rows if table else 0
        self.schema = fitted_schema(
            corpus,
            source.name,
            source.schema,
            table.schema if table else None,
            replaces=on_duplicate == "update",
        )
        self.evolution: Evolution | None = None
        self.reasons: Counter[str] = Counter()
        self._n_read = 0
        self._n_documents = 0
        self._n_updated = 0
        self._n_changed = 0
        self._examples: list[str] = []
        self._failure: Exception | None = None

    def report(self) -> ImportReport:
        """What was done so far."""
        stored = self.table.schema if self.table else None
        notes = changes(self.corpus, stored, self.schema) if self._n_documents else ()
        return ImportReport(
            corpus=self.corpus,
            n_documents=self._n_documents,
            n_skipped=self.reasons.total(),
            reasons=dict(self.reasons),
            first_doc=self.first_doc,
            n_updated=self._n_updated,
            n_changed=self._n_changed,
            examples=tuple(self._examples),
            notes=tuple(notes),
        )

    def write(self, uri: str) -> Draft:
        """Write the source's documents to files that nobody sees yet."""
        self._claim_known_ids()
        try:
            if self.table is None:
                return write_first(uri, self.schema, self._documents())
            if self.table.schema.equals(self.schema):
                return self.table.write(self._documents())
            self.evolution = self.evolved(self.table)
            return self.table.write_evolved(self.evolution, self._documents())
        except Exception:
            if self._failure is None:
                raise
            raise self._failure from None  # Lance would report it as an error of its own

    def evolved(self, table: Table) -> Evolution:
        """What a snapshot becomes with the columns of this import."""

        def convert(column: pa.Array, field: pa.Field) -> pa.Array:
            return fitting(column, field, self.corpus)

        return table.evolve(self.schema, convert)

    def check_unmoved(self, snapshot: Table | None) -> None:
        """Raise `Conflict` unless a snapshot is as the documents were numbered for."""
        n_rows = snapshot.n_rows if snapshot else 0
        if n_rows != self.first_doc or not (snapshot is None or self._fits(snapshot)):
            raise Conflict(
                f"Another import into {self.corpus} finished first, so nothing was imported from "
                f"{self.source.name}. Run the same command again.",
                corpus=self.corpus,
            )

    def _fits(self, snapshot: Table) -> bool:
        """Whether the rows that were written have a snapshot's columns.

        Columns that came meanwhile are null in them, if it is told apart which those are: not
        where this import itself brings columns, nor where it would have brought theirs.
        """
        if self.table is None or self.evolution is not None:
            columns = self.table.schema if self.table else self.schema
            return bool(snapshot.schema.equals(columns))
        numbers, schema = snapshot.column_numbers, snapshot.schema
        kept = all(
            numbers.get(name) == number and schema.field(name).type.equals(self._type(name))
            for name, number in self.table.column_numbers.items()
        )
        came = {*numbers} - {*self.table.column_numbers}
        return kept and not came & {*self.source.schema.names} and REPLACES not in came

    def _type(self, name: str) -> pa.DataType:
        return self.schema.field(name).type

    def _claim_known_ids(self) -> None:
        if self.table is None:
            return
        first = 0
        for batch in self.table.scan(["id"], batch_rows=IDS_PER_SCAN):
            docs = np.arange(first, first + batch.num_rows)
            kept = docs[~np.isin(docs, self.deleted)]
            ids = batch["id"].take(pa.array(kept - first)).to_pylist()
            self.scratch.claim(ids, kept.tolist())
            first += batch.num_rows

    def _documents(self) -> Iterator[pa.RecordBatch]:
        try:
            for batch in self.source.batches():
                rows, replaced = self._accept(batch)
                if rows.num_rows:
                    yield self._number(rows, replaced)
                self._n_read += batch.rows.num_rows
                self.on_progress(self._n_read)
        except Exception as error:
            self._failure = error
            raise

    def _accept(self, batch: SourceBatch) -> tuple[pa.RecordBatch, pa.Array]:
        """The rows of a batch that become documents, and which documents these replace.

        The other rows are recorded.
        """
        reasons = faults(batch.rows)
        sound = np.flatnonzero(reasons == "")
        rows = self._fitting(batch, sound)
        first = self.first_doc + self._n_read
        claimants = (sound + first).tolist()
        owners = self.scratch.claim(rows["id"].to_pylist(), claimants)
        taken = np.flatnonzero(np.array(owners, np.int64) != claimants)
        known = [i for i in taken.tolist() if owners[i] < self.first_doc]
        reasons[sound[taken]] = REPEATED_ID
        reasons[sound[known]] = KNOWN_ID
        replaced = np.full(len(sound), -1, np.int64)
        for i, doc in self._changed(batch, rows, sound, {i: owners[i] for i in known}):
            replaced[i] = doc
            reasons[sound[i]] = ""
        self._record(batch, reasons)
        accepted = np.flatnonzero(reasons[sound] == "")
        docs = replaced[accepted]
        return rows.take(accepted), pa.array(docs, pa.int64(), mask=docs < 0)

    def _fitting(self, batch: SourceBatch, sound: npt.NDArray[np.int64]) -> pa.RecordBatch:
        """These rows of a batch, with the corpus's types."""
        rows = batch.rows.take(sound)
        where = f"{batch.file}, at row {batch.first_row} or after"
        fields = [field for field in self.schema if field.name in rows.schema.names]
        columns = [fitting(rows[field.name], field, where) for field in fields]
        return pa.record_batch(columns, schema=pa.schema(fields))

    def _changed(
        self,
        batch: SourceBatch,
        rows: pa.RecordBatch,
        sound: npt.NDArray[np.int64],
        known: Mapping[int, int],
    ) -> Iterator[tuple[int, int]]:
        """Of rows with known ids those that replace a document, and which; each id once.

        `known` has the numbers of the rows, and who owns their ids: a document, or one that this
        source had before, as -1 - its number.
        """
        names = rows["id"].take(pa.array(list(known), pa.int64())).to_pylist()
        once = {name: i for i, name in reversed(list(zip(known, names, strict=True)))}
        fresh = sorted(i for i in once.values() if known[i] >= 0)
        if self.table is None or not fresh:
            return
        docs = [known[i] for i in fresh]
        chosen = rows.take(pa.array(fresh))
        self.scratch.own(chosen["id"].to_pylist(), [-1 - doc for doc in docs])
        differ = np.flatnonzero(differing(self.table, docs, chosen)).tolist()
        if differ and self.on_duplicate != "update":
            first = batch.first_row + int(sound[fresh[differ[0]]])
            self._check_same(batch.file, first, chosen["id"][differ[0]].as_py())
            self._n_changed += len(differ)
        if self.on_duplicate == "update":
            self._n_updated += len(differ)
            yield from ((fresh[j], docs[j]) for j in differ)

    def _record(self, batch: SourceBatch, reasons: npt.NDArray[np.object_]) -> None:
        left_out = np.flatnonzero(reasons != "")
        if not len(left_out):
            return
        rows = (left_out + batch.first_row).tolist()
        ids = batch.rows["id"].take(left_out).cast(pa.binary()).to_pylist()
        named = [name if name is None else name.decode(errors="replace") for name in ids]
        causes = reasons[left_out].tolist()
        self.scratch.skip(map(Skip, [batch.file] * len(rows), rows, named, causes))
        self.reasons.update(causes)
        for row, cause in zip(rows, causes, strict=True):
            if len(self._examples) < EXAMPLES and cause != KNOWN_ID:
                self._examples.append(f"{batch.file}, row {row}: {cause}")

    def _check_same(self, file: str, row: int, document_id: str) -> None:
        """Refuse the known id of another document: if that is asked for, or if ids are places."""
        if self.on_duplicate == "fail":
            raise another_document(self.corpus, file, row, document_id)
        if self.source.generated_ids:
            raise another_place(self.corpus, file, row)

    def _number(self, rows: pa.RecordBatch, replaced: pa.Array) -> pa.RecordBatch:
        """The rows as the corpus stores them."""
        first = self.first_doc + self._n_documents
        doc = pa.array(np.arange(first, first + rows.num_rows, dtype=np.uint64))
        self._n_documents += rows.num_rows
        present = {name: rows[name] for name in rows.schema.names}
        present.update({"doc": doc, REPLACES: replaced.cast(pa.uint64())})
        columns = [
            present.get(field.name, pa.nulls(rows.num_rows, field.type)) for field in self.schema
        ]
        return pa.record_batch(columns, schema=self.schema)


def _commit(lake: Lake, run: _Import, draft: Draft) -> None:
    """Make an import visible: first the record of its skips, then its documents.

    A kill in between leaves records whose `first_doc` is not a document's number: readers pass
    over them, and the next import takes them out.
    """
    uri = lake.documents(run.corpus)
    run.check_unmoved(Table.find(uri))
    _commit_skips(lake.skipped(run.corpus), run)

    def decide(snapshot: Table) -> Change:
        run.check_unmoved(snapshot)
        if (evolution := run.evolution) is not None and snapshot.version != evolution.version:
            evolution = run.evolved(snapshot)
        return Change(add=draft, evolution=evolution)

    Table.open_or_create(uri, run.schema).commit(decide)


def _commit_skips(uri: str, run: _Import) -> None:
    table = Table.open_or_create(uri, SKIPPED_COLUMNS) if run.reasons else Table.find(uri)
    if table is None:
        return
    draft = table.write(run.scratch.skipped(run.first_doc))

    def decide(snapshot: Table) -> Change | None:
        stale = tuple(_stale_fragments(snapshot, run.first_doc))
        return Change(add=draft, remove=stale) if draft.fragments or stale else None

    table.commit(decide)


def _stale_fragments(skipped: Table, first_doc: int) -> Iterator[int]:
    """Fragments recorded by imports that began at this document or later, and so never ended."""
    for fragment in skipped.fragments:
        batch = next(skipped.scan(["first_doc"], fragments=[fragment.id], batch_rows=1))
        if batch["first_doc"][0].as_py() >= first_doc:
            yield fragment.id


def _nothing_to_import(source: Source, report: ImportReport) -> str:
    if not report.reasons:
        return f"{source.name} has no rows, so there is nothing to import."
    counts = ", ".join(f"{n} × {reason}" for reason, n in sorted(report.reasons.items()))
    hint = ""
    if INVALID_UTF8 in report.reasons:
        hint = " If it is a file of another encoding than UTF-8, say so with --encoding."
    return f"No row of {source.name} can be a document: {counts}.{hint}"


def check_corpus_name(corpus: str) -> None:
    """Raise `InvalidInput` for what no corpus can be called."""
    if check_name("corpus", corpus) == DICTIONARIES:
        raise InvalidInput(f"A corpus cannot be called {corpus!r}: a table of the lake is.")


def _silent(_: int) -> None:
    """Progress that nobody watches."""
