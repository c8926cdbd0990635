"""Bring the features table up to date: count codes that are new, and write the statistics again."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import pyarrow.compute as pc

from saelake.store.arrays.memory import lean
from saelake.store.codes.executor import Executor
from saelake.store.codes.table import CodesTable
from saelake.store.errors import Conflict
from saelake.store.index.builder import SegmentBuilder
from saelake.store.index.features import (
    COVERS_KEY,
    TOTALS_COLUMNS,
    Totals,
    features_table,
    top_tokens,
)
from saelake.store.index.segments import PostingsTable
from saelake.store.lake.dictionaries import vocabulary_of
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.tables.changes import Fragment
from saelake.store.tables.tables import Table, metadata, overwrite

SCAN_ROWS = 1 << 16


@dataclass(frozen=True, slots=True)
class Counting:
    """Counts a snapshot of codes into the features table of its collection.

    Here, or wherever the executor has workers; the builder says which portions they take.
    """

    lake: Lake
    name: CollectionName
    builder: SegmentBuilder
    executor: Executor | None

    def update(self, postings: PostingsTable, *, renew: bool) -> None:
        """Add the codes fragments that the table does not count yet; `renew` counts all again.

        Where another indexer is faster, once more, with what is left then.
        """
        codes = self.builder.codes
        while (totals := self._newer(renew=renew)) is not None:
            vocabulary = vocabulary_of(self.lake, self.name.dictionary)
            tokens = top_tokens(postings, codes.settings.width, vocabulary)
            present = [fragment.id for fragment in codes.table.fragments]
            with suppress(Conflict):
                overwrite(
                    self.lake.features(self.name), features_table(totals, tokens, covers=present)
                )
                return

    def _newer(self, *, renew: bool) -> Totals | None:
        """The totals of all codes; those that were counted are not read again, unless `renew`.

        None when all are counted, here or by an indexer that knows newer codes, and have names.
        """
        table = self.builder.codes.table
        totals, covered = self._stored()
        if renew or not covered <= table.fragment_ids:
            if not renew and covered <= table.latest().fragment_ids:
                return None
            totals, covered = self._nothing()
        new = [fragment for fragment in table.fragments if fragment.id not in covered]
        if not new:
            return None if self._is_named() else totals
        if self.executor is None:
            _count(self.builder.codes, new, totals)
        else:
            work = CountTotals(self.builder.codes)
            for part in self.executor.map(work, self.builder.portions(new)):
                totals += part
        return totals

    def _stored(self) -> tuple[Totals, set[int]]:
        """What was counted, and the fragments of codes that it is of."""
        table = Table.find(self.lake.features(self.name))
        if table is None or not table.fragments:  # made, but not filled yet
            return self._nothing()
        stored = table.read()
        n_rows, totals = stored.num_rows, Totals.of(stored)
        if n_rows != self.builder.codes.settings.width:  # from before poles were counted
            return self._nothing()
        if totals.sample != self.builder.codes.held.key:  # an earlier saelake counted all tokens
            return self._nothing()
        covers = {int(i) for i in metadata(stored.schema)[COVERS_KEY].split(",") if i}
        return totals, covers

    def _is_named(self) -> bool:
        """Whether the top tokens have names; an earlier saelake left some ids without."""
        table = Table.find(self.lake.features(self.name))
        batches = () if table is None else table.scan(["top_tokens"], batch_rows=SCAN_ROWS)
        names = (batch["top_tokens"].flatten().field("token") for batch in batches)
        return not any(pc.any(pc.equal(column, "")).as_py() for column in names)

    def _nothing(self) -> tuple[Totals, set[int]]:
        return Totals.zero(self.builder.codes.settings.width), set()


@dataclass(frozen=True, slots=True)
class CountTotals:
    """Makes the totals of fragments of codes; it can be sent to another process."""

    codes: CodesTable

    def __call__(self, fragments: Iterable[Fragment]) -> Totals:
        """The totals of all codes of these fragments."""
        totals = Totals.zero(self.codes.settings.width)
        with lean():
            _count(self.codes, fragments, totals)
        return totals


def _count(codes: CodesTable, fragments: Iterable[Fragment], totals: Totals) -> None:
    ids = [fragment.id for fragment in fragments]
    for batch in codes.scan(TOTALS_COLUMNS, fragments=ids):
        totals.add(batch, codes)
