"""Names of dictionaries: which tables a name means, so that a name can be given to others.

A dictionary's tables are kept under its name, unless that was replaced: then the table of names
says under which. A name that means other tables changes for all readers by one commit. Tables
that lost their name are *retired*: nobody finds them, until `cleanup` deletes them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, count

import pyarrow as pa

from saelake.store.format.schema import NAMES_COLUMNS
from saelake.store.tables.changes import Change
from saelake.store.tables.seen import ABSENT
from saelake.store.tables.tables import Table


@dataclass(frozen=True, slots=True)
class Names:
    """A snapshot: `meant` maps replaced names to tables, `retired` tables to since when."""

    meant: Mapping[str, str] = field(default_factory=dict)
    retired: Mapping[str, datetime] = field(default_factory=dict)
    pin: str = field(default=ABSENT, compare=False)  # the snapshot that these are of

    def tables_of(self, name: str) -> str:
        """Under which name the tables of a dictionary are, or will be when it is made."""
        if name in self.meant:
            return self.meant[name]
        taken = {*self.meant.values(), *self.retired}
        free = chain([name], (f"{name}--{n}" for n in count(2)))  # no name has two hyphens
        return next(tables for tables in free if tables not in taken)

    def name_of(self, tables: str) -> str | None:
        """The name that means these tables; None when they are retired."""
        for name, meant in self.meant.items():
            if meant == tables:
                return name
        name = tables.partition("--")[0]
        return name if self.tables_of(name) == tables else None

    def replaced(self, old: str, new: str, now: datetime) -> "Names":
        """The names when `old` means what `new` did, and `new` nothing yet."""
        meant = {name: tables for name, tables in self.meant.items() if name != new}
        meant[old] = self.tables_of(new)
        return Names(meant, {**self.retired, self.tables_of(old): now})

    def without_name(self, name: str) -> "Names":
        """The names when one means nothing yet."""
        return Names({n: t for n, t in self.meant.items() if n != name}, self.retired)

    def without_retired(self, tables: str) -> "Names":
        """The names when retired tables are deleted."""
        return Names(self.meant, {t: at for t, at in self.retired.items() if t != tables})


def read_names(uri: str) -> Names:
    """The newest names; none of a lake in which none was replaced."""
    table = Table.find(uri)
    return Names() if table is None else _names(table)


def change_names(uri: str, change: Callable[[Names], Names]) -> None:
    """Change the names by one commit. `change` is asked again when others are faster."""

    def decide(snapshot: Table) -> Change | None:
        before = _names(snapshot)
        after = change(before)
        if after == before:
            return None
        old = tuple(fragment.id for fragment in snapshot.fragments)
        return Change(add=snapshot.write([_rows(after)]), remove=old)

    Table.open_or_create(uri, NAMES_COLUMNS).commit(decide)


def _names(table: Table) -> Names:
    rows = [row for batch in table.scan(NAMES_COLUMNS.names) for row in batch.to_pylist()]
    rows = [row for row in rows if row["tables"] is not None]
    meant = {row["name"]: row["tables"] for row in rows if row["name"] is not None}
    retired = {row["tables"]: row["retired"] for row in rows if row["name"] is None}
    return Names(meant, retired, table.pin)


def _rows(names: Names) -> pa.RecordBatch:
    meant = [(name, tables, None) for name, tables in names.meant.items()]
    retired = [(None, tables, at) for tables, at in names.retired.items()]
    nothing = (None, None, None)  # so that the table always has a fragment to swap by
    listed = [nothing, *meant, *retired]
    rows = [dict(zip(NAMES_COLUMNS.names, row, strict=True)) for row in listed]
    return pa.RecordBatch.from_pylist(rows, schema=NAMES_COLUMNS)
