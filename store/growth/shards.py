"""Codes of shards into the codes table: written as they come, committed in groups, once."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from saelake.store.activations.table import check_kept
from saelake.store.codes.table import collection_of, locate
from saelake.store.codes.terse import terse
from saelake.store.errors import AlreadyExists, Conflict
from saelake.store.format.activations import KeptSettings, kept_schema
from saelake.store.format.schema import CollectionSettings, terse_schema
from saelake.store.lake.dictionaries import check_registrable
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.tables.changes import Change, Draft
from saelake.store.tables.drafts import write_first
from saelake.store.tables.tables import Table

Range = tuple[int, int]
TableSettings = CollectionSettings | KeptSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardDraft:
    """Rows of the documents [start, stop) of one collection: written, not committed.

    `documents` has for each fragment of the draft the documents in it; `columns` are those of its
    rows.
    """

    start: int
    stop: int
    draft: Draft
    documents: tuple[tuple[Range, ...], ...]
    columns: tuple[str, ...]


class ShardWriter:
    """Writes one table's shards, of which nobody sees anything until they are committed."""

    def __init__(self, lake: Lake, settings: TableSettings, *, buffer_bytes: int) -> None:
        self._uri, self._schema = _place(lake, settings)
        if (table := Table.find(self._uri)) is not None:
            _check_same(settings, table)
            self._schema = table.schema  # of an earlier saelake's: it goes on with its columns
        self._buffer_bytes = buffer_bytes
        self._buffer: list[pa.RecordBatch] = []
        self._fragments: list[str] = []
        self._documents: list[tuple[Range, ...]] = []

    def add(self, rows: pa.RecordBatch) -> None:
        """Take in rows of the shard at hand, in document order; codes as `codes_schema` says."""
        is_full = sum(batch.nbytes for batch in self._buffer) >= self._buffer_bytes
        # Readers look for a document's parts side by side, so they must be in one fragment.
        if is_full and rows["part"][0].as_py() == 0:
            self._flush()
        self._buffer.append(terse(rows, self._schema))

    def finish(self, start: int, stop: int) -> ShardDraft:
        """The shard at hand, which has the documents [start, stop)."""
        self._flush()
        draft = ShardDraft(
            start=start,
            stop=stop,
            draft=Draft(tuple(self._fragments)),
            documents=tuple(self._documents),
            columns=tuple(self._schema.names),
        )
        self.discard()
        return draft

    def discard(self) -> None:
        """Forget what was added since the last shard."""
        self._buffer, self._fragments, self._documents = [], [], []

    def _flush(self) -> None:
        if self._buffer:
            draft = write_first(self._uri, self._schema, self._buffer, one_fragment=True)
            self._fragments += draft.fragments
            self._documents.append(_ranges(self._buffer))
            self._buffer = []


class ShardCommitter:
    """Commits shards of one collection: each is visible whole, and once, or not at all."""

    def __init__(self, lake: Lake, settings: TableSettings) -> None:
        self._settings = settings
        self._uri, self._schema = _place(lake, settings)
        self._written: dict[str, tuple[Range, ...]] = {}  # by file
        self._seen: dict[int, Sequence[Range]] = {}  # by fragment
        self._merged: list[Range] = []  # of what is seen

    def done(self) -> list[Range]:
        """The documents that the newest snapshot holds, as half-open ranges."""
        table = Table.find(self._uri)
        return [] if table is None else self._done(table)

    def commit(self, shards: Sequence[ShardDraft]) -> list[ShardDraft]:
        """Commit shards in one step, without those of which any document is there already.

        The answer has those that were committed: what is missing of the others must be planned
        again.
        """
        chosen: list[ShardDraft] = []

        def decide(snapshot: Table) -> Change | None:
            chosen[:] = _apart(shards, self._done(snapshot))
            _check_columns(chosen, snapshot)
            fragments = [f for shard in chosen for f in shard.draft.fragments]
            return Change(add=Draft(tuple(fragments))) if fragments else None

        # Not before: a table that an encode with wrong settings left behind would keep to them.
        table = Table.open_or_create(self._uri, self._schema)
        _check_same(self._settings, table)
        table.commit(decide)
        for shard in chosen:  # known already: they need not be read
            self._written.update(zip(shard.draft.files, shard.documents, strict=True))
        return chosen

    def _done(self, snapshot: Table) -> list[Range]:
        """The documents of a snapshot; a fragment never changes, so each is looked at once."""
        present = snapshot.fragment_ids
        if gone := self._seen.keys() - present:
            for fragment in gone:
                del self._seen[fragment]
            self._merged = _merged(sorted(r for ranges in self._seen.values() for r in ranges))
        fresh = {i: self._documents_of(snapshot, i) for i in present - self._seen.keys()}
        self._seen.update(fresh)
        found = [r for ranges in fresh.values() for r in ranges]
        self._merged = _merged(sorted([*self._merged, *found]))
        return self._merged

    def _documents_of(self, snapshot: Table, fragment: int) -> Sequence[Range]:
        written = self._written.pop(snapshot.file_of(fragment), None) if self._written else None
        return locate(snapshot, [fragment]).ranges() if written is None else written


