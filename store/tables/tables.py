"""Lance tables: snapshots, streaming writes, and commits that happen exactly once.

What the rest of the store may rely on:

- A `Table` is a snapshot; it never changes under a reader. `latest()` gives the next one.
- Data is written first (`write`) and becomes visible by one atomic commit (`commit`).
- A commit is a compare-and-swap. Lance lets two appends from one snapshot both succeed, so
  every commit also names the table's first fragment as updated: of two commits from the same
  snapshot one then fails, looks at the new snapshot, and decides again. A table is born with an
  *anchor*, fragment 0 with one row of nulls, so that there is something to name; the first
  commit replaces it, and until then it is hidden (docs/decisions/001-exactly-once.md).
"""

import hashlib
import json
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import lance
import pyarrow as pa
from lance.commit import CommitConflictError
from lance.fragment import FragmentMetadata, write_fragments

from saelake.store.errors import Conflict, NotFound, SaelakeError
from saelake.store.tables.blobs import Blob, blobs_of
from saelake.store.tables.changes import Change, Draft, Evolution, Fragment
from saelake.store.tables.columns import column_numbers, files_with, put_columns, without_columns
from saelake.store.tables.commits import commit_file
from saelake.store.tables.damage import damaged, reading
from saelake.store.tables.drafts import (
    MOST_ROWS,
    ROWS_PER_FRAGMENT,
    STORAGE_VERSION,
    draft_of,
    in_place,
    new_files,
    write_first,
)
from saelake.store.tables.evolution import (
    Convert,
    check_columns,
    commit_evolution,
    evolve,
    numbered,
)
from saelake.store.tables.failures import storage_error, storage_errors, stored
from saelake.store.tables.files import delete_folder, local_path
from saelake.store.tables.mirrored import Mirrored
from saelake.store.tables.mirrors import mirror_of
from saelake.store.tables.objectstore import lance_options
from saelake.store.tables.opening import (
    PINNED,
    check_writable,
    gone,
    is_absent,
    is_pin,
    opened,
    parted,
)
from saelake.store.tables.refused import is_of_rows, refused
from saelake.store.tables.seen import ABSENT, pin_of, seen

R = TypeVar("R")

ANCHOR_ID = 0
ROWS_PER_BATCH = 8192
COMMIT_ATTEMPTS = 50
LOOK_AGAIN_S = 30.0  # whether a table of an object store was dropped and made anew
HOLDS = "holds"  # the column that says whether a row fulfils a filter
_MISSING = "Not found: "  # how Lance says that a file is not there


