"""The nearest documents of a query by the impacts in the lake, where there are any.

What no block of impacts covers is compared exactly, fragment by fragment.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from saelake.store.codes.embeddings import Block
from saelake.store.codes.executor import quickly
from saelake.store.format.lists import Array
from saelake.store.index.nearest import EXHAUSTIVE, NearestDocuments, n_candidates
from saelake.store.query.parts.found import Found
from saelake.store.requests.checks import Pooling
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

# The documents of a block that are hits (uint64), and their scores (float32).
Score = Callable[[Block], tuple[Array, Array]]


@dataclass(frozen=True, slots=True)
class Near:
    """Documents that were found, with what recall, and the embeddings that were read for it."""

    found: Found
    recall: float = 1.0
    read: Block | None = None

    def embeddings(self, session: Session, selected: Selected, pooling: Pooling) -> Block:
        """The embeddings of what was found, in any order."""
        docs = self.found.doc
        if self.read is not None:
            rows = np.flatnonzero(np.isin(self.read.doc, docs))
            if len(rows) == len(docs):
                return self.read[rows]
        return session.embeddings.take(selected, docs, pooling)


def nearest_of(
    session: Session, selected: Selected, query: Array, score: Score, k: int, asked: Array
) -> Near | None:
    """The `k` nearest to a query without those asked about; None where that is not quicker.

    `query` is float32 (d_sae,) and not negative; `score` the exact one, of all documents.
    """
    room = k + len(asked)
    nearest = _searchable(session, selected, room)
    if nearest is None:
        return None
    read = nearest.nearest(query, room, selected.mask, quickly)
    rest = session.embeddings.map(selected, score, without=nearest.covers)
    parts = [Found.best(*score(read), room), *(Found.best(*part, room) for part in rest)]
    found = Found.joined(parts).best_of(room).without(asked)[:k]
    return Near(found, nearest.recall, read)


def _searchable(session: Session, selected: Selected, k: int) -> NearestDocuments | None:
    """What finds the `k` nearest quicker than all can be compared, if anything."""
    nearest = session.nearest(selected)
    if nearest is None or nearest.budget is None:
        return None
    n = nearest.n_documents
    return nearest if n_candidates(n, k) <= EXHAUSTIVE * n else None
