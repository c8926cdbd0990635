"""The documents of a pool nearest, in SAE space, to target documents.

The target is the mean of its documents' embeddings, each of length 1, so a long document counts
no more than a short one; documents of the pool are ranked by their cosine with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from saelake.store.arrays import kernels
from saelake.store.codes.embeddings import Block
from saelake.store.errors import InvalidInput
from saelake.store.format.lists import Array
from saelake.store.query.parts.found import found_rows
from saelake.store.query.parts.labelled import labels_of
from saelake.store.query.parts.left_out import is_encoded, left_out, unencoded
from saelake.store.query.parts.said import metadata
from saelake.store.query.similar import Query, inverse_frequency, ranking
from saelake.store.requests.select import SelectQuery
from saelake.store.snapshot.collection import check_same_dictionary
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session


@dataclass(frozen=True, slots=True)
class Directions:
    """Sums the embeddings of a block, weighted and each of length 1, and lists its documents."""

    weights: Array

    def __call__(self, block: Block) -> tuple[Array, Array]:
        """The documents uint64 (n,), and the sum float64 (d_sae,)."""
        arrays = block.offsets, block.features, block.values
        _, square = kernels.products(*arrays, self.weights, self.weights * self.weights)
        length = np.sqrt(np.maximum(square, np.float32(1e-30)))[block.rows]
        unit = self.weights[block.features] * block.values / length
        return block.doc, np.bincount(block.features, unit, len(self.weights))


def select(session: Session, query: SelectQuery) -> pa.Table:
    """The documents of the pool, nearest first (`query.found.found_schema`).

    Those that are in the target themselves are left out: `notes` in the schema's metadata, a JSON
    list of sentences, counts them, and what else is left out. Raises `InvalidInput` for a target in
    which no feature fires, `DictionaryMismatch` for collections of different dictionaries.
    """
    pool, target = session.select(query.pool), session.select(query.target)
    check_same_dictionary(pool.collection, target.collection)
    weights = np.ones(pool.width, np.float32)
    if query.idf:
        weights = inverse_frequency(session, pool)
    add = Directions(weights)
    parts = list(session.embeddings.map(target, add, query.pooling, stage="reading the target"))
    values = np.sum([np.zeros(pool.width), *(total for _, total in parts)], axis=0)
    if not values.any():
        raise InvalidInput(f"No feature fires in the target, {query.target}: nothing to be like.")
    same = pool.collection.name.corpus == target.collection.name.corpus
    asked = np.concatenate([np.empty(0, np.uint64), *(doc for doc, _ in parts if same)])
    n_target = sum(len(doc) for doc, _ in parts)
    made = Query(values=(values / n_target).astype(np.float32), weights=weights, measure="cosine")
    found = ranking(session, pool, made, query.k, asked, query.pooling)
    labels = labels_of(session, pool.collection)
    embeddings = session.embeddings.take(pool, found.doc, query.pooling)
    rows = found_rows(pool.collection, found, labels, made.shares, embeddings)
    notes = _left_out(session, query, pool, target, asked, len(found))
    return rows.replace_schema_metadata(metadata(notes=[*notes]))


def _left_out(
    session: Session,
    query: SelectQuery,
    pool: Selected,
    target: Selected,
    asked: Array,
    n_found: int,
) -> Iterator[str]:
    """Which documents are no hit, and why; `asked` are those of the target in the same corpus."""
    known = is_encoded(session, pool)
    own = asked[asked < len(known)]
    n_own = int(known[own].sum())
    of_target = "document of the pool is in the target", "documents of the pool are in the target"
    yield from left_out(n_own, *of_target)
    unlike = max(int(known.sum()) - n_own - n_found, 0)
    if query.k is None or n_found < query.k:
        share = "document of the pool shares", "documents of the pool share"
        yield from left_out(unlike, *(f"{each} no feature with the target" for each in share))
    yield from unencoded(session, pool, "the pool")
    yield from unencoded(session, target, "the target")
