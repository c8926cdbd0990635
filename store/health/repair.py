"""Repair collections: take out what is damaged, and make again what can be made of the rest."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import numpy as np

from saelake.store.activations.table import ActivationsTable
from saelake.store.codes.table import CodesTable, locate
from saelake.store.documents.documents import Documents
from saelake.store.errors import Conflict
from saelake.store.format.schema import impacts_schema, postings_schema
from saelake.store.growth.impacts import index_impacts
from saelake.store.growth.index import index
from saelake.store.health.impacts import wrong_blocks
from saelake.store.health.index import compared, wrong_features
from saelake.store.health.rows import UNREADABLE, CodesReading, KeptReading, Reading
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.reports import Repaired
from saelake.store.snapshot.collection import Collection, open_codes
from saelake.store.tables.changes import Change, Draft
from saelake.store.tables.mirrors import unmirrored
from saelake.store.tables.tables import Table, drop

Range = tuple[int, int]


def repair(lake: Lake, only: CollectionName | None = None) -> list[Repaired]:
    """Repair one collection, or all of the lake; those to which something was done.

    Reads all data. Readers may go on meanwhile: each table changes by one commit. Raises
    `NotFound`, and `Conflict` if codes are compacted at the same time.
    """
    lake = lake.pinned()
    names = [only] if only else [name for name in lake.collections() if _is_begun(lake, name)]
    with unmirrored():  # what is stored is looked at, not a copy of it
        repaired = [_kept_repaired(lake, name, _repaired(lake, name)) for name in names]
    return [done for done in repaired if done.anything]


def _is_begun(lake: Lake, name: CollectionName) -> bool:
    return bool(Table.open(lake.codes(name)).fragments)


def _repaired(lake: Lake, name: CollectionName) -> Repaired:
    codes = CodesTable.of(lake, open_codes(lake, name))
    reading = CodesReading.of(codes)
    documents = Documents.open(lake, name.corpus)
    damaged = _damaged(codes.table, reading, documents.n_documents)
    ids, n_files = _ids(documents, damaged), len(reading.unreadable)
    if damaged or reading.unreadable:
        after = _without(codes.table, damaged, reading.unreadable)
        if not after.fragments:  # and nothing to swap by: what comes next begins a new table
            _drop(lake, name)
            return Repaired(collection=str(name), documents=ids, n_files=n_files)
    collection, n_lost = _opened(lake, name)
    if collection.postings is None:
        return Repaired(collection=str(name), documents=ids, n_files=n_files)
    n_blocks = _repaired_impacts(lake, collection)
    wrong = _wrong_segments(collection)
    n_segments = n_lost + len(wrong) + len(collection.postings.outdated)
    is_counted = not (damaged or reading.unreadable or collection.unindexed)
    features = is_counted and wrong_features(lake, name, reading.totals) is not None
    if ids or n_files or n_segments or features:
        index(lake, name, redo=wrong, renew_features=features)
    return Repaired(
        collection=str(name),
        documents=ids,
        n_files=n_files,
        n_segments=n_segments,
        n_blocks=n_blocks,
        features=features,
    )


def _repaired_impacts(lake: Lake, collection: Collection) -> int:
    """Make wrong blocks of impacts again; how many there were."""
    try:
        wrong = [block.fragment for block in wrong_blocks(collection)]
    except UNREADABLE:  # not even what describes them
        wrong = [fragment.id for fragment in Table.open(lake.impacts(collection.name)).fragments]
        drop(lake.impacts(collection.name))
        Table.open_or_create(lake.impacts(collection.name), impacts_schema(collection.settings))
    if wrong:
        index_impacts(lake, collection.name, collection.codes, redo=wrong)
    return len(wrong)


def _kept_repaired(lake: Lake, name: CollectionName, done: Repaired) -> Repaired:
    """Also repair the activations that are kept beside a collection, if there are any."""
    kept = ActivationsTable.find(lake, name)
    if kept is None:
        return done
    documents = Documents.open(lake, name.corpus)
    reading = KeptReading.of(kept)
    damaged = _damaged(kept.table, reading, documents.n_documents)
    if not (damaged or reading.unreadable):
        return done
    if not _without(kept.table, damaged, reading.unreadable).fragments:
        drop(kept.table.uri)
    return replace(done, kept=_ids(documents, damaged), n_kept_files=len(reading.unreadable))


def _opened(lake: Lake, name: CollectionName) -> tuple[Collection, int]:
    """The collection, and how many segments were given up because nothing can be read of them."""
    try:
        return Collection(lake, name), 0
    except UNREADABLE:
        n_lost = len(Table.open(lake.postings(name)).fragments)
        drop(lake.postings(name))
        settings = CodesTable(open_codes(lake, name)).settings
        Table.open_or_create(lake.postings(name), postings_schema(settings))
        return Collection(lake, name), n_lost


def _damaged(table: Table, reading: Reading, n_documents: int) -> set[int]:
    """Documents with a faulty row, two rows, no place in the corpus, or a file that is lost."""
    readable = [f.id for f in table.fragments if f.id not in reading.unreadable]
    damaged = {fault.doc for fault in reading.faults}
    ranges = [r for fragment in readable for r in locate(table, [fragment]).ranges()]
    damaged |= _repeated(ranges)
    damaged |= {doc for start, stop in ranges for doc in range(max(start, n_documents), stop)}
    for fragment in reading.unreadable:
        damaged |= _lost(table, fragment)
    return damaged


def _repeated(ranges: Iterable[Range]) -> set[int]:
    repeated: set[int] = set()
    reached = 0
    for start, stop in sorted(ranges):
        repeated.update(range(start, min(stop, reached)))
        reached = max(reached, stop)
    return repeated


def _lost(table: Table, fragment: int) -> set[int]:
    """The documents of a fragment that cannot be read, as far as their numbers can."""
    try:
        ranges = locate(table, [fragment]).ranges()
    except UNREADABLE:
        return set()
    return {doc for start, stop in ranges for doc in range(start, stop)}


def _ids(documents: Documents, docs: Iterable[int]) -> tuple[str, ...]:
    known = sorted(doc for doc in docs if doc < documents.n_documents)
    found = documents.take(np.array(known, np.uint64), ["id"])["id"].to_pylist() if known else []
    return tuple(name or f"number {doc}" for doc, name in zip(known, found, strict=True))


def _without(table: Table, damaged: set[int], unreadable: Iterable[int]) -> Table:
    """The table without these documents and fragments, by one commit."""
    removed = list(unreadable)
    added: list[str] = []
    for fragment in table.fragments:
        if fragment.id in removed:
            continue
        ranges = locate(table, [fragment.id]).ranges()
        kept = _kept(ranges, damaged)
        if kept != ranges:
            removed.append(fragment.id)
            # Documents of two fragments must not interleave, so each run is one of its own.
            for start, stop in kept:
                added += _written(table, fragment.id, start, stop).fragments

    def decide(snapshot: Table) -> Change:
        if not set(removed) <= {fragment.id for fragment in snapshot.fragments}:
            raise Conflict(f"{table.uri} was compacted at the same time. Run the command again.")
        return Change(add=Draft(tuple(added)), remove=tuple(removed))

    return table.commit(decide)


def _kept(ranges: Iterable[Range], damaged: set[int]) -> list[Range]:
    """The runs of documents that are not damaged."""
    kept: list[Range] = []
    for start, stop in ranges:
        gone = sorted(doc for doc in damaged if start <= doc < stop)
        edges = [start - 1, *gone, stop]
        kept += [(a + 1, b) for a, b in pairwise(edges) if a + 1 < b]
    return kept


def _written(table: Table, fragment: int, start: int, stop: int) -> Draft:
    where = f"doc >= {start} AND doc < {stop}"
    rows = table.scan(table.schema.names, where=where, fragments=[fragment])
    return table.write(rows, one_fragment=True)


def _drop(lake: Lake, name: CollectionName) -> None:
    """Delete the tables of a collection of which no row is left; the postings before the codes."""
    uris = (lake.impacts(name), lake.postings(name), lake.features(name), lake.codes(name))
    for uri in uris:
        drop(uri)


def _wrong_segments(collection: Collection) -> list[int]:
    """The fragments of segments that do not agree with the codes."""
    return [s.fragment for c in compared(collection) if not c.agrees for s in c.segments]
