"""The documents of a corpus, whole or a sample; a corpus need not be encoded for it."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from saelake.store.documents.documents import Documents
from saelake.store.format.lists import Array
from saelake.store.format.sampling import smallest
from saelake.store.query.parts.hits import metadata_column, with_metadata
from saelake.store.query.parts.said import metadata
from saelake.store.requests.texts import TextsQuery
from saelake.store.snapshot.session import Session

BATCH_ROWS = 256


def texts(session: Session, query: TextsQuery) -> pa.RecordBatchReader:
    """One row for each document, by number.

    The schema's metadata says n_selected, of which a sample was drawn, and n_documents (that there
    are). Raises `NotFound` for a corpus, and `InvalidFilter`.
    """
    documents = Documents.open(session.lake, query.corpus, session.cache)
    selected = _selected(documents, query)
    chosen = selected if query.sample is None else smallest(selected, query.sample, query.seed)
    said = metadata(
        n_selected=len(selected), n_documents=documents.n_documents - documents.n_deleted
    )
    schema = with_metadata(TextsQuery.answer, documents).with_metadata(said)
    return pa.RecordBatchReader.from_batches(schema, _batches(documents, chosen, schema))


def _selected(documents: Documents, query: TextsQuery) -> Array:
    mask = documents.filters.mask(query.where)
    chosen: Array = np.arange(documents.n_documents) if mask is None else np.flatnonzero(mask)
    return chosen.astype(np.uint64)


def _batches(documents: Documents, docs: Array, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    columns = ["id", "text", *documents.metadata_columns]
    for first in range(0, len(docs), BATCH_ROWS):
        some = docs[first : first + BATCH_ROWS]
        rows = documents.take(some, columns)
        arrays = [
            pa.array(some),
            rows["id"].combine_chunks(),
            rows["text"].combine_chunks(),
            metadata_column(rows, documents),
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
