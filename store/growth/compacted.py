"""What compacting did to a table."""

from collections.abc import Callable
from dataclasses import dataclass

from saelake.store.tables.tables import Table

Progress = Callable[[int, int], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """Of one table the fragments before and after, and how many documents were taken out."""

    table: str
    n_before: int
    n_after: int
    n_removed: int

    @classmethod
    def of(cls, name: str, before: Table, after: Table, n_removed: int) -> "Compacted":
        """What is between two snapshots."""
        n_before, n_after = len(before.fragments), len(after.fragments)
        return cls(table=name, n_before=n_before, n_after=n_after, n_removed=n_removed)
