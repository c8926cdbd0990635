"""The documents of a selection, some at a time."""

from collections.abc import Iterator

import numpy as np

from saelake.store.documents.filters import DocumentMask
from saelake.store.format.lists import Array
from saelake.store.snapshot.collection import Collection

DOCUMENTS_PER_BATCH = 64


def encoded_documents(collection: Collection, mask: DocumentMask | None) -> Iterator[Array]:
    """The encoded documents of a selection, ascending, some at a time."""
    held = np.empty(0, np.uint64)  # of ranges that are short, as others lie between
    for begin, end in collection.codes.locations.ranges():
        for first in range(begin, end, DOCUMENTS_PER_BATCH):
            docs = np.arange(first, min(first + DOCUMENTS_PER_BATCH, end), dtype=np.uint64)
            held = np.append(held, docs if mask is None else docs[mask[docs]])
            if len(held) >= DOCUMENTS_PER_BATCH:
                yield held[:DOCUMENTS_PER_BATCH]
                held = held[DOCUMENTS_PER_BATCH:]
    if len(held):
        yield held
