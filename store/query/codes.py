"""All codes of a selection, so that any answer can be checked from outside."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from saelake.store.codes.table import CodesTable
from saelake.store.format.lists import Array, Lists
from saelake.store.format.schema import MAX_PART_TOKENS, NO_TOKEN
from saelake.store.query.parts.documents import encoded_documents
from saelake.store.requests.codes import CodesQuery
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.session import Session


def codes(session: Session, query: CodesQuery) -> pa.RecordBatchReader:
    """One row for each non-zero code, by document, position and feature."""
    return codes_of(session.collection(query.collection), query.where)


def codes_of(collection: Collection, where: str | None = None) -> pa.RecordBatchReader:
    """The codes of one state of a collection, as `codes` has them."""
    mask = collection.filters.mask(where)
    columns = ["token_ids", "features", "counts", "positions", "values"]

    def batches() -> Iterator[pa.RecordBatch]:
        for docs in encoded_documents(collection, mask):
            index, rows = collection.codes.take(docs, columns)
            ids = collection.documents.take(docs, ["id"])["id"].combine_chunks()
            yield _code_rows(collection.codes, docs, ids, index, rows)

    return pa.RecordBatchReader.from_batches(CodesQuery.answer, batches())


def _code_rows(
    table: CodesTable, docs: Array, ids: pa.Array, index: Array, rows: pa.Table
) -> pa.RecordBatch:
    features, counts = Lists.of(rows["features"]), Lists.of(rows["counts"]).values
    positions, tokens = Lists.of(rows["positions"]), Lists.of(rows["token_ids"])
    row = positions.rows
    position = positions.values.astype(np.int64)
    pole, poles = np.repeat(features.values, counts), table.settings.poles
    feature = poles.features(pole)
    value = table.codec.decode(Lists.of(rows["values"]).values) * poles.signs(pole)
    part = rows["part"].to_numpy().astype(np.int64)
    order = np.lexsort((feature, position, row))
    doc_index = index[row][order]
    token = tokens.values[tokens.offsets[row] + position][order]
    arrays = [
        ids.take(pa.array(doc_index)),
        pa.array(docs[doc_index]),
        pa.array((position + part[row] * MAX_PART_TOKENS)[order], pa.uint32()),
        pa.array(token, pa.uint32(), mask=token == NO_TOKEN),
        pa.array(feature[order], pa.uint32()),
        pa.array(value[order], pa.float32()),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=CodesQuery.answer)
