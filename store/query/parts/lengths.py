"""How many tokens each document has; of a sampled collection, how many it holds."""

from dataclasses import dataclass

import numpy as np

from saelake.store.codes.executor import Piece, streamed
from saelake.store.codes.held import TOKEN_COUNT_COLUMNS
from saelake.store.format.lists import Array
from saelake.store.requests.waited.progress import told
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

SCAN_ROWS = 4096
NOT_ENCODED = -1


def lengths(session: Session, selected: Selected) -> Array:
    """The tokens of each document of the corpus, int32 (n_documents,), filtered or not.

    `NOT_ENCODED` for documents without codes; of one in several parts, those that could be
    encoded count. Read once for a snapshot, and kept.
    """
    n_documents = selected.collection.documents.n_documents
    return session.cache.kept(
        (selected.codes_key, "lengths", n_documents),
        lambda: _lengths(session, selected, n_documents),
        lambda found: found.nbytes,
    )


def _lengths(session: Session, selected: Selected, n_documents: int) -> Array:
    found = np.full(n_documents, NOT_ENCODED, np.int32)
    pieces = streamed(selected.collection.codes)
    parts = session.executor.map(_TokenCounter(), pieces)
    for doc, n_tokens in told("counting tokens", parts, len(pieces)):
        found[doc[found[doc] == NOT_ENCODED]] = 0
        np.add.at(found, doc, n_tokens)
    return found


@dataclass(frozen=True, slots=True)
class _TokenCounter:
    """Counts the tokens of a piece's rows."""

    def __call__(self, piece: Piece) -> tuple[Array, Array]:
        """The document uint64 and the tokens int32 of each row that was encoded."""
        docs, counts = [np.empty(0, np.uint64)], [np.empty(0, np.int32)]
        columns = ("error", *TOKEN_COUNT_COLUMNS)
        for batch in piece.codes.scan(columns, fragments=piece.fragments, batch_rows=SCAN_ROWS):
            batch = batch.filter(batch["error"].is_null())
            docs.append(np.asarray(batch["doc"]))
            counts.append(piece.codes.token_counts(batch).astype(np.int32))
        return np.concatenate(docs), np.concatenate(counts)
