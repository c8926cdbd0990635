"""Writing the codes of documents, a fragment with each commit, until all have theirs."""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from saelake.store.codes.table import CodesTable
from saelake.store.format.lists import Array
from saelake.store.format.schema import CollectionSettings
from saelake.store.growth.filling import FRAGMENT_ROWS, CodesFiller, Placement, placements
from saelake.store.lake.lake import Lake
from saelake.workers.outside.keys import Resolver
from saelake.workers.outside.known import docs_of
from saelake.workers.outside.packing import SpooledDocuments, packed, shards

SHARD_CODES = 1 << 22  # of a commit

Progress = Callable[[int, int | None], object]


class CodesWriting:
    """Writes the codes of documents, until all have theirs."""

    def __init__(
        self,
        lake: Lake,
        settings: CollectionSettings,
        documents: SpooledDocuments,
        resolver: Resolver,
        update: Array,
    ) -> None:
        self._filler = CodesFiller(lake, settings)
        self._settings = settings
        self._documents = documents
        self._resolver = resolver
        self._update = update

    def write(self, known: Array, on_progress: Progress) -> Array:
        """The documents that were written, ascending: not those that are known and not updated."""
        written = np.empty(0, np.int64)
        every = self._documents.distinct
        wanted = np.union1d(np.setdiff1d(every, known), self._update)
        on_progress(0, len(wanted))
        while len(left := self._left(wanted, written)):
            for placement in self._placed(left):
                if not self._filler.put(placement, self._rows(placement.docs)):
                    break  # others write too: look again at what is left
                written = np.union1d(written, placement.docs)
                on_progress(len(written), len(wanted))
        return written

    def _left(self, wanted: Array, written: Array) -> Array:
        """What is still to be written: others may have written some meanwhile."""
        left = np.setdiff1d(wanted, written)
        there = docs_of(CodesTable(self._filler.table()))
        found: Array = left[~np.isin(left, there) | np.isin(left, self._update)]
        return found

    def _placed(self, docs: Array) -> Iterator[Placement]:
        for placement in placements(docs, self._filler.held()):
            if placement.fragment is not None:
                yield placement
                continue
            some = self._documents.of(placement.docs)
            for shard in shards(some, SHARD_CODES, FRAGMENT_ROWS):
                yield Placement(docs=shard)

    def _rows(self, docs: Array) -> Iterator[pa.RecordBatch]:
        for page in self._documents.of(docs).pages():
            yield packed(page, self._settings, self._resolver)
