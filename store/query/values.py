"""Which values a column has in a selection, and how many documents have each.

The documents are those that `shares` counts: which are selected and have codes, so that the counts
of both are of the same documents. The values of a column are kept as numbers, and nothing is read
of the documents themselves.
"""

import numpy as np
import pyarrow as pa

from saelake.store.query.parts.column_values import ColumnValues, column_values
from saelake.store.query.parts.left_out import is_encoded, unencoded
from saelake.store.query.parts.said import metadata
from saelake.store.query.parts.tallied import TalliedRows, Tally
from saelake.store.query.parts.value_rows import (
    and_the_rest,
    counted,
    named,
    summed,
    value_rows,
)
from saelake.store.requests.checks import Selection
from saelake.store.requests.values import ValuesQuery
from saelake.store.snapshot.session import Session


def values(session: Session, query: ValuesQuery) -> pa.Table:
    """A row for each value or bin, the other values, NaN and no value, in the query's order.

    The schema's metadata says by, unit, n (documents), n_values (that there are), n_missing and
    n_nan (documents), and `notes`. Raises `InvalidFilter`, `InvalidInput` and `NotFound`.
    """
    selected = session.select(Selection(collection=query.collection, where=query.where))
    column = column_values(session, selected.collection, query.by)
    tally = Tally.of(column, np.flatnonzero(is_encoded(session, selected)))
    rows = value_rows(column, tally, query.by, query.k, query.bins)
    notes = [*summed(tally, rows), *unencoded(session, selected)]
    table = _table(column, and_the_rest(rows.ordered(query.order), tally), int(tally.n[0]))
    return table.replace_schema_metadata(metadata(notes=notes, **counted(tally, query.by)))


def _table(column: ColumnValues, rows: TalliedRows, n: int) -> pa.Table:
    columns = {
        **named(column, rows),
        "n_documents": rows.n,
        "share": rows.n / n if n else rows.n,
        "n_values": rows.n_values,
    }
    answer = {name: columns[name] for name in ValuesQuery.answer.names}
    return pa.Table.from_pydict(answer, schema=ValuesQuery.answer)