def _place(lake: Lake, settings: TableSettings) -> tuple[str, pa.Schema]:
    """Where a table is, or will be, and its columns."""
    if isinstance(settings, KeptSettings):
        name = CollectionName.parse(settings.collection.name)
        return lake.activations(name), kept_schema(settings)
    return lake.codes(CollectionName.parse(settings.name)), terse_schema(settings)


def _check_columns(shards: Sequence[ShardDraft], table: Table) -> None:
    """Check that shards have the rows of the table, which an earlier saelake may have begun since.

    Lance would take their files for the table's columns by number, whatever they are called.
    """
    if any(shard.columns != tuple(table.schema.names) for shard in shards):
        raise Conflict(
            f"{table.uri} was begun at the same time, with rows of another form. Run the same "
            "command again.",
            uri=table.uri,
        )


def _ranges(rows: Sequence[pa.RecordBatch]) -> tuple[Range, ...]:
    """The documents of rows that are in document order."""
    documents = np.unique(np.concatenate([batch["doc"].to_numpy() for batch in rows]))
    cuts = np.flatnonzero(np.diff(documents) > 1) + 1
    return tuple((int(run[0]), int(run[-1]) + 1) for run in np.split(documents, cuts))


def _apart(shards: Sequence[ShardDraft], done: Sequence[Range]) -> list[ShardDraft]:
    """The shards that have no document in common with `done` (ascending) or with each other."""
    chosen: list[ShardDraft] = []
    starts, stops = [start for start, _ in done], [stop for _, stop in done]
    for shard in shards:
        place = bisect_left(starts, shard.stop)  # ranges from here on begin behind it
        if place and stops[place - 1] > shard.start:
            continue
        starts.insert(place, shard.start)
        stops.insert(place, shard.stop)
        chosen.append(shard)
    return chosen


def _merged(ranges: Sequence[Range]) -> list[Range]:
    """Ascending ranges, with those that touch made one."""
    merged: list[Range] = []
    for start, stop in ranges:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


def continued(lake: Lake, settings: CollectionSettings) -> CollectionSettings:
    """The settings, with rows of the form that the collection has already, if it is begun."""
    begun = Table.find(_place(lake, settings)[0])
    return settings if begun is None else replace(settings, by_pole=collection_of(begun).by_pole)


def check_free(lake: Lake, settings: TableSettings) -> None:
    """Check, and make nothing, that the table can be begun or continued.

    Raises `AlreadyExists` when another dictionary has its name, or when it was begun with other
    settings.
    """
    if isinstance(settings, CollectionSettings):
        check_registrable(lake, settings.dictionary, settings.fingerprint)
    if (begun := Table.find(_place(lake, settings)[0])) is not None:
        _check_same(settings, begun)


def begun_settings(lake: Lake, name: CollectionName) -> CollectionSettings | None:
    """What a collection was begun with, which an encode that continues it must have too."""
    begun = Table.find(lake.codes(name))
    return None if begun is None else collection_of(begun)


def _check_same(settings: TableSettings, table: Table) -> None:
    if isinstance(settings, KeptSettings):
        check_kept(settings, table)
        return
    stored = collection_of(table)
    if differences := settings.differences(stored):
        raise begun_otherwise(settings.name, differences)


def begun_otherwise(name: str, differences: Mapping[str, tuple[Any, Any]]) -> AlreadyExists:
    """The error of a collection that was begun with other settings: each now, and as it was."""
    said = ", ".join(f"{k} = {was!r} (now {now!r})" for k, (now, was) in differences.items())
    return AlreadyExists(
        f"The collection {name} was encoded with {said}. Use the same settings to continue it, or "
        "another --name to make a second one.",
        collection=name,
        **{k: was for k, (_, was) in differences.items()},
    )
