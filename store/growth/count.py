"""Bring the features table up to date: count codes that are new, and write the statistics again."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from saelake.store.arrays.memory import lean
from saelake.store.codes.executor import Executor
from saelake.store.codes.table import CodesTable
from saelake.store.errors import Conflict
from saelake.store.format.lists import Array
from saelake.store.index.builder import SegmentBuilder
from saelake.store.index.features import COVERS_KEY, TopTokens, features_rows
from saelake.store.index.segments import PostingsTable
from saelake.store.index.totals import SAMPLE_KEY, TOTALS_COLUMNS, Totals
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

        Where another indexer is faster, once more, with what is left then. The table is written as
        a whole, as shares are of all tokens; top tokens are looked for again where there are new
        codes.
        """
        codes = self.builder.codes
        while (counted := self._newer(renew=renew)) is not None:
            totals, changed, known = counted
            tokens = TopTokens(
                postings=postings,
                vocabulary=vocabulary_of(self.lake, self.name.dictionary),
                known=known,
                changed=changed,
            )
            present = [fragment.id for fragment in codes.table.fragments]
            rows = features_rows(totals, tokens.blocks(), covers=present)
            with suppress(Conflict):
                overwrite(self.lake.features(self.name), rows)
                return

    def _newer(self, *, renew: bool) -> tuple[Totals, Array, Table | None] | None:
        """The totals of all codes; those that were counted are not read again, unless `renew`.

        Also of which features they changed, bool (width,), and the table that is right about the
        others. None when all are counted, here or by an indexer that knows newer codes, and have
        names.
        """
        codes, width = self.builder.codes, self.builder.codes.settings.width
        table, covered = self._stored()
        if renew or not covered <= codes.table.fragment_ids:
            if not renew and covered <= codes.table.latest().fragment_ids:
                return None
            table, covered = None, set()
        new = [fragment for fragment in codes.table.fragments if fragment.id not in covered]
        if table is not None and not new and self._is_named(table):
            return None
        totals = Totals.zero(width)
        for part in self._counted(new):
            totals += part
        if table is None or not new:
            changed = np.ones(width, np.bool_)
        else:
            changed = totals.token_frequency > 0
        if table is not None:
            totals += Totals.of(table)
        return totals, changed, table

    def _counted(self, fragments: Sequence[Fragment]) -> Iterator[Totals]:
        """The totals of fragments, here or wherever the executor has workers."""
        work = CountTotals(self.builder.codes)
        if self.executor is None:
            yield work(fragments)
        else:
            yield from self.executor.map(work, self.builder.portions(fragments))

    def _stored(self) -> tuple[Table | None, set[int]]:
        """The table, if what it counted is of use, and the fragments of codes that it is of."""
        table = Table.find(self.lake.features(self.name))
        if table is None or not table.fragments:  # made, but not filled yet
            return None, set()
        said = metadata(table.schema)
        if table.n_rows != self.builder.codes.settings.width:  # from before poles were counted
            return None, set()
        if said.get(SAMPLE_KEY) != self.builder.codes.held.key:  # earlier, all tokens were counted
            return None, set()
        return table, {int(i) for i in said[COVERS_KEY].split(",") if i}

    @staticmethod
    def _is_named(table: Table) -> bool:
        """Whether the top tokens have names; an earlier saelake left some ids without."""
        batches = table.scan(["top_tokens"], batch_rows=SCAN_ROWS)
        names = (batch["top_tokens"].flatten().field("token") for batch in batches)
        return not any(pc.any(pc.equal(column, "")).as_py() for column in names)


@dataclass(frozen=True, slots=True)
class CountTotals:
    """Makes the totals of fragments of codes; it can be sent to another process."""

    codes: CodesTable

    def __call__(self, fragments: Iterable[Fragment]) -> Totals:
        """The totals of all codes of these fragments."""
        totals = Totals.zero(self.codes.settings.width)
        ids = [fragment.id for fragment in fragments]
        with lean():
            for batch in self.codes.scan(TOTALS_COLUMNS, fragments=ids):
                totals.add(batch, self.codes)
            totals.settle()
        return totals
