"""The documents of a corpus: what they are, and how they come in (`import_documents`)."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from saelake.store.arrays.batches import split
from saelake.store.arrays.cache import Cache
from saelake.store.documents.filters import FilterCache
from saelake.store.documents.imports import Source, SourceBatch, import_documents
from saelake.store.documents.shown import HELD_BYTES, ShownColumns
from saelake.store.documents.tombstones import Tombstones
from saelake.store.errors import NotFound
from saelake.store.format.schema import RESERVED_COLUMNS, is_name
from saelake.store.lake.lake import Lake
from saelake.store.reports import ImportReport
from saelake.store.tables.tables import Table

__all__ = ["Documents", "ImportReport", "Source", "SourceBatch", "import_documents"]

TEXT_BATCH_BYTES = 8 << 20
FIRST_TEXT_ROWS = 16
IDS_TO_SUGGEST_FROM = 10_000


class Documents:
    """A snapshot of a corpus's documents; a document's number is its row of the table.

    `alive` tells which are not deleted, bool (n_documents,); it is None while none is.
    """

    def __init__(self, lake: Lake, corpus: str, table: Table, cache: Cache | None = None) -> None:
        self.corpus = corpus
        self.table = table
        self._lake = lake
        self.tombstones = Tombstones(lake.deleted(corpus), table)
        self.alive = self.tombstones.alive(table.n_rows)
        cache = cache or Cache(HELD_BYTES)
        self._shown = ShownColumns(table, ["id", *self.metadata_columns, "text"], cache=cache)
        self.filters = FilterCache(
            table, self.alive, cache=cache, columns=self._shown, deleted=self.tombstones.key
        )

    @classmethod
    def open(cls, lake: Lake, corpus: str, cache: Cache | None = None) -> "Documents":
        """The newest snapshot. Raises `NotFound`, also for a corpus that has no documents.

        What is read of it is kept in the cache, or else in one of its own.
        """
        table = Table.find(lake.documents(corpus)) if is_name(corpus) else None
        if table is None or table.n_rows == 0:
            raise NotFound(
                f"There is no corpus {corpus!r} in {lake.place}. Import one with `saelake import "
                f"FILE --lake {lake.uri} --corpus {corpus}`.",
                corpus=corpus,
            )
        return cls(lake, corpus, table, cache)

    @property
    def n_documents(self) -> int:
        """How many documents were imported; they are numbered from 0."""
        return self.table.n_rows

    @property
    def n_deleted(self) -> int:
        """How many of them are deleted."""
        return 0 if self.alive is None else int((~self.alive).sum())

    @property
    def is_current(self) -> bool:
        """Whether nothing was imported or deleted since this snapshot."""
        return all(check() for check in self.checks)

    @property
    def checks(self) -> list[Callable[[], bool]]:
        """What `is_current` asks: each one a question to the store, and none waits for another."""
        return [lambda: self.table.latest() is self.table, lambda: self.tombstones.is_current]

    def is_alive(self, doc: int) -> bool:
        """Whether the document of this number is not deleted."""
        return self.alive is None or bool(self.alive[doc])

    def check(self, docs: Iterable[int]) -> None:
        """Raise `NotFound` for a number that no document has, or one that is deleted."""
        for doc in docs:
            self._check_number(doc)
            if not self.is_alive(doc):
                raise NotFound(f"Document {doc} of {self.corpus} was deleted.", doc=doc)

    def _check_number(self, doc: int) -> None:
        if not 0 <= doc < self.n_documents:
            raise NotFound(
                f"{self.corpus} has no document {doc}: its {self.n_documents} documents are "
                "numbered from 0.",
                doc=doc,
            )

    @cached_property
    def metadata_columns(self) -> list[str]:
        """The names of the user's metadata columns, in their order."""
        return [name for name in self.table.schema.names if name not in RESERVED_COLUMNS]

    @cached_property
    def metadata_type(self) -> pa.StructType:
        """The user's metadata columns as one struct, with their types."""
        return pa.struct([self.table.schema.field(name) for name in self.metadata_columns])

    @cached_property
    def n_skipped(self) -> int:
        """How many rows the imports of these documents left out."""
        skipped = Table.find(self._lake.skipped(self.corpus))
        if skipped is None:
            return 0
        # Records at a later number are of an import that was killed before its documents came.
        committed = f"first_doc < {self.n_documents}"
        return sum(batch.num_rows for batch in skipped.scan(["first_doc"], where=committed))

    def take(self, docs: npt.NDArray[np.uint64], columns: Sequence[str]) -> pa.Table:
        """`columns` of these documents, deleted or not, in the order asked for.

        Raises `NotFound` for a number that no document has.
        """
        if len(docs):
            self._check_number(int(docs.max()))
        return self._shown.take(docs, columns)

    def arrays(self, docs: npt.NDArray[np.uint64], columns: Sequence[str]) -> list[pa.Array]:
        """What `take` gives, column by column."""
        if len(docs):
            self._check_number(int(docs.max()))
        return self._shown.arrays(docs, columns)

    def scan_texts(
        self, start: int, stop: int, *, batch_rows: int = 256
    ) -> Iterator[pa.RecordBatch]:
        """`doc`, `id` and `text` of the documents in [start, stop), in order.

        A deleted document's text is empty: nothing of it goes to a model any more. A batch has at
        most `batch_rows` documents and 8 MiB, or one longer document. What is read at once is
        planned from the sizes just seen, and is never more than `batch_rows`.
        """
        n_rows = FIRST_TEXT_ROWS
        while start < stop:
            docs = np.arange(start, min(start + n_rows, stop), dtype=np.uint64)
            rows = self.table.take(docs.tolist(), ["doc", "id", "text"])
            (batch,) = rows.combine_chunks().to_batches()
            yield from split(
                self._without_deleted(batch), max_rows=batch_rows, max_bytes=TEXT_BATCH_BYTES
            )
            start += len(docs)
            affordable = max(TEXT_BATCH_BYTES * len(docs) // batch.nbytes, 1)
            n_rows = min(affordable, 2 * n_rows, batch_rows)

    def _without_deleted(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch, with empty texts where documents are deleted."""
        if self.alive is None:
            return batch
        kept = pa.array(self.alive[np.asarray(batch["doc"])])
        text = pc.if_else(kept, batch["text"], "")
        return batch.set_column(batch.schema.get_field_index("text"), "text", text)

    def find(self, document_id: str) -> int:
        """The number of the document with this id, which is the user's. Raises `NotFound`."""
        quoted = document_id.replace("'", "''")
        for batch in self.table.scan(["doc"], where=f"id = '{quoted}'"):
            for doc in batch["doc"].to_pylist():
                if self.is_alive(doc):
                    return int(doc)
        raise NotFound(
            f"{self.corpus} has no document {document_id!r}. {self._suggestion(document_id)}",
            id=document_id,
        )

    def _suggestion(self, document_id: str) -> str:
        first = np.arange(min(self.n_documents, IDS_TO_SUGGEST_FROM), dtype=np.uint64)
        first = first if self.alive is None else first[self.alive[first]]
        ids = self.take(first, ["id"])["id"].to_pylist()
        close = difflib.get_close_matches(document_id, ids, n=3)
        if close:
            return f"Did you mean {' or '.join(map(repr, close))}?"
        if not ids:
            return "Its documents were deleted."
        return f"Its ids look like {', '.join(map(repr, ids[:3]))}."
