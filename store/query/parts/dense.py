"""Rankings by dense embeddings of documents, and rankings made one."""

from collections.abc import Sequence

import numpy as np

from saelake.store.errors import InvalidInput, NotFound
from saelake.store.format.lists import Array
from saelake.store.index.vectors import Vectors
from saelake.store.query.parts.found import Found
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

FUSED_DEPTH = 1000  # of each ranking at least; a document further down adds less than 1/1000
RANK_OFFSET = 60  # Cormack, Clarke and Büttcher 2009, "Reciprocal Rank Fusion", section 2


def kept_vectors(session: Session, uri: str) -> Vectors | None:
    """A table of vectors, kept in memory while it is the newest; None where there is none."""
    found = Vectors.open(uri)
    if found is None:
        return None
    return session.cache.kept(found.table.key, lambda: found, lambda v: v.n_bytes)


def fused_depth(k: int | None) -> int | None:
    """How deep rankings go that are made one of `k` documents; None is to their end."""
    return None if k is None else max(FUSED_DEPTH, 2 * k)


def document_vectors(session: Session, collection: Collection) -> Vectors:
    """The dense embeddings of a collection's documents. Raises `NotFound` when there are none."""
    corpus = collection.name.corpus
    vectors = kept_vectors(session, session.lake.vectors(corpus))
    if vectors is None:
        raise NotFound(
            f"The documents of {corpus} have no dense embeddings yet: make them with `saelake "
            f"embed {corpus} --model MODEL`, or use method 'sae'.",
            corpus=corpus,
        )
    return vectors


def dense_query(session: Session, selected: Selected, text: str | None, asked: Array) -> Array:
    """The dense embedding of a text, or the mean of those of documents, (1, width)."""
    vectors = document_vectors(session, selected.collection)
    if text is not None:
        return session.texts.embed(vectors.embedder, [text])
    mine = vectors.of(asked)
    if len(mine) == 0:
        raise InvalidInput("The documents asked about have no dense embeddings: run embed again.")
    mean = mine.mean(axis=0, keepdims=True)
    unit: Array = mean / np.maximum(np.linalg.norm(mean), np.float32(1e-12))
    return unit


def dense_ranking(
    session: Session, selected: Selected, vector: Array, k: int | None, asked: Array
) -> Found:
    """The `k` documents with the largest cosine, without those asked about."""
    vectors = document_vectors(session, selected.collection)
    keep = _meant(selected, vectors.rows)
    room = len(vectors.rows) if k is None else k + len(asked)
    rows, cosines = (found[0] for found in vectors.index.nearest(vector, room, keep))
    present = rows >= 0
    found = Found(doc=vectors.rows[rows[present]], score=cosines[present])
    return found.without(asked)[:k]


def _meant(selected: Selected, rows: Array) -> Array | None:
    """Which of these documents are selected (None: all); some may be newer than the snapshot."""
    known = rows < selected.collection.documents.n_documents
    if selected.mask is None:
        return None if known.all() else known
    known[known] = selected.mask[rows[known]]
    return known


def fused(rankings: Sequence[tuple[Found, float]], k: int | None) -> Found:
    """Rankings made one: a document's score is the sum of weight / (60 + rank) over them."""
    whole = Found.joined(
        [
            Found(doc=found.doc, score=weight / (RANK_OFFSET + 1 + np.arange(len(found))))
            for found, weight in rankings
        ]
    )
    doc, inverse = np.unique(whole.doc, return_inverse=True)
    return Found.best(doc, np.bincount(inverse, whole.score, len(doc)), k)
