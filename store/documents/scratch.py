"""What an import must remember for longer than memory allows: the ids it met, the rows it left out.

Both live in a temporary SQLite file that the system deletes with the process.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import NamedTuple, Self

import pyarrow as pa

from saelake.store.errors import OutOfSpace
from saelake.store.format.schema import SKIPPED_COLUMNS

CACHE_KIB = 64 << 10
ROWS_PER_BATCH = 8192


class Skip(NamedTuple):
    """A row of a source that is not imported; `row` counts from 0 in the file `source`."""

    source: str
    row: int
    id: str | None
    reason: str


class Scratch:
    """A temporary file of ids and skips; a context manager that deletes it."""

    def __init__(self) -> None:
        # Lance may pull an import's batches from a thread of its own, always one at a time.
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._database.executescript(
            f"""
            PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -{CACHE_KIB};
            CREATE TABLE ids (id TEXT PRIMARY KEY, owner INTEGER) WITHOUT ROWID;
            CREATE TABLE skips (source TEXT, "row" INTEGER, id TEXT, reason TEXT);
            BEGIN;
            """
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def claim(self, ids: Sequence[str], claimants: Sequence[int]) -> list[int]:
        """Who owns each id: its claimant, or whoever claimed the same id before.

        Raises `OutOfSpace`, as `skip` does.
        """
        before = self._database.total_changes
        with _room():
            self._database.executemany(
                "INSERT OR IGNORE INTO ids VALUES (?, ?)", zip(ids, claimants, strict=True)
            )
        if self._database.total_changes - before == len(ids):
            return list(claimants)
        query = "SELECT owner FROM ids WHERE id = ?"
        return [self._database.execute(query, (claimed,)).fetchone()[0] for claimed in ids]

    def own(self, ids: Sequence[str], owners: Sequence[int]) -> None:
        """Give ids that are claimed to other owners."""
        self._database.executemany(
            "UPDATE ids SET owner = ? WHERE id = ?", zip(owners, ids, strict=True)
        )

    def skip(self, skips: Iterable[Skip]) -> None:
        """Remember rows that are left out."""
        with _room():
            self._database.executemany("INSERT INTO skips VALUES (?, ?, ?, ?)", skips)

    def skipped(self, first_doc: int) -> Iterator[pa.RecordBatch]:
        """The rows that were left out, in order, with the columns of `SKIPPED_COLUMNS`."""
        with closing(self._database.cursor()) as cursor:
            cursor.execute("SELECT * FROM skips ORDER BY rowid")
            while rows := cursor.fetchmany(ROWS_PER_BATCH):
                columns = [*zip(*rows, strict=True), [first_doc] * len(rows)]
                yield pa.record_batch(columns, schema=SKIPPED_COLUMNS)


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
            raise
        raise OutOfSpace(
            "No space is left for the temporary file in which an import remembers ids, so nothing "
            "was imported. Free some, or name another folder with SQLITE_TMPDIR."
        ) from error
