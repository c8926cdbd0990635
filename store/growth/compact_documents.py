"""Compact documents: small fragments become one, and of deleted documents the number is left.

A document's number is its row, so rows stay in place and in order.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from saelake.store.documents.documents import Documents
from saelake.store.errors import Conflict
from saelake.store.format.lists import Array
from saelake.store.format.schema import REPLACES
from saelake.store.growth.compacted import compacted
from saelake.store.reports import Compacted
from saelake.store.tables.changes import Change, Draft, Fragment
from saelake.store.tables.drafts import ROWS_PER_FRAGMENT
from saelake.store.tables.tables import Table

SCAN_ROWS = 256
KEPT = ("doc", REPLACES)  # of a deleted document: what it replaced must stay replaced
ID_ROWS = 65_536


def last_small(fragments: Sequence[Fragment]) -> tuple[Fragment, ...]:
    """The small fragments of documents at the table's end, which become one.

    Only there: what is written anew comes last in a table, and documents must stay in order.
    """
    small: list[Fragment] = []
    for fragment in reversed(fragments):
        if fragment.n_rows >= ROWS_PER_FRAGMENT // 2:
            break
        small.append(fragment)
    return tuple(reversed(small)) if len(small) > 1 else ()


def compact_documents(documents: Documents) -> Compacted:
    """Merge the small fragments at the end, and blank deleted documents, by one commit."""
    table, deleted = documents.table, documents.tombstones.docs
    merged = {fragment.id for fragment in last_small(table.fragments)}
    blank = {i: n for i, n in _n_named(table, deleted) if n}
    add = table.write(_blanked(table, merged, deleted)) if merged else Draft(())
    instead = {
        i: table.write(_blanked(table, {i}, deleted), one_fragment=True)
        for i in blank
        if i not in merged
    }
    change = Change(add=add, remove=tuple(merged), instead=instead)

    def decide(snapshot: Table) -> Change | None:
        if snapshot.column_files != table.column_files:  # also where values were set in some
            raise Conflict(
                f"{documents.corpus}: documents were imported or compacted, or values of columns "
                "set, at the same time. Run the same command again.",
                corpus=documents.corpus,
            )
        return change

    if not (merged or blank):
        return compacted(documents.corpus, table, table, 0)
    after = table.commit(decide)
    if table.has_words("text"):
        after.index_words("text")
    return compacted(documents.corpus, table, after, sum(blank.values()))


def _n_named(table: Table, deleted: Array) -> Iterator[tuple[int, int]]:
    """Each fragment of documents, and how many of its deleted documents still have their id."""
    first = 0
    for fragment in table.fragments:
        last = first + fragment.n_rows
        n = 0
        if ((deleted >= first) & (deleted < last)).any():
            batches = table.scan(["doc", "id"], fragments=[fragment.id], batch_rows=ID_ROWS)
            named = (batch.filter(pc.is_valid(batch["id"])) for batch in batches)
            n = sum(int(np.isin(np.asarray(batch["doc"]), deleted).sum()) for batch in named)
        yield fragment.id, n
        first = last


def _blanked(table: Table, fragments: Iterable[int], deleted: Array) -> Iterator[pa.RecordBatch]:
    """The documents of these fragments, the deleted ones with their numbers alone."""
    wanted = set(fragments)
    for batch in table.scan(table.schema.names, fragments=wanted, batch_rows=SCAN_ROWS):
        gone = pa.array(np.isin(np.asarray(batch["doc"]), deleted))
        columns = [
            column if name in KEPT else pc.if_else(gone, pa.scalar(None, column.type), column)
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        ]
        at = batch.schema.get_field_index("text")
        columns[at] = pc.fill_null(columns[at], "")
        yield pa.RecordBatch.from_arrays(columns, schema=batch.schema)
