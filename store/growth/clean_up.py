"""Clean up: delete what no reader of the newest states, or of a tagged one, can ask for."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa

from saelake.store.growth.drop import drop_dictionary
from saelake.store.labels.commits import drop_former
from saelake.store.lake.lake import Lake
from saelake.store.lake.names import change_names
from saelake.store.reports import CleanupReport
from saelake.store.tables.tables import Table, drop

DEFAULT_AGE = timedelta(days=7)


def clean_up(
    lake: Lake,
    *,
    older_than: timedelta = DEFAULT_AGE,
    unverified: bool = False,
    former_labels: bool = False,
) -> CleanupReport:
    """Delete states of tables that are older than this, with the files that only they have.

    The newest state of each table stays, and tagged ones; who reads another that long cannot go
    on. Files that were written and not committed go when they are a week old; with `unverified`
    at once, and then nobody may be writing into the lake meanwhile. Collections of a dictionary
    that was replaced longer ago are deleted too. What labels were before stays; with
    `former_labels` it goes where it was replaced longer ago.
    """
    before = datetime.now(UTC) - older_than
    retired = _retired(lake.pinned(), before)
    n_bytes = sum(_drop_retired(lake, tables) for tables in retired)
    n_labels = _drop_former(lake, before) if former_labels else 0
    for table in Table.open_all(map(lake.table, lake.tables())):
        n_bytes += table.clean_up(older_than, unverified=unverified)
    return CleanupReport(size_bytes=n_bytes, retired=retired, n_labels=n_labels)


def _drop_former(lake: Lake, before: datetime) -> int:
    """Forget what labels of all dictionaries were until then; how many."""
    dictionaries = {name.dictionary for name in lake.pinned().collections()}
    at = pa.scalar(before, pa.timestamp("us", "UTC"))
    return sum(drop_former(lake, dictionary, at) for dictionary in sorted(dictionaries))


def _retired(lake: Lake, before: datetime) -> tuple[str, ...]:
    """The dictionaries that lost their name before a time, and of which no tag keeps a state."""
    since = {} if lake.names is None else lake.names.retired
    old = (tables for tables, at in since.items() if at <= before)
    return tuple(t for t in old if not any(s.tags() for s in Table.open_all(_tables(lake, t))))


def _tables(lake: Lake, dictionary: str) -> list[str]:
    """The addresses of all tables that are kept under a dictionary's name."""
    stems = {table: table.partition("--")[2].rpartition(".")[0] for table in lake.tables()}
    return [lake.table(table) for table, stem in stems.items() if stem == dictionary]


def _drop_retired(lake: Lake, dictionary: str) -> int:
    """Delete a dictionary that lost its name; how many bytes its tables had."""
    found = _tables(lake, dictionary)
    n_bytes = sum(table.size_bytes for table in Table.open_all(found))
    for uri in found:
        drop(uri)
    drop_dictionary(lake, dictionary)
    change_names(lake.dictionary_names, lambda names: names.without_retired(dictionary))
    return n_bytes
