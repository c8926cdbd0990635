"""What compacting did to a table."""

from collections.abc import Callable

from saelake.store.reports import Compacted
from saelake.store.tables.tables import Table

Progress = Callable[[int, int], object]


def compacted(name: str, before: Table, after: Table, n_removed: int) -> Compacted:
    """What is between two snapshots of a table."""
    n_before, n_after = len(before.fragments), len(after.fragments)
    return Compacted(table=name, n_before=n_before, n_after=n_after, n_removed=n_removed)
