"""Metadata filters: which documents a `where` keeps."""

from collections.abc import Hashable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from saelake.store.arrays.cache import Cache
from saelake.store.documents.shown import ShownColumns
from saelake.store.errors import InvalidFilter
from saelake.store.predicates.evaluation import evaluated
from saelake.store.predicates.grammar import parse
from saelake.store.predicates.mistakes import refusal
from saelake.store.predicates.predicate import Predicate, predicate
from saelake.store.predicates.tree import Node
from saelake.store.requests.waited.stopping import wanted
from saelake.store.tables.tables import HOLDS, Table

DocumentMask = npt.NDArray[np.bool_]

CACHE_BYTES = 64 << 20
SCAN_ROWS = 65_536
MADE_ROWS = 2048  # where values are made of these rows, such as texts in lower case
ENTRY_BYTES = 500  # of a mask, its key, and where it is kept


def matching_documents(documents: Table, where: str) -> DocumentMask:
    """Which documents satisfy a filter, bool (n_documents,) by document number.

    The filter is an SQL predicate over the corpus's columns (see `store.predicates`); a null counts
    as no. Raises `InvalidFilter`.
    """
    return _matching(documents, where, predicate(where, documents.schema))


def _matching(documents: Table, where: str, asked: Predicate) -> DocumentMask:
    try:
        return _judged(documents, asked)
    except (InvalidFilter, pa.ArrowInvalid):  # of which a filtered scan says better what is wrong
        return _filtered(documents, where, asked)


def _judged(documents: Table, asked: Predicate) -> DocumentMask:
    """Batch for batch, for as long as somebody waits for it."""
    mask = np.zeros(documents.n_rows, np.bool_)
    batches = documents.scan(["doc"], where=asked.sql, batch_rows=_at_once(asked), judged=True)
    for batch in wanted(batches):
        holds = batch[HOLDS]
        if holds.true_count:
            known = holds.fill_null(False) if holds.null_count else holds  # noqa: FBT003
            mask[np.asarray(batch["doc"])[np.asarray(known)]] = True
    return mask


def _filtered(documents: Table, where: str, asked: Predicate) -> DocumentMask:
    mask = np.zeros(documents.n_rows, np.bool_)
    try:
        for batch in documents.scan(["doc"], where=asked.sql, batch_rows=_at_once(asked)):
            mask[np.asarray(batch["doc"])] = True
    except InvalidFilter as error:
        raise refusal(where, error.data.get("reason", error.message)) from error
    return mask


def _at_once(asked: Predicate) -> int:
    return MADE_ROWS if asked.makes_values else SCAN_ROWS


class FilterCache:
    """The masks of the filters of one snapshot of a corpus, kept in a cache; thread-safe.

    `alive` tells which documents are not deleted (None: all), and `deleted` tells that from what
    was so of other snapshots; a mask keeps no others. Where `columns` has what a filter is about,
    it is answered from there.
    """

    def __init__(
        self,
        documents: Table,
        alive: DocumentMask | None = None,
        *,
        cache: Cache | None = None,
        columns: ShownColumns | None = None,
        deleted: Hashable = None,
    ) -> None:
        self._documents = documents
        self._alive = alive
        self._cache = cache or Cache(CACHE_BYTES)
        self._columns = columns
        self._snapshot = (documents.key, deleted)

    def mask(self, where: str | None) -> DocumentMask | None:
        """The mask of `where`; None when there is no filter and nothing is deleted."""
        if where is None:
            return self._alive
        key = ("mask", self._snapshot, where)
        kept: DocumentMask | None = self._cache.find(key)
        if kept is not None:
            return kept
        mask, is_stable = self.kept(where, parse(where))
        n_bytes = mask.nbytes + len(where) + ENTRY_BYTES
        if is_stable and n_bytes <= self._cache.capacity:
            self._cache.put(key, mask, n_bytes)
        return mask

    def kept(self, where: str, node: Node) -> tuple[DocumentMask, bool]:
        """What a filter, or a part of it, keeps; and whether it keeps that at any time."""
        mask, is_stable = self._evaluated(node), True
        if mask is None:
            asked = predicate(where, self._documents.schema, node)
            mask, is_stable = _matching(self._documents, where, asked), asked.is_stable
        if self._alive is not None:
            mask &= self._alive
        return mask, is_stable

    @property
    def key(self) -> Hashable:
        """What tells these documents, and which are deleted, from every other snapshot."""
        return self._snapshot

    @property
    def n_documents(self) -> int:
        """How many documents a mask is of."""
        return self._documents.n_rows

    def predicate(self, where: str) -> Predicate:
        """What a filter means for the columns of these documents. Raises `InvalidFilter`."""
        return predicate(where, self._documents.schema)

    def _evaluated(self, node: Node) -> DocumentMask | None:
        """The mask as the columns in memory say; None where they cannot tell."""
        if self._columns is None:
            return None
        return evaluated(node, self._documents.schema, self._column)

    def _column(self, name: str) -> pa.Array | None:
        assert self._columns is not None
        values = self._columns.words(name)
        if values is None:
            self._columns.wish()
        return values
