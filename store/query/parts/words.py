"""Rankings by the words of documents: BM25 over Lance's full-text index."""

import numpy as np

from saelake.store.format.lists import Array
from saelake.store.query.parts.found import Found
from saelake.store.snapshot.selection import Selected


def word_ranking(
    selected: Selected, text: str, where: str | None, k: int | None, asked: Array
) -> Found | None:
    """The `k` documents whose words match a text best; None where the words are not indexed."""
    table = selected.collection.documents.table
    if not table.has_words("text"):
        return None
    documents = selected.collection.documents
    room = table.n_rows if k is None else k + len(asked) + documents.n_deleted
    kept = None if where is None else documents.filters.predicate(where).sql
    found = table.search_words("text", text, room, columns=["doc"], where=kept)
    doc = found["doc"].to_numpy().astype(np.uint64)
    score = found["_score"].to_numpy().astype(np.float32)
    if documents.alive is not None:
        doc, score = doc[documents.alive[doc]], score[documents.alive[doc]]
    return Found.best(doc, score, None).without(asked)[:k]
