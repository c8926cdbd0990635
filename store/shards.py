"""Codes of shards into the codes table: written as they come, committed once."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import pyarrow as pa

from saelake.store.codes import locate
from saelake.store.errors import AlreadyExists, NotFound
from saelake.store.lake import CollectionName, Lake
from saelake.store.schema import DICTIONARIES_COLUMNS, CollectionSettings, codes_schema
from saelake.store.tables import Change, Draft, Table, metadata, write_first

Range = tuple[int, int]


class ShardWriter:
    """Writes one collection's shards. A shard is visible whole, and once, or not at all."""

    def __init__(self, lake: Lake, settings: CollectionSettings, *, buffer_bytes: int) -> None:
        self._uri = lake.codes(CollectionName.parse(settings.name))
        self._settings = settings
        with suppress(NotFound):
            _check_same(settings, Table.open(self._uri))
        self._buffer_bytes = buffer_bytes
        self._ranges: dict[int, list[Range]] = {}
        self._buffer: list[pa.RecordBatch] = []
        self._fragments: list[str] = []

    def done(self) -> list[Range]:
        """The documents that the newest snapshot holds, as half-open ranges."""
        try:
            return self._done(Table.open(self._uri))
        except NotFound:
            return []

    def add(self, rows: pa.RecordBatch) -> None:
        """Take in rows of the shard at hand, in document order."""
        is_full = sum(batch.nbytes for batch in self._buffer) >= self._buffer_bytes
        # Readers look for a document's parts side by side, so they must be in one fragment.
        if is_full and rows["part"][0].as_py() == 0:
            self._flush()
        self._buffer.append(rows)

    def finish(self, start: int, stop: int) -> bool:
        """Commit the shard at hand, which has the documents [start, stop).

        False if another writer has committed any of its documents: then nothing is, and what is
        still missing must be planned again.
        """
        self._flush()
        draft = Draft(tuple(self._fragments))
        self.discard()
        committed = False

        def decide(snapshot: Table) -> Change | None:
            nonlocal committed
            committed = not any(a < stop and start < b for a, b in self._done(snapshot))
            return Change(add=draft) if committed else None

        # Not before: a table that an encode with wrong settings left behind would keep to them.
        table = Table.open_or_create(self._uri, codes_schema(self._settings))
        _check_same(self._settings, table)
        table.commit(decide)
        return committed

    def discard(self) -> None:
        """Forget what was added since the last commit."""
        self._buffer, self._fragments = [], []

    def _flush(self) -> None:
        if self._buffer:
            schema = codes_schema(self._settings)
            draft = write_first(self._uri, schema, self._buffer, one_fragment=True)
            self._fragments += draft.fragments
            self._buffer = []

    def _done(self, snapshot: Table) -> list[Range]:
        """The documents of a snapshot; a fragment never changes, so each is read once."""
        for fragment in snapshot.fragments:
            if fragment.id not in self._ranges:
                self._ranges[fragment.id] = locate(snapshot, [fragment.id]).ranges()
        found = [r for fragment in snapshot.fragments for r in self._ranges[fragment.id]]
        return _merged(sorted(found))


def _merged(ranges: Sequence[Range]) -> list[Range]:
    """Ascending ranges, with those that touch made one."""
    merged: list[Range] = []
    for start, stop in ranges:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


def check_free(lake: Lake, settings: CollectionSettings) -> None:
    """Check, and make nothing, that the collection can be begun or continued.

    Raises `AlreadyExists` when another dictionary has its name, or when it was begun with other
    settings.
    """
    with suppress(NotFound):
        _is_registered(settings.dictionary, settings.fingerprint, Table.open(lake.dictionaries))
    with suppress(NotFound):
        _check_same(settings, Table.open(lake.codes(CollectionName.parse(settings.name))))


def _check_same(settings: CollectionSettings, table: Table) -> None:
    stored = CollectionSettings.from_json(metadata(table.schema)["saelake:collection"])
    differences = settings.differences(stored)
    if differences:
        said = ", ".join(f"{k} = {was!r} (now {now!r})" for k, (now, was) in differences.items())
        raise AlreadyExists(
            f"The collection {settings.name} was encoded with {said}. Use the same settings to "
            "continue it, or another --name to make a second one.",
            collection=settings.name,
            **{k: was for k, (_, was) in differences.items()},
        )


def register_dictionary(lake: Lake, row: Mapping[str, Any]) -> None:
    """Put a dictionary into the lake's table of dictionaries, once.

    `row` has the columns `schema.DICTIONARIES_COLUMNS`. Raises `AlreadyExists` when another
    dictionary has that name.
    """
    table = Table.open_or_create(lake.dictionaries, DICTIONARIES_COLUMNS)
    draft = table.write([pa.RecordBatch.from_pylist([row], schema=table.schema)])

    def decide(snapshot: Table) -> Change | None:
        known = _is_registered(row["name"], row["fingerprint"], snapshot)
        return None if known else Change(add=draft)

    table.commit(decide)


def _is_registered(name: str, fingerprint: str, dictionaries: Table) -> bool:
    """Whether the dictionary is there. Raises `AlreadyExists` if another one has its name."""
    known = {
        row["name"]: row["fingerprint"]
        for batch in dictionaries.scan(["name", "fingerprint"])
        for row in batch.to_pylist()
    }
    if known.get(name, fingerprint) != fingerprint:
        raise AlreadyExists(
            f"The lake already has another dictionary named {name!r}. Give this one another name "
            "with --name.",
            dictionary=name,
        )
    return name in known
