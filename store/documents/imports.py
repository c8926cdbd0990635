"""From a source of rows to documents: screened, numbered, and visible by one commit."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from saelake.store.arrays.memory import lean, one_arena
from saelake.store.documents.scratch import Scratch, Skip
from saelake.store.documents.screening import KNOWN_ID, REPEATED_ID, faults
from saelake.store.documents.tombstones import Tombstones
from saelake.store.errors import Conflict, CorpusError, InvalidInput
from saelake.store.format.schema import (
    RESERVED_COLUMNS,
    SKIPPED_COLUMNS,
    check_name,
    documents_schema,
)
from saelake.store.lake.lake import DICTIONARIES, Lake
from saelake.store.reports import ImportReport
from saelake.store.tables.changes import Change, Draft
from saelake.store.tables.tables import Table, write_first

IDS_PER_SCAN = 65_536

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


def import_documents(
    lake: Lake, corpus: str, source: Source, *, on_progress: Progress | None = None
) -> ImportReport:
    """Append the rows of a source to a corpus, all by one commit, and report what was done.

    Documents are numbered on from those that are there; the id of a deleted document is free. Rows
    that cannot be documents (see `screening`) and rows whose id is taken are left out and recorded
    in the lake's table of skipped rows. Importing the same source again therefore adds nothing:
    the report then has 0 documents and every row as skipped, and the lake is as before. A killed
    import leaves nothing visible. `on_progress` is told the number of rows read so far, maybe in
    another thread.

    Raises `CorpusError` if rows cannot be read, do not have the corpus's columns, or if none of
    them can be a document; `Conflict` if another import into the corpus finished meanwhile.
    """
    _check_corpus_name(corpus)
    one_arena()
    table = Table.find(lake.documents(corpus))
    # Importing 800 MiB of Parquet, the process grew by 60 to 290 MiB; lean, always by 56.
    with lean(), Scratch() as scratch:
        deleted = Tombstones(lake.deleted(corpus)).docs
        run = _Import(corpus, source, table, deleted, scratch, on_progress or _silent)
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
        on_progress: Progress,
    ) -> None:
        self.corpus = corpus
        self.source = source
        self.table = table
        self.deleted = deleted
        self.scratch = scratch
        self.on_progress = on_progress
        self.first_doc = table.n_rows if table else 0
        self.schema = _schema(corpus, source, table)
        self.reasons: Counter[str] = Counter()
        self._n_read = 0
        self._n_documents = 0
        self._failure: Exception | None = None

    def report(self) -> ImportReport:
        """What was done so far."""
        return ImportReport(
            corpus=self.corpus,
            n_documents=self._n_documents,
            n_skipped=self.reasons.total(),
            reasons=dict(self.reasons),
            first_doc=self.first_doc,
        )

    def write(self, uri: str) -> Draft:
        """Write the source's documents to files that nobody sees yet."""
        self._claim_known_ids()
        try:
            if self.table is None:
                return write_first(uri, self.schema, self._documents())
            return self.table.write(self._documents())
        except Exception:
            if self._failure is None:
                raise
            raise self._failure from None  # Lance would report it as an error of its own

    def check_unmoved(self, snapshot: Table | None) -> None:
        """Raise `Conflict` unless a snapshot is as the documents were numbered for."""
        n_rows = snapshot.n_rows if snapshot else 0
        same_columns = snapshot is None or snapshot.schema.equals(self.schema)
        if n_rows != self.first_doc or not same_columns:
            raise Conflict(
                f"Another import into {self.corpus} finished first, so nothing was imported from "
                f"{self.source.name}. Run the same command again.",
                corpus=self.corpus,
            )

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
                accepted = self._accept(batch)
                if len(accepted):
                    yield self._number(batch.rows.take(accepted))
                self._n_read += batch.rows.num_rows
                self.on_progress(self._n_read)
        except Exception as error:
            self._failure = error
            raise

    def _accept(self, batch: SourceBatch) -> npt.NDArray[np.int64]:
        """The rows of a batch that become documents; the others are recorded."""
        reasons = faults(batch.rows)
        sound = np.flatnonzero(reasons == "")
        first = self.first_doc + self._n_read
        claimants = (sound + first).tolist()
        owners = self.scratch.claim(batch.rows["id"].take(sound).to_pylist(), claimants)
        taken = np.flatnonzero(np.array(owners, np.int64) != claimants)
        known = [i for i in taken.tolist() if owners[i] < self.first_doc]
        reasons[sound[taken]] = REPEATED_ID
        reasons[sound[known]] = KNOWN_ID
        if self.source.generated_ids:
            self._check_same_texts(batch, sound[known], [owners[i] for i in known])
        self._record(batch, reasons)
        return np.flatnonzero(reasons == "")

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

    def _check_same_texts(
        self, batch: SourceBatch, rows: npt.NDArray[np.int64], docs: Sequence[int]
    ) -> None:
        if self.table is None or not len(rows):
            return
        stored = self.table.take(docs, ["text"])["text"].combine_chunks()
        differ = np.flatnonzero(np.asarray(pc.not_equal(stored, batch.rows["text"].take(rows))))
        if len(differ):
            row = batch.first_row + int(rows[differ[0]])
            raise CorpusError(
                f"{batch.file}, row {row}: the corpus {self.corpus} has another text for this row "
                "of a file of this name. Name a column of unique ids (--id-column), or import "
                "the file under another name or into another corpus.",
                file=batch.file,
                row=row,
            )

    def _number(self, rows: pa.RecordBatch) -> pa.RecordBatch:
        """The rows as the corpus stores them."""
        first = self.first_doc + self._n_documents
        doc = pa.array(np.arange(first, first + rows.num_rows, dtype=np.uint64))
        self._n_documents += rows.num_rows
        present = set(rows.schema.names)
        columns = [
            doc
            if field.name == "doc"
            else rows[field.name].cast(field.type)
            if field.name in present
            else pa.nulls(rows.num_rows, field.type)
            for field in self.schema
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
        return Change(add=draft)

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


def _schema(corpus: str, source: Source, table: Table | None) -> pa.Schema:
    """The columns of the documents to write. Raises `CorpusError` if they do not fit the corpus."""
    if table is None:
        return documents_schema(source.schema)
    stored = {f.name: f.type for f in table.schema if f.name not in RESERVED_COLUMNS}
    for field in source.schema:
        if field.name not in stored:
            problem = f"which {corpus} does not have (it has {_listed(stored)})"
        elif field.type != stored[field.name] and not pa.types.is_null(field.type):
            problem = f"of type {field.type}, which is {stored[field.name]} in {corpus}"
        else:
            continue
        raise CorpusError(
            f"{source.name} has a column {field.name!r} {problem}. Change the file to match, or "
            "import it as another corpus.",
            source=source.name,
            column=field.name,
        )
    return table.schema


def _nothing_to_import(source: Source, report: ImportReport) -> str:
    if not report.reasons:
        return f"{source.name} has no rows, so there is nothing to import."
    counts = ", ".join(f"{n} × {reason}" for reason, n in sorted(report.reasons.items()))
    return f"No row of {source.name} can be a document: {counts}."


def _check_corpus_name(corpus: str) -> None:
    if check_name("corpus", corpus) == DICTIONARIES:
        raise InvalidInput(f"A corpus cannot be called {corpus!r}: a table of the lake is.")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "no metadata"


def _silent(_: int) -> None:
    """Progress that nobody watches."""
