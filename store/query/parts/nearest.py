"""The nearest documents of a query by the impacts in the lake, where there are any.

What no block of impacts covers is compared exactly, fragment by fragment.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from saelake.store.codes.embeddings import Block
from saelake.store.codes.executor import Threads, as_owners, quickly
from saelake.store.format.lists import Array
from saelake.store.index.impact_blocks import StoredBlock
from saelake.store.index.nearest import EXHAUSTIVE, NearestDocuments
from saelake.store.index.owned_blocks import nearest_by_owners, owners_of_blocks
from saelake.store.query.parts.found import Found
from saelake.store.requests.checks import Pooling
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

SPAN_ROWS = 2048  # that are read and scored at once

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
    session: Session,
    selected: Selected,
    query: Array,
    score: Score,
    k: int,
    asked: Array,
    *,
    exact: bool = False,
) -> Near | None:
    """The `k` nearest to a query without those asked about; None where that is not quicker.

    `query` is float32 (d_sae,) and not negative; `score` the exact one, of all documents. With
    `exact` all are compared, row by row, and none is missed.
    """
    room = k + len(asked)
    nearest = _readable(session, selected, room) if exact else _searchable(session, selected, room)
    if nearest is None:
        return None
    owners = None if exact else owners_of_blocks(session.executor, nearest)
    if owners is None:
        read = nearest.nearest(query, room, selected.mask, quickly, exact=exact)
    else:
        read = nearest_by_owners(owners, nearest, query, room, selected.mask, quickly)
    rest = session.embeddings.map(selected, score, without=nearest.covers)
    parts = [Found.best(*score(read), room), *(Found.best(*part, room) for part in rest)]
    found = Found.joined(parts).best_of(room).without(asked)[:k]
    return Near(found, 1.0 if exact else nearest.recall, read)


def _searchable(session: Session, selected: Selected, k: int) -> NearestDocuments | None:
    """What finds the `k` nearest quicker than all can be compared, if anything."""
    nearest = session.nearest(selected)
    if nearest is None or nearest.budget is None:
        return None
    return nearest if nearest.room(k) <= EXHAUSTIVE * nearest.n_documents else None


def _readable(session: Session, selected: Selected, k: int) -> NearestDocuments | None:
    """The rows of a collection whose embeddings do not fit in memory, where few are to be shown."""
    stored = _stored(session, selected, "max")
    return stored if stored and k <= EXHAUSTIVE * stored.n_documents else None


def _stored(session: Session, selected: Selected, pooling: Pooling) -> NearestDocuments | None:
    """The rows of a collection, where reading them takes least: on a disk of this machine."""
    if as_owners(session.executor) is not None:
        return None  # they read, and keep
    nearest = selected.collection.nearest if pooling == "max" else None
    if nearest is None or session.embeddings.hold(selected, pooling) is not None:
        return None
    return nearest if nearest.table.is_local else None


def scored(
    session: Session, selected: Selected, score: Score, pooling: Pooling
) -> Iterator[tuple[Array, Array]]:
    """What `score` says of the blocks of a selection, in any order: by rows where there are some.

    That is a tenth of the work of reading the codes.
    """
    stored = _stored(session, selected, pooling)
    if stored is None:
        session.embeddings.hold(selected, pooling)
        yield from session.embeddings.map(selected, score, pooling)
        return
    spans = (
        _Span(stored, block, rows[first : first + SPAN_ROWS], score)
        for block, rows in stored.all_kept(selected.mask)
        for first in range(0, len(rows), SPAN_ROWS)
    )
    yield from Threads().map(_Span.scored, spans)
    yield from session.embeddings.map(selected, score, without=stored.covers)


@dataclass(frozen=True, slots=True)
class _Span:
    """Some rows of a block, to be scored."""

    search: NearestDocuments
    block: StoredBlock
    rows: Array
    score: Score

    def scored(self) -> tuple[Array, Array]:
        return self.score(self.search.table.taken([(self.block, self.rows)]))
