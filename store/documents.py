"""The documents of a corpus: what they are, and how they come in (`import_documents`)."""

import difflib
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from saelake.store.batches import split
from saelake.store.errors import NotFound
from saelake.store.importing import ImportReport, Source, SourceBatch, import_documents
from saelake.store.lake import Lake
from saelake.store.schema import RESERVED_COLUMNS
from saelake.store.tables import Table

__all__ = ["Documents", "ImportReport", "Source", "SourceBatch", "import_documents"]

TEXT_BATCH_BYTES = 8 << 20
FIRST_TEXT_ROWS = 16
IDS_TO_SUGGEST_FROM = 10_000


class Documents:
    """A snapshot of a corpus's documents; a document's number is its row of the table."""

    def __init__(self, lake: Lake, corpus: str, table: Table) -> None:
        self.corpus = corpus
        self.table = table
        self._lake = lake

    @classmethod
    def open(cls, lake: Lake, corpus: str) -> "Documents":
        """The newest snapshot. Raises `NotFound`, also for a corpus that has no documents."""
        try:
            table = Table.open(lake.documents(corpus))
        except NotFound:
            table = None
        if table is None or table.n_rows == 0:
            raise NotFound(
                f"There is no corpus {corpus!r} in {lake.uri}. Import one with `saelake import "
                f"FILE --lake {lake.uri} --corpus {corpus}`.",
                corpus=corpus,
            )
        return cls(lake, corpus, table)

    @property
    def n_documents(self) -> int:
        """How many documents there are; they are numbered from 0."""
        return self.table.n_rows

    @cached_property
    def metadata_columns(self) -> list[str]:
        """The names of the user's metadata columns, in their order."""
        return [name for name in self.table.schema.names if name not in RESERVED_COLUMNS]

    @cached_property
    def n_skipped(self) -> int:
        """How many rows the imports of these documents left out."""
        try:
            skipped = Table.open(self._lake.skipped(self.corpus))
        except NotFound:
            return 0
        # Records at a later number are of an import that was killed before its documents came.
        committed = f"first_doc < {self.n_documents}"
        return sum(batch.num_rows for batch in skipped.scan(["first_doc"], where=committed))

    def take(self, docs: npt.NDArray[np.uint64], columns: Sequence[str]) -> pa.Table:
        """`columns` of these documents, in the order asked for. Raises `NotFound`."""
        if len(docs) and int(docs.max()) >= self.n_documents:
            raise NotFound(
                f"{self.corpus} has no document {docs.max()}: its {self.n_documents} documents "
                "are numbered from 0.",
                doc=docs.max(),
            )
        return self.table.take(docs.tolist(), columns)

    def scan_texts(
        self, start: int, stop: int, *, batch_rows: int = 256
    ) -> Iterator[pa.RecordBatch]:
        """`doc`, `id` and `text` of the documents in [start, stop), in order.

        A batch has at most `batch_rows` documents and 8 MiB, or one longer document. What is read
        at once is planned from the sizes just seen, and is never more than `batch_rows`.
        """
        n_rows = FIRST_TEXT_ROWS
        while start < stop:
            docs = np.arange(start, min(start + n_rows, stop), dtype=np.uint64)
            (batch,) = self.take(docs, ["doc", "id", "text"]).combine_chunks().to_batches()
            yield from split(batch, max_rows=batch_rows, max_bytes=TEXT_BATCH_BYTES)
            start += len(docs)
            affordable = max(TEXT_BATCH_BYTES * len(docs) // batch.nbytes, 1)
            n_rows = min(affordable, 2 * n_rows, batch_rows)

    def find(self, document_id: str) -> int:
        """The number of the document with this id, which is the user's. Raises `NotFound`."""
        quoted = document_id.replace("'", "''")
        for batch in self.table.scan(["doc"], where=f"id = '{quoted}'"):
            if batch.num_rows:
                return int(batch["doc"][0].as_py())
        raise NotFound(
            f"{self.corpus} has no document {document_id!r}. {self._suggestion(document_id)}",
            id=document_id,
        )

    def _suggestion(self, document_id: str) -> str:
        first = np.arange(min(self.n_documents, IDS_TO_SUGGEST_FROM), dtype=np.uint64)
        ids = self.take(first, ["id"])["id"].to_pylist()
        close = difflib.get_close_matches(document_id, ids, n=3)
        if close:
            return f"Did you mean {' or '.join(map(repr, close))}?"
        return f"Its ids look like {', '.join(map(repr, ids[:3]))}."
