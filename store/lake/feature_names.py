"""Names of features: which number each name of a dictionary from elsewhere has, once and for all.

A label says what a feature is about, and may be another tomorrow. A name is the feature: vectors
that come later mean the same feature by the same name, in every corpus of the lake.
"""

from collections.abc import Iterable, Mapping
from itertools import count

import pyarrow as pa

from saelake.store.errors import InvalidInput
from saelake.store.format.schema import FEATURE_NAMES_COLUMNS
from saelake.store.lake.lake import Lake
from saelake.store.tables.changes import Change
from saelake.store.tables.tables import Table

SCAN_ROWS = 1 << 16


def feature_names(lake: Lake, dictionary: str) -> dict[str, int]:
    """The number of each name, by number; none of a dictionary whose features have numbers only."""
    table = Table.find(lake.feature_names(dictionary))
    return {} if table is None else _read(table)


def claim_names(
    lake: Lake, dictionary: str, names: Iterable[str], *, width: int
) -> Mapping[str, int]:
    """The number of each of these names and of those before, by one commit.

    Names that are new get the next numbers, in their order. Raises `InvalidInput` where there are
    more of them than the `width` has room for.
    """
    table = Table.open_or_create(lake.feature_names(dictionary), FEATURE_NAMES_COLUMNS)
    wanted = list(names)
    known: dict[str, int] = {}

    def decide(snapshot: Table) -> Change | None:
        known.clear()
        known.update(_read(snapshot))
        numbers = count(len(known))
        new = {name: next(numbers) for name in wanted if name not in known}
        check_room(dictionary, len(known) + len(new), width)
        known.update(new)
        if not new:
            return None
        rows = pa.record_batch([list(new.values()), list(new)], schema=FEATURE_NAMES_COLUMNS)
        return Change(add=snapshot.write([rows]))

    table.commit(decide)
    return known


def check_room(dictionary: str, n_names: int, width: int) -> None:
    """Raise `InvalidInput` where a dictionary of this width has no room for so many names."""
    if n_names > width:
        raise InvalidInput(
            f"{dictionary} has room for {width:,} features, and with these there would be "
            f"{n_names:,} names. Import all under another name, with a larger --width.",
            dictionary=dictionary,
        )


def _read(table: Table) -> dict[str, int]:
    return {
        name: number
        for batch in table.scan(FEATURE_NAMES_COLUMNS.names, batch_rows=SCAN_ROWS)
        for number, name in zip(*(column.to_pylist() for column in batch.columns), strict=True)
        if name is not None
    }
