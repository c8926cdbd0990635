"""How often a feature fires in the documents of each value of a column.

Shares are of the documents that are selected and have codes, with Wilson's intervals
(`arrays/proportions.py`). A lift is a share over that of all these documents. The test is Pearson's
chi-squared, that the share is the same in every row of the table as it is shown: with the values
that are summed in one row, and without the documents that have no value, or NaN.

The documents in which a feature fires are those of its posting lists, and the values of a column
are kept as numbers: so nothing is read of the documents themselves.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from saelake.store.arrays.proportions import Independence, independence, wilson
from saelake.store.query.parts.column_values import ColumnValues, column_values
from saelake.store.query.parts.holding import holding
from saelake.store.query.parts.left_out import is_encoded, unencoded
from saelake.store.query.parts.said import metadata, plural
from saelake.store.query.parts.tallied import TalliedRows, Tally
from saelake.store.query.parts.value_rows import (
    and_the_rest,
    counted,
    named,
    summed,
    value_rows,
)
from saelake.store.requests.checks import Selection
from saelake.store.requests.shares import SharesQuery
from saelake.store.snapshot.session import Session

TEST = "chi-squared of independence"


def shares(session: Session, query: SharesQuery) -> pa.Table:
    """A row for each value or bin, the other values, NaN and no value, in the query's order.

    The schema's metadata says n (documents), n_firing and their share with its interval, the unit,
    n_values (that there are), n_missing and n_nan (documents), the test and what it found, and
    `notes`. Raises `InvalidExpression`, `InvalidFilter`, `InvalidInput` and `NotFound`.
    """
    selected = session.select(Selection(collection=query.collection, where=query.where))
    firing = holding(session, selected, query.expression)
    column = column_values(session, selected.collection, query.by)
    tally = Tally.of(column, np.flatnonzero(is_encoded(session, selected)), firing)
    rows = value_rows(column, tally, query.by, query.k, query.bins)
    test = independence(rows.n_firing, rows.n)
    notes = [*_notes(tally, rows, test), *unencoded(session, selected)]
    said = metadata(notes=notes, **_said(tally, query), **_tested(rows, test))
    table = _table(column, tally, rows.ordered(query.order), query.level)
    return table.replace_schema_metadata(said)


# -- The rows.


def _table(column: ColumnValues, tally: Tally, values: TalliedRows, level: float) -> pa.Table:
    """The answer, with rows for the documents that have NaN and those that have no value."""
    rows = and_the_rest(values, tally)
    low, high = wilson(rows.n_firing, rows.n, level)
    share = rows.n_firing / rows.n
    lift = share * tally.n[0] / tally.n[1] if tally.n[1] else None
    columns = {
        **named(column, rows),
        "n_documents": rows.n,
        "n_firing": rows.n_firing,
        "share": share,
        "ci_low": low,
        "ci_high": high,
        "lift": pa.nulls(len(rows), pa.float64()) if lift is None else lift,
        "n_values": rows.n_values,
    }
    answer = {name: columns[name] for name in SharesQuery.answer.names}
    return pa.Table.from_pydict(answer, schema=SharesQuery.answer)


# -- What the answer says of itself.


def _said(tally: Tally, query: SharesQuery) -> dict[str, Any]:
    n, n_firing = (int(each) for each in tally.n)
    said: dict[str, Any] = {
        "expression": query.expression.strip(),
        **counted(tally, query.by),
        "n_firing": n_firing,
        "interval": "Wilson",
        "level": query.level,
    }
    if n:
        low, high = wilson(np.array([n_firing]), np.array([n]), query.level)
        said |= {"share": n_firing / n, "ci_low": low[0], "ci_high": high[0]}
    return said


def _tested(rows: TalliedRows, test: Independence | None) -> dict[str, Any]:
    """What the test found; of what cannot be tested, that there is none."""
    if test is None:
        return {"test": "none"}
    return {
        "test": TEST,
        "n_tested": int(rows.n.sum()),
        "chi_squared": test.chi_squared,
        "degrees": test.degrees,
        "p_value": test.p,
        "cramers_v": test.v,
        "small_cells": test.n_small / test.n_cells,
        "least_expected": test.least,
    }


def _notes(tally: Tally, rows: TalliedRows, test: Independence | None) -> Iterator[str]:
    yield from summed(tally, rows, ", and count in the test as one")
    if test is not None and test.is_rough:
        yield (
            f"In {test.n_small} of {test.n_cells} cells of the table fewer than 5 documents are "
            f"expected (in one {test.least:.2g}), so the p-value is rough: fewer values (k) or "
            "bins, or more documents, make it better."
        )
    n_left = int(tally.missing[0] + tally.nan[0])
    if test is not None and n_left:
        without = "a value" if not tally.nan[0] else "a number"
        are = plural(n_left, f"document without {without} is", f"documents without {without} are")
        yield f"{are} not in the test."
