"""All codes of a selection, so that any answer can be checked from outside."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from saelake.store.codes import CodesTable
from saelake.store.collection import Collection
from saelake.store.lists import Array, Lists
from saelake.store.requests import ExportQuery
from saelake.store.schema import MAX_PART_TOKENS

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


def export_codes(collection: Collection, query: ExportQuery) -> pa.RecordBatchReader:
    """One row for each non-zero code, by document, position and feature."""
    columns = ["token_ids", "features", "counts", "positions", "values"]

    def batch(docs: Array, ids: pa.Array, index: Array, rows: pa.Table) -> pa.RecordBatch:
        return _code_rows(collection.codes, docs, ids, index, rows)

    return _reader(collection, query, columns, CODES, batch)


def export_embeddings(collection: Collection, query: ExportQuery) -> pa.RecordBatchReader:
    """One row for each document: its features, and the maximum of each over the tokens."""

    def batch(docs: Array, ids: pa.Array, index: Array, rows: pa.Table) -> pa.RecordBatch:
        return _embedding_rows(collection.codes, docs, ids, index, rows)

    return _reader(collection, query, ["features", "max"], EMBEDDINGS, batch)


def _reader(
    collection: Collection,
    query: ExportQuery,
    columns: Sequence[str],
    schema: pa.Schema,
    batch_of: Callable[[Array, pa.Array, Array, pa.Table], pa.RecordBatch],
) -> pa.RecordBatchReader:
    mask = collection.filters.mask(query.where)

    def batches() -> Iterator[pa.RecordBatch]:
        for begin, end in collection.codes.locations.ranges():
            for first in range(begin, end, DOCUMENTS_PER_BATCH):
                docs = np.arange(first, min(first + DOCUMENTS_PER_BATCH, end), dtype=np.uint64)
                docs = docs if mask is None else docs[mask[docs]]
                if len(docs):
                    index, rows = collection.codes.take(docs, columns)
                    ids = collection.documents.take(docs, ["id"])["id"].combine_chunks()
                    yield batch_of(docs, ids, index, rows)

    return pa.RecordBatchReader.from_batches(schema, batches())


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


def _embedding_rows(
    codes: CodesTable, docs: Array, ids: pa.Array, index: Array, rows: pa.Table
) -> pa.RecordBatch:
    features = Lists.of(rows["features"])
    values = codes.codec.decode(Lists.of(rows["max"]).values)
    doc = index[features.rows]
    order = np.lexsort((-values, features.values, doc))
    doc, feature, values = doc[order], features.values[order], values[order]
    first = np.ones(len(doc), np.bool_)  # parts of one document repeat a feature
    first[1:] = (doc[1:] != doc[:-1]) | (feature[1:] != feature[:-1])
    offsets = np.searchsorted(doc[first], np.arange(len(docs) + 1))
    arrays = [
        ids,
        pa.array(docs),
        Lists(offsets, feature[first]).to_arrow(EMBEDDINGS.field("features").type),
        Lists(offsets, values[first]).to_arrow(EMBEDDINGS.field("max").type),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=EMBEDDINGS)
