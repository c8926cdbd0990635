"""The documents of a selection, some at a time."""

from collections.abc import Iterator

import numpy as np

from saelake.store.documents.filters import DocumentMask
from saelake.store.format.lists import Array
from saelake.store.snapshot.collection import Collection

DOCUMENTS_PER_BATCH = 64


def encoded_documents(collection: Collection, mask: DocumentMask | None) -> Iterator[Array]:
    """The encoded documents of a selection, ascending, some at a time."""
    for begin, end in collection.codes.locations.ranges():
        for first in range(begin, end, DOCUMENTS_PER_BATCH):
            docs = np.arange(first, min(first + DOCUMENTS_PER_BATCH, end), dtype=np.uint64)
            docs = docs if mask is None else docs[mask[docs]]
            if len(docs):
                yield docs
