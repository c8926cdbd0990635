"""Codes put among those of a collection: of documents anywhere, also in place of what they had.

Who encodes goes through the documents of a corpus in ranges. Codes that come from elsewhere are of
whichever documents they are of: some of these may lie between others that have codes. Fragments of
codes never interleave, as a segment of postings takes one after another; so a fragment between
whose documents new ones belong is written again with them, by the commit that brings these.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from saelake.store.codes.table import locate
from saelake.store.codes.terse import terse
from saelake.store.format.lists import Array
from saelake.store.format.schema import CollectionSettings, terse_schema
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.tables.changes import Change, Draft
from saelake.store.tables.tables import Table

SCAN_ROWS = 256
FRAGMENT_ROWS = 1 << 16  # as many as one worker of an analysis holds


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRange:
    """A fragment of codes, and the documents [start, stop) between its first and its last."""

    fragment: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Documents (ascending) whose rows go into one fragment: a new one, or this one anew."""

    docs: Array
    fragment: int | None = None


def placements(docs: Array, held: Sequence[HeldRange]) -> list[Placement]:
    """Where rows of these documents (ascending) go, in their order, if `held` is there (ascending).

    Those between a fragment's first and last document go into it, and those between two fragments
    into one.
    """
    starts = np.array([h.start for h in held], np.int64)
    stops = np.array([h.stop for h in held], np.int64)
    at = np.searchsorted(starts, docs, side="right")  # how many fragments begin before
    within = (at > 0) & (docs < np.append(0, stops)[at])
    place = 2 * at - within  # of fragment i it is 2 i + 1, of the gap behind it 2 i + 2
    cuts = np.flatnonzero(np.diff(place)) + 1
    found = []
    for some, number in zip(np.split(docs, cuts), place[np.append(0, cuts)], strict=True):
        if len(some):
            inner = held[int(number) // 2].fragment if number % 2 else None
            found.append(Placement(docs=some, fragment=inner))
    return found


class CodesFiller:
    """Puts rows of documents into a collection's codes, each fragment by one commit."""

    def __init__(self, lake: Lake, settings: CollectionSettings) -> None:
        self._table = Table.open_or_create(
            lake.codes(CollectionName.parse(settings.name)), terse_schema(settings)
        )
        self._known: dict[int, HeldRange] = {}

    def table(self) -> Table:
        """The newest snapshot."""
        return self._table.latest()

    def held(self) -> list[HeldRange]:
        """What the newest snapshot has, in document order."""
        return self._held(self._table.latest())

    def put(self, placement: Placement, rows: Iterable[pa.RecordBatch]) -> bool:
        """Commit rows (`codes_schema`) of the documents of a placement, in their order.

        Those that its fragment has of these documents go. False, and nothing is changed, where
        others have written there since: then what is left is to be placed anew.
        """
        table = self._table.latest()
        stored: Iterator[pa.RecordBatch] = (terse(batch, table.schema) for batch in rows)
        if placement.fragment is not None:
            if placement.fragment not in table.fragment_ids:
                return False
            stored = _merged(_others(table, placement), stored)
        draft = _written(table, stored)
        committed = False

        def decide(snapshot: Table) -> Change | None:
            nonlocal committed
            change = self._change(snapshot, placement, draft)
            committed = change is not None
            return change

        self._table = table.commit(decide)
        return committed

    def _change(self, snapshot: Table, placement: Placement, draft: Draft) -> Change | None:
        if placement.fragment is not None:
            there = placement.fragment in snapshot.fragment_ids
            return Change(add=draft, remove=(placement.fragment,)) if there else None
        first, last = int(placement.docs[0]), int(placement.docs[-1])
        if any(h.start <= last and first < h.stop for h in self._held(snapshot)):
            return None
        return Change(add=draft)

    def _held(self, snapshot: Table) -> list[HeldRange]:
        """The fragments of a snapshot; one never changes, so each is looked at once."""
        ids = snapshot.fragment_ids
        self._known = {i: held for i, held in self._known.items() if i in ids}
        for i in ids - self._known.keys():
            ranges = locate(snapshot, [i]).ranges()
            if ranges:
                self._known[i] = HeldRange(fragment=i, start=ranges[0][0], stop=ranges[-1][1])
        return sorted(self._known.values(), key=lambda h: h.start)


def _written(table: Table, rows: Iterator[pa.RecordBatch]) -> Draft:
    """The rows in as many fragments as are not too large; all parts of a document in one."""
    left, drafts = _LeftRows(rows), []
    while left.batch is not None:
        drafts.append(table.write(left.take(FRAGMENT_ROWS), one_fragment=True))
    return Draft(tuple(fragment for draft in drafts for fragment in draft.fragments))


class _LeftRows:
    """What is left of some batches; `batch` comes next."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self.batch = next(batches, None)

    def take(self, n_rows: int) -> Iterator[pa.RecordBatch]:
        """About so many rows: until after them a document begins."""
        while self.batch is not None:
            heads = np.flatnonzero(np.asarray(self.batch["part"]) == 0)
            ends = heads[heads >= max(n_rows, 0)]
            if n_rows < self.batch.num_rows and len(ends):
                taken, self.batch = self.batch.slice(0, ends[0]), self.batch.slice(ends[0])
                if taken.num_rows:
                    yield taken
                return
            taken, n_rows = self.batch, n_rows - self.batch.num_rows
            self.batch = next(self._batches, None)
            yield taken


def _others(table: Table, placement: Placement) -> Iterator[pa.RecordBatch]:
    """The rows of a fragment that are not of these documents."""
    assert placement.fragment is not None
    fragments = [placement.fragment]
    for batch in table.scan(table.schema.names, fragments=fragments, batch_rows=SCAN_ROWS):
        kept = ~np.isin(np.asarray(batch["doc"]), placement.docs)
        if kept.any():
            yield batch.filter(pa.array(kept))


def _merged(
    some: Iterator[pa.RecordBatch], others: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """The rows of both, which have no document in common, in document order as each is."""
    a, b = next(some, None), next(others, None)
    while a is not None and b is not None:
        if _first(b) < _first(a):
            a, b, some, others = b, a, others, some
        n = int(np.searchsorted(np.asarray(a["doc"]), _first(b)))
        yield a.slice(0, n)
        a = a.slice(n) if n < a.num_rows else next(some, None)
    for left, rest in ((a, some), (b, others)):
        if left is not None:
            yield left
            yield from rest


def _first(batch: pa.RecordBatch) -> int:
    return int(batch["doc"][0].as_py())
