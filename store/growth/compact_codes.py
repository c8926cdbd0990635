"""Compact codes: small fragments become large ones, and deleted documents lose their codes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from saelake.store.codes.table import locate
from saelake.store.documents.documents import Documents
from saelake.store.errors import Conflict
from saelake.store.format.checksums import CHECKSUM
from saelake.store.format.lists import Array
from saelake.store.format.schema import DELETED
from saelake.store.growth.compacted import Progress, compacted
from saelake.store.growth.index import index
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.reports import Compacted
from saelake.store.snapshot.collection import open_codes
from saelake.store.tables.changes import Change, Draft, Fragment
from saelake.store.tables.tables import Table

CODES_ROWS = 65_536  # of a fragment: as many as one worker of an analysis holds
SCAN_ROWS = 256
ID_ROWS = 65_536
ATTEMPTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """A fragment of codes: the documents [start, stop) in it, and how many are to be emptied."""

    fragment: Fragment
    start: int
    stop: int
    n_deleted: int = 0


def codes_groups(extents: Sequence[Extent]) -> list[tuple[Extent, ...]]:
    """Which fragments of codes become one: neighbours, up to `CODES_ROWS` rows together.

    Only those with no document between them, because the documents of two fragments must not
    interleave: a segment of postings takes one fragment after another. A group of one has
    documents to be emptied.
    """
    groups: list[list[Extent]] = []
    filled = 0
    for extent in sorted(extents, key=lambda e: e.start):
        touches = groups and groups[-1][-1].stop == extent.start
        if not touches or filled + extent.fragment.n_rows > CODES_ROWS:
            groups.append([])
            filled = 0
        groups[-1].append(extent)
        filled += extent.fragment.n_rows
    return [tuple(g) for g in groups if len(g) > 1 or g[0].n_deleted]


def compact_codes(
    lake: Lake, name: CollectionName, *, on_progress: Progress = lambda *_: None
) -> Compacted:
    """Merge small fragments of codes, take out deleted documents' codes, and index again."""
    lake = lake.pinned()
    for _ in range(ATTEMPTS):
        codes = open_codes(lake, name)
        deleted = Documents.open(lake, name.corpus).tombstones.docs
        groups = codes_groups(list(_extents(codes, deleted)))
        after = _rewritten(codes, groups, deleted) if groups else codes
        if after is not None:
            break
    else:
        raise Conflict(
            f"{name}: others rewrote its codes at the same time. Run the same command again.",
            collection=str(name),
        )
    if groups and _is_indexed(lake, name):
        index(lake, name, on_progress=on_progress)
    n_removed = sum(extent.n_deleted for group in groups for extent in group)
    return compacted(str(name), codes, after, n_removed)


def _is_indexed(lake: Lake, name: CollectionName) -> bool:
    postings = Table.find(lake.postings(name))
    return postings is not None and postings.n_rows > 0


def _extents(codes: Table, deleted: Array) -> Iterator[Extent]:
    for fragment in codes.fragments:
        ranges = locate(codes, [fragment.id]).ranges()
        start, stop = ranges[0][0], ranges[-1][1]
        if sum(b - a for a, b in ranges) < stop - start:
            continue  # others' documents may lie in its gaps
        gone = deleted[(deleted >= start) & (deleted < stop)]
        n_deleted = _n_full(codes, fragment.id, gone) if len(gone) else 0
        yield Extent(fragment=fragment, start=start, stop=stop, n_deleted=n_deleted)


def _n_full(codes: Table, fragment: int, docs: Array) -> int:
    """How many of these documents still have codes in a fragment."""
    n = 0
    for batch in codes.scan(["doc", "part", "error"], fragments=[fragment], batch_rows=ID_ROWS):
        first = np.isin(np.asarray(batch["doc"]), docs) & (np.asarray(batch["part"]) == 0)
        full = pc.not_equal(pc.fill_null(batch["error"], ""), DELETED)
        n += int((first & np.asarray(full)).sum())
    return n


def _rewritten(codes: Table, groups: Sequence[tuple[Extent, ...]], deleted: Array) -> Table | None:
    """The table with each group as one fragment; None if another writer took out a part of one."""
    old = tuple(extent.fragment.id for group in groups for extent in group)
    drafts = [
        codes.write(_group_rows(codes, group, deleted), one_fragment=True) for group in groups
    ]
    draft = Draft(tuple(fragment for each in drafts for fragment in each.fragments))
    committed = False

    def decide(snapshot: Table) -> Change | None:
        nonlocal committed
        committed = set(old) <= {fragment.id for fragment in snapshot.fragments}
        return Change(add=draft, remove=old) if committed else None

    table = codes.commit(decide)
    return table if committed else None


def _group_rows(
    codes: Table, group: tuple[Extent, ...], deleted: Array
) -> Iterator[pa.RecordBatch]:
    names = codes.schema.names
    for extent in group:
        for batch in codes.scan(names, fragments=[extent.fragment.id], batch_rows=SCAN_ROWS):
            yield _emptied(batch, np.isin(np.asarray(batch["doc"]), deleted))


def _emptied(rows: pa.RecordBatch, gone: Array) -> pa.RecordBatch:
    """The rows of codes, without lists where they are gone."""
    if not gone.any():
        return rows
    mask = pa.array(gone)
    columns = {name: rows[name] for name in rows.schema.names}
    for field in rows.schema:
        if pa.types.is_list(field.type):
            nothing = pa.scalar([], field.type)
            columns[field.name] = pc.if_else(mask, nothing, columns[field.name])
    columns["error"] = pc.if_else(mask, DELETED, columns["error"])
    if CHECKSUM in columns:
        of_nothing = pa.scalar(0, pa.uint32())
        columns[CHECKSUM] = pc.if_else(mask, of_nothing, columns[CHECKSUM])
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=rows.schema)
