"""Metadata filters: which documents a `where` keeps."""

from collections import OrderedDict
from threading import Lock

import numpy as np
import numpy.typing as npt

from saelake.store.errors import InvalidFilter
from saelake.store.predicates.mistakes import refusal
from saelake.store.predicates.predicate import Predicate, predicate
from saelake.store.tables.tables import Table

DocumentMask = npt.NDArray[np.bool_]

CACHE_BYTES = 64 << 20
SCAN_ROWS = 65_536


def matching_documents(documents: Table, where: str) -> DocumentMask:
    """Which documents satisfy a filter, bool (n_documents,) by document number.

    The filter is an SQL predicate over the corpus's columns (see `store.predicates`); a null counts
    as no. Raises `InvalidFilter`.
    """
    return _matching(documents, where, predicate(where, documents.schema))


def _matching(documents: Table, where: str, asked: Predicate) -> DocumentMask:
    mask = np.zeros(documents.n_rows, np.bool_)
    try:
        for batch in documents.scan(["doc"], where=asked.sql, batch_rows=SCAN_ROWS):
            mask[np.asarray(batch["doc"])] = True
    except InvalidFilter as error:
        raise refusal(where, error.data.get("reason", error.message)) from error
    return mask


class FilterCache:
    """The masks of the filters asked last, for one snapshot of a corpus; thread-safe.

    `alive` tells which documents are not deleted (None: all); a mask keeps no others.
    """

    def __init__(
        self, documents: Table, alive: DocumentMask | None = None, size_bytes: int = CACHE_BYTES
    ) -> None:
        self._documents = documents
        self._alive = alive
        self._capacity = max(size_bytes // max(documents.n_rows, 1), 1)
        self._masks: OrderedDict[str, DocumentMask] = OrderedDict()
        self._lock = Lock()

    def mask(self, where: str | None) -> DocumentMask | None:
        """The mask of `where`; None when there is no filter and nothing is deleted."""
        if where is None:
            return self._alive
        with self._lock:
            if where in self._masks:
                self._masks.move_to_end(where)
                return self._masks[where]
        asked = self.predicate(where)
        mask = _matching(self._documents, where, asked)
        if self._alive is not None:
            mask &= self._alive
        if asked.is_stable:
            self._keep(where, mask)
        return mask

    def predicate(self, where: str) -> Predicate:
        """What a filter means for the columns of these documents. Raises `InvalidFilter`."""
        return predicate(where, self._documents.schema)

    def _keep(self, where: str, mask: DocumentMask) -> None:
        with self._lock:
            self._masks[where] = mask
            while len(self._masks) > self._capacity:
                self._masks.popitem(last=False)
