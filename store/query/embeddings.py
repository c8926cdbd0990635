"""The SAE embeddings of a selection."""

from collections.abc import Iterator

import pyarrow as pa

from saelake.store.codes.embeddings import take
from saelake.store.format.lists import Lists
from saelake.store.query.parts.documents import encoded_documents
from saelake.store.requests.embeddings import EmbeddingsQuery
from saelake.store.snapshot.session import Session


def embeddings(session: Session, query: EmbeddingsQuery) -> pa.RecordBatchReader:
    """One row for each encoded document: its poles, ascending, and the pooled value of each.

    Of negative poles the values are below 0.
    """
    collection = session.collection(query.collection)
    poles = collection.settings.poles
    mask = collection.filters.mask(query.where)
    answer = EmbeddingsQuery.answer

    def batches() -> Iterator[pa.RecordBatch]:
        for docs in encoded_documents(collection, mask):
            block = take(collection.codes, docs, query.pooling)
            values = block.values * poles.signs(block.features)
            ids = collection.documents.take(block.doc, ["id"])["id"].combine_chunks()
            arrays = [
                ids,
                pa.array(block.doc),
                Lists(block.offsets, block.features).to_arrow(answer.field("features").type),
                Lists(block.offsets, values).to_arrow(answer.field("max").type),
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=answer)

    return pa.RecordBatchReader.from_batches(answer, batches())
