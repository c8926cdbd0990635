"""Tombstones: which documents of a corpus are deleted, or replaced."""

from collections.abc import Hashable, Sequence

import numpy as np
import pyarrow as pa

from saelake.store.format.lists import Array, concatenate
from saelake.store.format.schema import DELETED_COLUMNS, REPLACES
from saelake.store.tables.tables import Table

SCAN_ROWS = 65_536


class Tombstones:
    """A snapshot of the documents of a corpus that are deleted, or replaced by later ones.

    Such a document keeps its number, which is its row; every question leaves it out. Open
    this after the documents, so that none that was deleted before them is shown. A document that
    replaces another says so itself, in the column `REPLACES`: both come and go by one commit.
    """

    def __init__(self, uri: str, documents: Table | None = None) -> None:
        self._uri = uri
        self.table = Table.find(uri)
        deleted = deleted_docs(self.table) if self.table else np.empty(0, np.uint64)
        replaced = replaced_docs(documents) if documents else np.empty(0, np.uint64)
        self.docs = np.union1d(deleted, replaced)
        self._n_replaced = len(replaced)

    @property
    def key(self) -> Hashable:
        """What tells these from earlier and later ones of the corpus."""
        return self.table and self.table.key, self._n_replaced

    @property
    def is_current(self) -> bool:
        """Whether nothing was deleted since this snapshot."""
        if self.table is None:
            return Table.find(self._uri) is None
        return self.table.latest() is self.table

    def alive(self, n_documents: int) -> Array | None:
        """Which of the first documents are not deleted, bool (n_documents,); None if all are."""
        gone = self.docs[self.docs < n_documents]
        if len(gone) == 0:
            return None
        mask = np.ones(n_documents, np.bool_)
        mask[gone] = False
        return mask


def replaced_docs(documents: Table) -> Array:
    """The documents that later ones of a snapshot replace, ascending, uint64 (n,)."""
    if REPLACES not in documents.schema.names:
        return np.empty(0, np.uint64)
    batches = documents.scan([REPLACES], batch_rows=SCAN_ROWS)
    found = (np.asarray(batch[REPLACES].drop_null()) for batch in batches)
    return np.unique(concatenate(found, np.uint64))


def deleted_docs(table: Table) -> Array:
    """The documents in a snapshot of the tombstones, ascending, uint64 (n,)."""
    batches = table.scan(["doc"], batch_rows=SCAN_ROWS)
    return np.unique(concatenate((np.asarray(batch["doc"]) for batch in batches), np.uint64))


def tombstones(docs: Sequence[int] | Array) -> pa.RecordBatch:
    """Documents as rows of the table."""
    return pa.record_batch([pa.array(docs, pa.uint64())], schema=DELETED_COLUMNS)
