"""Rows of the values of a column, or of bins of them, as answers have them."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from saelake.store.errors import InvalidInput
from saelake.store.query.parts import kept_by
from saelake.store.query.parts.column_values import ColumnValues
from saelake.store.query.parts.tallied import NOWHERE, TalliedRows, Tally

FEW_VALUES = 20  # that numbers and times may have before they are put into bins
BINS = 10


def value_rows(
    column: ColumnValues, tally: Tally, by: str, k: int | None, bins: int | None
) -> TalliedRows:
    """The `k` values with the most documents and the others; of many numbers or times, bins.

    `by` is what the column is called in an error. Raises `InvalidInput`.
    """
    if bins is not None and not column.are_ordered:
        raise InvalidInput(
            f"{by} has values of type {column.distinct.type}, and bins are of numbers and times: "
            "leave out bins.",
            column=by,
        )
    if column.are_ordered and len(tally.places) > (bins or FEW_VALUES):
        return TalliedRows.of_bins(tally, bins or BINS)
    return TalliedRows.of_values(tally, k)


def and_the_rest(rows: TalliedRows, tally: Tally) -> TalliedRows:
    """With rows for the documents that have NaN and those that have no value."""
    return rows.and_one("nan", tally.nan, 1).and_one("missing", tally.missing, 0)


def named(column: ColumnValues, rows: TalliedRows) -> dict[str, list[Any]]:
    """What each row is called, of which kind it is, its ends, and the filter that keeps it."""
    own = np.flatnonzero(rows.first != NOWHERE)
    ends = zip(column.texts(rows.first[own]), column.texts(rows.last[own]), strict=True)
    columns: dict[str, list[Any]] = {
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


def counted(tally: Tally, by: str) -> dict[str, Any]:
    """What an answer says of the documents: how many, of how many values, and those of none."""
    return {
        "by": by,
        "unit": "document",
        "n": int(tally.n[0]),
        "n_values": len(tally.places),
        "n_missing": int(tally.missing[0]),
        "n_nan": int(tally.nan[0]),
    }


def summed(tally: Tally, rows: TalliedRows, more: str = "") -> Iterator[str]:
    """That the values which are not shown are one row; `more` is what else is to be said of it."""
    if others := int(rows.n_values[rows.kind == "others"].sum()):
        yield (
            f"{others:,} of {len(tally.places):,} values, those with the fewest documents, are "
            f"summed in one row{more}."
        )
