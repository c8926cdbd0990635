"""Which documents have codes."""

from dataclasses import dataclass

import numpy as np

from saelake.store.codes.executor import Piece, streamed
from saelake.store.format.lists import Array, concatenate
from saelake.store.requests.waited.progress import told
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

SCAN_ROWS = 65_536


def encoded(session: Session, selected: Selected) -> Array:
    """Which documents of the corpus have codes, bool (n_documents,), filtered or not.

    Of one in several parts, one that could be encoded is enough. Read once for a snapshot, and
    kept.
    """
    n_documents = selected.collection.documents.n_documents
    return session.cache.kept(
        (selected.codes_key, "encoded", n_documents),
        lambda: _encoded(session, selected, n_documents),
        lambda found: found.nbytes,
    )


def _encoded(session: Session, selected: Selected, n_documents: int) -> Array:
    found = np.zeros(n_documents, np.bool_)
    pieces = streamed(selected.collection.codes)
    for docs in told("listing documents", session.executor.map(_Docs(), pieces), len(pieces)):
        found[docs] = True
    return found


@dataclass(frozen=True, slots=True)
class _Docs:
    """The documents of a piece that could be encoded."""

    def __call__(self, piece: Piece) -> Array:
        """Uint64, one for each row."""
        batches = piece.codes.scan(
            ("doc", "error"), fragments=piece.fragments, batch_rows=SCAN_ROWS
        )
        kept = (batch.filter(batch["error"].is_null()) for batch in batches)
        return concatenate((np.asarray(batch["doc"]) for batch in kept), np.uint64)
