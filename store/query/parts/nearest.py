"""The nearest documents of a query by the impacts in the lake, where there are any.

What no block of impacts covers is compared exactly, fragment by fragment.
"""

from collections.abc import Callable
from dataclasses import dataclass

from saelake.store.codes.embeddings import Block
from saelake.store.codes.executor import quickly
from saelake.store.format.lists import Array
from saelake.store.index.nearest import EXHAUSTIVE, NearestDocuments, n_candidates
from saelake.store.query.parts.found import Found
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

Score = Callable[[Block], tuple[Array, Array]]


@dataclass(frozen=True, slots=True)
class Near:
    """The nearest documents, and with what recall."""

    found: Found
    recall: float


def _searchable(session: Session, selected: Selected, k: int) -> NearestDocuments | None:
    """What finds the `k` nearest of a collection quicker than all can be compared, if anything."""
    nearest = session.nearest(selected)
    if nearest is None or not nearest.is_worth_it:
        return None
    n = nearest.n_documents
    return nearest if n_candidates(n, k) <= EXHAUSTIVE * n else None


def nearest_of(
    session: Session, selected: Selected, query: Array, score: Score, k: int
) -> Near | None:
    """The `k` nearest to a query, float32 (d_sae,) and not negative; None without an index.

    `score` gives the documents of a block that are hits, and their exact scores.
    """
    nearest = _searchable(session, selected, k)
    if nearest is None:
        return None
    near = nearest.nearest(query, k, selected.mask, quickly)
    covered = {i for block in nearest.blocks for i in block.covers}
    rest = session.embeddings.map(selected, score, without=covered)
    parts = [Found.best(*score(near), k), *(Found.best(*part, k) for part in rest)]
    return Near(Found.joined(parts).best_of(k), nearest.recall)