class Table:
    """A snapshot of one Lance table; of the newest version, or of that of a tag or a time."""

    def __init__(self, dataset: "lance.LanceDataset", at: str | None = None) -> None:
        self._dataset = dataset
        self._at = at
        self._mirrored: Mirrored | None = None
        self._commit = commit_file(self.uri, self.version)
        self._looked_s = time.monotonic()

    def __getstate__(self) -> dict[str, Any]:
        """What another process needs, which has mirrors of its own or none."""
        return {**self.__dict__, "_mirrored": None}

    @classmethod
    def open(cls, uri: str, version: int | None = None) -> "Table":
        """The newest snapshot of the table at `uri`, or that of a version, a tag or a time.

        The address may end with the last two, as `uri#TAG` or `uri#TIME`: a time is as ISO 8601
        has it; local, when it names no zone. With `uri#=PIN` it is the one of that `pin`. Raises
        `NotFound`.
        """
        place, at = parted(uri)
        found = cls._found(place, at, version)
        if told := seen():
            told.opened(place, found.pin)
        if at is not None and is_pin(at) and at != f"{PINNED}{found.pin}":
            raise gone(place)
        return found

    @classmethod
    def _found(cls, place: str, at: str | None, version: int | None) -> "Table":
        try:
            return cls(opened(place, at, version), at)
        except (ValueError, OSError) as error:
            if known := storage_error(error, place):
                raise known from error
            if not is_absent(error):
                raise
            if at is not None and is_pin(at):
                raise gone(place) from error
            if told := seen():
                told.opened(place, ABSENT)
            uri = place if at is None else f"{place}#{at}"
            raise NotFound(f"There is no table at {uri}.", uri=uri) from error

    @classmethod
    def find(cls, uri: str) -> "Table | None":
        """The snapshot that `open` gives, or None where there is no such table.

        Raises `NotFound` for a pin whose snapshot is not there any more.
        """
        place, at = parted(uri)
        if at is not None and is_pin(at):
            return None if at == f"{PINNED}{ABSENT}" else cls.open(uri)
        folder = local_path(place)
        if folder is not None and not Path(folder).exists():  # in a 50th of the time
            if told := seen():
                told.opened(place, ABSENT)
            return None
        try:
            return cls.open(uri)
        except NotFound:
            return None

    @classmethod
    def open_all(cls, uris: Iterable[str]) -> "Iterator[Table]":
        """The newest snapshots of these tables, without those that there are not."""
        return (table for table in map(cls.find, uris) if table is not None)

    @classmethod
    def open_or_create(cls, uri: str, schema: pa.Schema) -> "Table":
        """The table at `uri`, made with its anchor if there is none; of racing makers one does."""
        check_writable(uri)
        if (table := cls.find(uri)) is not None:
            return table
        nulls = [pa.nulls(1, field.type) for field in schema]
        anchor = new_files(uri, pa.Table.from_arrays(nulls, schema=schema).to_reader())
        birth = lance.LanceOperation.Overwrite(schema, anchor)
        try:
            # Without retries: a retry overwrites the table that another maker was faster with.
            lance.LanceDataset.commit(
                uri, birth, read_version=0, max_retries=0, storage_options=lance_options(uri)
            )
        except OSError as error:
            if (table := cls.find(uri)) is not None:
                return table
            raise storage_error(error, uri) or error from None
        return cls.open(uri)

    @cached_property
    def fragments(self) -> tuple[Fragment, ...]:
        """The pieces that the table is made of, in table order, without the anchor."""
        return tuple(
            Fragment(
                id=fragment.fragment_id,
                n_rows=fragment.metadata.num_rows,
                size_bytes=sum(file.file_size_bytes or 0 for file in fragment.metadata.files),
            )
            for fragment in self._dataset.get_fragments()
            if fragment.fragment_id != ANCHOR_ID
        )

    @property
    def fragment_ids(self) -> set[int]:
        """Those of `fragments`, which takes a hundredth of the time where they are many."""
        return set(self._dataset.fragment_ids()) - {ANCHOR_ID}

    def file_of(self, fragment_id: int) -> str:
        """The name of a fragment's file, which no other fragment ever has."""
        return str(self._dataset.get_fragment(fragment_id).metadata.files[0].path)

    @cached_property
    def column_files(self) -> Mapping[str, tuple[str, ...]]:
        """For each column the names of the files that have it, one a fragment, in table order.

        A file never changes, so that equal names mean equal values; where a column is null in a
        fragment and in no file, it is "-" and the name of the fragment's own file.
        """
        own = {fragment.id: self.file_of(fragment.id) for fragment in self.fragments}
        return {
            column: tuple(file or f"-{own[i]}" for i, file in files if i in own)
            for column, files in files_with(self._dataset).items()
        }

    @cached_property
    def column_numbers(self) -> Mapping[str, tuple[int, ...]]:
        """What files call each column by: rows that were written for others mean other columns."""
        return column_numbers(self._dataset)

    @property
    def uri(self) -> str:
        """Where the table is."""
        return str(self._dataset.uri)

    @property
    def version(self) -> int:
        """The snapshot's number; it grows with each commit."""
        return int(self._dataset.version)

    @cached_property
    def key(self) -> Hashable:
        """What tells this snapshot from every other, of a table that was made anew too.

        A table that was dropped and made anew has the same versions, but files of other names.
        """
        ids = self._dataset.fragment_ids()
        return self.uri, self.version, self.file_of(max(ids)) if ids else ""

    @cached_property
    def pin(self) -> str:
        """The key as a short text, the same for whoever opens this snapshot; see `open`."""
        ids = self._dataset.fragment_ids()
        return pin_of(self.version, self.file_of(max(ids)) if ids else "")

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns, with the metadata that the table was made with."""
        return self._dataset.schema

    @property
    def contents(self) -> str:
        """What tells the rows of this snapshot from those of others, in 16 characters."""
        present = [fragment.metadata.to_json() for fragment in self._dataset.get_fragments()]
        return hashlib.sha256(json.dumps(present).encode()).hexdigest()[:16]

    @property
    def n_rows(self) -> int:
        """Rows, without the anchor."""
        return sum(fragment.n_rows for fragment in self.fragments)

    @property
    def size_bytes(self) -> int:
        """The bytes of the snapshot's data files."""
        return sum(fragment.size_bytes for fragment in self.fragments)

    @stored
    def latest(self) -> "Table":
        """The newest snapshot: this one if nothing was committed since.

        Raises `NotFound` for a table that was dropped.
        """
        with suppress(ValueError, OSError):  # opening says better what is the matter
            if self._at is not None:
                return self
            if self._dataset.latest_version == self._dataset.version and self._is_there():
                return self
        return Table.open(self.uri)

    def _is_there(self) -> bool:
        """Whether the version of this number is still this one: a table may be made anew.

        In an object store that takes several requests, and is looked at from time to time.
        """
        if self._commit is not None:
            return commit_file(self.uri, self.version) == self._commit
        if time.monotonic() - self._looked_s > LOOK_AGAIN_S:
            if Table.open(self.uri).key != self.key:
                return False
            self._looked_s = time.monotonic()
        return True

    @property
    def is_newest(self) -> bool:
        """Whether nothing was committed since this snapshot, which is of no tag or time."""
        return self._at is None and self.latest() is self

    def scan(
        self,
        columns: Sequence[str],
        *,
        where: str | None = None,
        fragments: Iterable[int] | None = None,
        batch_rows: int = 1024,
        ahead_bytes: int | None = None,
        judged: bool = False,
    ) -> Iterator[pa.RecordBatch]:
        """Batches of `columns`, in table order, of all fragments or of those named.

        Of the rows that fulfil `where`, if it is given; where they are to be `judged`, of all rows,
        and the column `HOLDS` says of which it is true (null: unknown). Those come as they are
        read, while of a filter that keeps few rows no batch comes for long. At most `ahead_bytes`
        are read of files before they are asked for (None: as Lance likes). Raises `InvalidFilter`
        when Lance cannot evaluate `where`, and `ArrowInvalid` for a row that cannot be judged.
        """
        wanted = None if fragments is None else set(fragments)
        ids = [f.id for f in self.fragments if wanted is None or f.id in wanted]
        if not ids:
            return
        # With a filter an error may be of its evaluation, of rows that it does not fit.
        with reading(self.uri) if where is None else storage_errors(self.uri):
            begin = partial(self._batches, columns, where, ids, batch_rows, ahead_bytes, judged)
            mirrored = self.mirrored
            try:
                yield from begin(self._dataset) if mirrored is None else mirrored.stream(begin)
            except (ValueError, OSError) as error:
                if where is not None and _MISSING in str(error):
                    raise damaged(self.uri, error) from error
                if where is None or not is_of_rows(error):
                    raise
                raise refused(where, error, self.schema.names) from error

    def read(self, columns: Sequence[str] | None = None, where: str | None = None) -> pa.Table:
        """The whole of a small table at once."""
        with reading(self.uri) if where is None else storage_errors(self.uri):
            return self._read(lambda dataset: dataset.to_table(columns=columns, filter=where))

    @property
    def mirrored(self) -> Mirrored | None:
        """The snapshot by way of a disk cache, where its lake has one in this process.

        Rows are read of that. Whatever is written is made of the store's own snapshot, as the
        other's manifest names places of this machine.
        """
        mirror = mirror_of(self.uri)
        if mirror is None:
            return None
        if self._mirrored is None or self._mirrored.mirror is not mirror:
            self._mirrored = Mirrored(self._dataset, mirror)
        return self._mirrored

    def _read(self, work: Callable[["lance.LanceDataset"], R]) -> R:
        mirrored = self.mirrored
        return work(self._dataset) if mirrored is None else mirrored.read(work)

    def _batches(
        self,
        columns: Sequence[str],
        where: str | None,
        ids: Sequence[int],
        batch_rows: int,
        ahead_bytes: int | None,
        judged: bool,
        dataset: "lance.LanceDataset",
    ) -> Iterator[pa.RecordBatch]:
        made = {**{name: name for name in columns}, HOLDS: where} if judged else list(columns)
        try:
            scanner = dataset.scanner(
                columns=made,
                filter=None if judged else where,
                fragments=[dataset.get_fragment(i) for i in ids],
                batch_size=batch_rows,
                io_buffer_size=ahead_bytes,
                batch_readahead=2,
                fragment_readahead=1,
                scan_in_order=True,
            )
            if where is not None:
                scanner.explain_plan()  # a predicate that does not bind fails here, not mid-scan
        except (ValueError, OSError) as error:
            if where is None or storage_error(error, self.uri):
                raise
            raise refused(where, error, self.schema.names) from error
        yield from scanner.to_batches()

    def has_words(self, column: str) -> bool:
        """Whether the words of a text column are indexed."""
        return any(index.field_names == [column] for index in self._dataset.describe_indices())

    @stored
    def index_words(self, column: str) -> None:
        """Index the words of a text column, stemmed and without stop words; again it is renewed."""
        self._check_writable()
        self._dataset.create_scalar_index(column, "INVERTED", replace=True)

    @stored
    def search_words(
        self, column: str, text: str, k: int, *, columns: Sequence[str], where: str | None
    ) -> pa.Table:
        """`columns` and `_score` (BM25) of the `k` rows that match the words of a text best.

        Rows that came after the index are searched too, one by one.
        """
        return self._dataset.scanner(
            columns=[*columns, "_score"],
            filter=where,
            prefilter=True,
            full_text_query={"query": text, "columns": [column]},
            limit=k,
        ).to_table()

    def take(self, rows: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """`columns` of the rows at these offsets in table order, in the order asked for."""
        with reading(self.uri):
            return self._read(lambda dataset: dataset.take(list(rows), columns=list(columns)))

    def take_addresses(self, addresses: Sequence[int], columns: Sequence[str]) -> pa.Table:
        """`columns` of the rows at these addresses (see `address`), in the order asked for."""
        with reading(self.uri):
            wanted = list(addresses)
            return self._read(lambda dataset: dataset._take_rows(wanted, columns=list(columns)))

    def copy_of(self, name: str, n_bytes: int) -> str | None:
        """The path of a copy of a file in the table's data folder, where a disk cache has it."""
        mirror = mirror_of(self.uri)
        return None if mirror is None else mirror.copy_of(self.uri, name, n_bytes)

    def blobs(self, addresses: Sequence[int], column: str) -> list[Blob]:
        """The large values of a column in the rows at these addresses, to be read in parts."""
        with reading(self.uri):
            files = {i: self.file_of(i) for i in {address >> 32 for address in addresses}}
            return blobs_of(self._dataset, files, addresses, column)

    @stored
    def write(self, batches: Iterable[pa.RecordBatch], *, one_fragment: bool = False) -> Draft:
        """Stream `batches` into new files that nobody sees until they are committed."""
        self._check_writable()
        reader = pa.RecordBatchReader.from_batches(self.schema, batches)
        written = write_fragments(
            reader,
            self._dataset,
            mode="append",
            max_rows_per_file=MOST_ROWS if one_fragment else ROWS_PER_FRAGMENT,
            data_storage_version=STORAGE_VERSION,
        )
        return draft_of(written)

    @stored
    def evolve(self, schema: pa.Schema, convert: Convert) -> Evolution:
        """Write what the snapshot needs to have these columns; nobody sees it until the commit.

        `schema` has all its columns, some of wider types, and maybe new ones, which are null in
        its rows. `convert` makes values of a wider type; what it raises is raised.
        """
        self._check_writable()
        return evolve(self._dataset, schema, convert)

    def put_columns(
        self, schema: pa.Schema, names: Sequence[str], written: Mapping[int, Draft]
    ) -> Evolution:
        """The snapshot with other values in some columns of some fragments, to be committed.

        See `columns.put_columns`; a draft is written by `write_columns`.
        """
        return put_columns(self._dataset, schema, names, written)

    def without_columns(self, names: Sequence[str], schema: pa.Schema) -> Evolution:
        """The snapshot without these columns, with a schema's metadata, to be committed."""
        return without_columns(self._dataset, names, schema)

    def write_columns(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Draft:
        """Stream some columns of all rows of one fragment into a file that nobody sees yet."""
        self._check_writable()
        return write_first(self.uri, schema, batches, one_fragment=True)

    def write_evolved(self, evolution: Evolution, batches: Iterable[pa.RecordBatch]) -> Draft:
        """Stream rows that have an evolution's columns into new files, to be committed with it."""
        self._check_writable()
        draft = write_first(self.uri, evolution.columns.to_pyarrow(), batches)
        return numbered(draft, evolution)

    @stored
    def commit(self, decide: Callable[["Table"], Change | None]) -> "Table":
        """The snapshot after the change that `decide` asks for, applied exactly once.

        `decide` is given the newest snapshot and answers what to do to it, or None when nothing
        is left to do, for instance because the rows are already there. When another writer
        commits in between, it is asked again. Raises `Conflict` when that never ends.
        """
        self._check_writable()
        for _ in range(COMMIT_ATTEMPTS):
            snapshot = Table.open(self.uri)
            change = decide(snapshot)
            if change is None or snapshot._swap(change):
                return Table.open(self.uri)
        raise Conflict(
            f"{self.uri}: other writers committed first {COMMIT_ATTEMPTS} times in a row. "
            "Run the same command again; what was written so far is kept.",
            uri=self.uri,
        )

    def _swap(self, change: Change) -> bool:
        """Whether the change was committed on top of exactly this snapshot."""
        check_columns(self._dataset, change)
        if change.evolution is not None and self.fragments:
            return commit_evolution(self._dataset, change.evolution, change.add)
        if change.evolution is not None:  # the anchor must stay for it, and go afterwards
            if not commit_evolution(self._dataset, change.evolution, Draft(())):
                return False
            evolved = Table.open(self.uri)
            is_next = evolved.version == self.version + 1
            return is_next and evolved._swap(Change(add=change.add))
        present = set(self._dataset.fragment_ids())
        removed = [i for i in (ANCHOR_ID, *change.remove) if i in present]
        kept = sorted(present.difference(removed))[:1]
        updated = {i: self._dataset.get_fragment(i).metadata for i in kept}
        updated.update((i, in_place(draft, i)) for i, draft in change.instead.items())
        fields = self._dataset.lance_schema.fields() if change.instead else []
        operation = lance.LanceOperation.Update(
            removed_fragment_ids=removed,
            updated_fragments=list(updated.values()),
            new_fragments=[FragmentMetadata.from_json(f) for f in change.add.fragments],
            # So that indexes of words let go of the fragments, and search them row by row.
            fields_modified=[field.id() for field in fields],
        )
        try:
            # The version that was decided on, never a fresh one: a fresh one doubles rows.
            lance.LanceDataset.commit(self._dataset, operation, read_version=self.version)
        except CommitConflictError:
            return False
        return True

    def _check_writable(self) -> None:
        if self._at is not None:
            check_writable(f"{self.uri}#{self._at}")

    @stored
    def tag(self, name: str) -> None:
        """Give this snapshot a name under which it can be opened, and is never cleaned up."""
        self._dataset.tags.create(name, self.version)

    @stored
    def untag(self, name: str) -> None:
        """Take a snapshot's name away, if there is one of that name."""
        if name in self.tags():
            self._dataset.tags.delete(name)

    @stored
    def tags(self) -> Mapping[str, datetime]:
        """The names of snapshots, and when they were given."""
        return {name: tag["created_at"] for name, tag in self._dataset.tags.list().items()}

    @stored
    def clean_up(self, older_than: timedelta, *, unverified: bool = False) -> int:
        """Delete files that only snapshots older than this have, except tagged ones; the bytes.

        Files of no snapshot go when they are over a week old, as a writer may be about to commit
        younger ones; with `unverified` at once, for which nobody may be writing.
        """
        stats = self._dataset.cleanup_old_versions(
            older_than, delete_unverified=unverified, error_if_tagged_old_versions=False
        )
        return int(stats.bytes_removed)

    def verify(self) -> None:
        """Check that every file that the snapshot names is there. Raises `Corrupt`."""
        try:
            with reading(self.uri):
                self._dataset.validate()
                for fragment in self._dataset.get_fragments():
                    fragment.count_rows()
        except SaelakeError:
            raise
        except (OSError, ValueError) as error:
            raise damaged(self.uri, error) from error


@stored
def drop(uri: str) -> None:
    """Delete a table with all its snapshots, if there is one, also what a killed drop left."""
    check_writable(uri)
    try:
        lance.LanceDataset.drop(uri, storage_options=lance_options(uri), ignore_not_found=True)
    except ValueError as error:
        if "no readable Lance manifest" not in str(error):
            raise
        delete_folder(uri)


def address(fragment_id: int, row: int) -> int:
    """Lance's 64-bit address of a row of a fragment."""
    return fragment_id << 32 | row


@stored
def overwrite(uri: str, rows: pa.Table | pa.RecordBatchReader) -> None:
    """Replace a whole table by one commit; what was there is read until then.

    Raises `Conflict` when another writer does the same.
    """
    Table.open_or_create(uri, rows.schema)  # else its rows would be fragment 0, the anchor's
    if isinstance(rows, pa.Table):  # of which Lance would hold a copy
        rows = rows.to_reader(max_chunksize=ROWS_PER_BATCH)
    try:
        lance.write_dataset(
            rows,
            uri,
            mode="overwrite",
            data_storage_version=STORAGE_VERSION,
            storage_options=lance_options(uri),
        )
    except OSError as error:
        if "conflict" not in str(error).lower():
            raise
        raise Conflict(
            f"{uri}: another writer replaced it at the same time. Run the same command again.",
            uri=uri,
        ) from error


def read(uri: str, columns: Sequence[str] | None = None, where: str | None = None) -> pa.Table:
    """The whole of a small table. Raises `NotFound`."""
    return Table.open(uri).read(columns, where)


def metadata(schema: pa.Schema) -> Mapping[str, str]:
    """A schema's metadata as text."""
    return {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
