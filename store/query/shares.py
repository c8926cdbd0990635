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
from saelake.store.errors import InvalidInput
from saelake.store.query.parts import kept_by
from saelake.store.query.parts.column_values import ColumnValues, column_values
from saelake.store.query.parts.holding import holding
from saelake.store.query.parts.left_out import is_encoded, unencoded
from saelake.store.query.parts.said import metadata, plural
from saelake.store.query.parts.tallied import NOWHERE, TalliedRows, Tally
from saelake.store.requests.checks import Selection
from saelake.store.requests.shares import SharesQuery
from saelake.store.snapshot.session import Session

FEW_VALUES = 20  # that numbers and times may have before they are put into bins
BINS = 10
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
    rows = _rows(column, tally, query)
    test = independence(rows.n_firing, rows.n)
    notes = [*_notes(tally, rows, test), *unencoded(session, selected)]
    said = metadata(notes=notes, **_said(tally, query), **_tested(rows, test))
    table = _table(column, tally, rows.ordered(query.order), query.level)
    return table.replace_schema_metadata(said)


def _rows(column: ColumnValues, tally: Tally, query: SharesQuery) -> TalliedRows:
    """The values, or bins of them."""
    if query.bins is not None and not column.are_ordered:
        raise InvalidInput(
            f"{query.by} has values of type {column.distinct.type}, and bins are of numbers and "
            "times: leave out bins.",
            column=query.by,
        )
    if column.are_ordered and len(tally.places) > (query.bins or FEW_VALUES):
        return TalliedRows.of_bins(tally, query.bins or BINS)
    return TalliedRows.of_values(tally, query.k)


# -- The rows.


def _table(column: ColumnValues, tally: Tally, values: TalliedRows, level: float) -> pa.Table:
    """The answer, with rows for the documents that have NaN and those that have no value."""
    rows = values.and_one("nan", tally.nan, 1).and_one("missing", tally.missing, 0)
    low, high = wilson(rows.n_firing, rows.n, level)
    share = rows.n_firing / rows.n
    lift = share * tally.n_documents / tally.n_fires if tally.n_fires else None
    columns = {
        **_named(column, rows),
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


def _named(column: ColumnValues, rows: TalliedRows) -> dict[str, list[str | None]]:
    """What each row is called, of which kind it is, its ends, and the filter that keeps it."""
    own = np.flatnonzero(rows.first != NOWHERE)
    ends = zip(column.texts(rows.first[own]), column.texts(rows.last[own]), strict=True)
    columns: dict[str, list[str | None]] = {
        "kind": rows.kind.tolist(),
        **{name: [None] * len(rows) for name in ("value", "low", "high", "where")},
    }
    for at, (low, high) in zip(own, ends, strict=True):
        columns["value"][at] = column.called(low, high)
        columns["where"][at] = kept_by.kept_by(column, low, high)
        if column.are_ordered:
            columns["low"][at], columns["high"][at] = low, high
    for kind, written in (("nan", kept_by.nan), ("missing", kept_by.missing)):
        for at in np.flatnonzero(rows.kind == kind):
            columns["where"][at] = written(column)
    return columns


# -- What the answer says of itself.


def _said(tally: Tally, query: SharesQuery) -> dict[str, Any]:
    n, n_firing = tally.n_documents, tally.n_fires
    said: dict[str, Any] = {
        "expression": query.expression.strip(),
        "by": query.by,
        "unit": "document",
        "n": n,
        "n_firing": n_firing,
        "n_values": len(tally.places),
        "n_missing": tally.missing[0],
        "n_nan": tally.nan[0],
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
    if others := int(rows.n_values[rows.kind == "others"].sum()):
        yield (
            f"{others:,} of {len(tally.places):,} values, those with the fewest documents, are "
            "summed in one row, and count in the test as one."
        )
    if test is not None and test.is_rough:
        yield (
            f"In {test.n_small} of {test.n_cells} cells of the table fewer than 5 documents are "
            f"expected (in one {test.least:.2g}), so the p-value is rough: fewer values (k) or "
            "bins, or more documents, make it better."
        )
    n_left = tally.missing[0] + tally.nan[0]
    if test is not None and n_left:
        without = "a value" if not tally.nan[0] else "a number"
        are = plural(n_left, f"document without {without} is", f"documents without {without} are")
        yield f"{are} not in the test."
