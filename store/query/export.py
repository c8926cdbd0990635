"""All codes of a selection, so that any answer can be checked from outside."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from saelake.store.codes.embeddings import take
from saelake.store.codes.table import CodesTable
from saelake.store.documents.filters import DocumentMask
from saelake.store.format.lists import Array, Lists
from saelake.store.format.schema import MAX_PART_TOKENS
from saelake.store.requests import CodesQuery, EmbeddingsQuery
from saelake.store.snapshot.collection import Collection

DOCUMENTS_PER_BATCH = 64

CODES = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("doc", pa.uint64()),
        pa.field("position", pa.uint32()),
        pa.field("token_id", pa.uint32()),
        pa.field("feature", pa.uint32()),
        pa.field("value", pa.float32()),
    ]
)

EMBEDDINGS = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("doc", pa.uint64()),
        pa.field("features", pa.list_(pa.uint32())),
        pa.field("max", pa.list_(pa.float32())),
    ]
)


def export_codes(collection: Collection, query: CodesQuery) -> pa.RecordBatchReader:
    """One row for each non-zero code, by document, position and feature."""
    mask = collection.filters.mask(query.where)
    columns = ["token_ids", "features", "counts", "positions", "values"]

    def batches() -> Iterator[pa.RecordBatch]:
        for docs in _documents(collection, mask):
            index, rows = collection.codes.take(docs, columns)
            ids = collection.documents.take(docs, ["id"])["id"].combine_chunks()
            yield _code_rows(collection.codes, docs, ids, index, rows)

    return pa.RecordBatchReader.from_batches(CODES, batches())


def export_embeddings(collection: Collection, query: EmbeddingsQuery) -> pa.RecordBatchReader:
    """One row for each encoded document: its features, and the pooled value of each."""
    mask = collection.filters.mask(query.where)

    def batches() -> Iterator[pa.RecordBatch]:
        for docs in _documents(collection, mask):
            block = take(collection.codes, docs, query.pooling)
            ids = collection.documents.take(block.doc, ["id"])["id"].combine_chunks()
            arrays = [
                ids,
                pa.array(block.doc),
                Lists(block.offsets, block.features).to_arrow(EMBEDDINGS.field("features").type),
                Lists(block.offsets, block.values).to_arrow(EMBEDDINGS.field("max").type),
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=EMBEDDINGS)

    return pa.RecordBatchReader.from_batches(EMBEDDINGS, batches())


def _documents(collection: Collection, mask: DocumentMask | None) -> Iterator[Array]:
    """The encoded documents of a selection, ascending, some at a time."""
    for begin, end in collection.codes.locations.ranges():
        for first in range(begin, end, DOCUMENTS_PER_BATCH):
            docs = np.arange(first, min(first + DOCUMENTS_PER_BATCH, end), dtype=np.uint64)
            docs = docs if mask is None else docs[mask[docs]]
            if len(docs):
                yield docs


def _code_rows(
    codes: CodesTable, docs: Array, ids: pa.Array, index: Array, rows: pa.Table
) -> pa.RecordBatch:
    features, counts = Lists.of(rows["features"]), Lists.of(rows["counts"]).values
    positions, tokens = Lists.of(rows["positions"]), Lists.of(rows["token_ids"])
    row = positions.rows
    position = positions.values.astype(np.int64)
    feature = np.repeat(features.values, counts)
    part = rows["part"].to_numpy().astype(np.int64)
    order = np.lexsort((feature, position, row))
    doc_index = index[row][order]
    arrays = [
        ids.take(pa.array(doc_index)),
        pa.array(docs[doc_index]),
        pa.array((position + part[row] * MAX_PART_TOKENS)[order], pa.uint32()),
        pa.array(tokens.values[tokens.offsets[row] + position][order], pa.uint32()),
        pa.array(feature[order], pa.uint32()),
        pa.array(codes.codec.decode(Lists.of(rows["values"]).values)[order], pa.float32()),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=CODES)
