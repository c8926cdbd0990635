"""Filters that keep the documents of a value, or of those between two, as people write them."""

from collections.abc import Sequence
from functools import reduce

import numpy as np
import pyarrow as pa
from pyarrow import types

from saelake.store.predicates.moments import Unfit, read_moment
from saelake.store.predicates.names import typed
from saelake.store.query.parts.column_values import ColumnValues

LONGEST = 2000  # characters of a value in a filter; one of more is better selected otherwise


def kept_by(column: ColumnValues, low: str, high: str) -> str | None:
    """The filter of the documents whose value is one of these, or between them.

    Both are text as `ColumnValues.texts` has it. None where no filter can say it: of a very long
    text, and of a time beyond the years that are written.
    """
    name, kind = written(column.path), column.distinct.type
    if max(len(low), len(high)) > LONGEST:
        return None
    if types.is_boolean(kind):
        return name if low == "true" else f"NOT {name}"
    if types.is_floating(kind):
        return _floating(name, kind, low, high)
    if not (_can_be_said(kind, low) and _can_be_said(kind, high)):
        return None
    is_bare = types.is_integer(kind) or types.is_decimal(kind)
    low, high = (value if is_bare else _quoted(value) for value in (low, high))
    return f"{name} = {low}" if low == high else f"{name} >= {low} AND {name} <= {high}"


def written(path: Sequence[str]) -> str:
    """A column, or a field within one, as a filter names it."""
    return ".".join(map(typed, path))


def missing(column: ColumnValues) -> str:
    """The filter of the documents without a value."""
    return f"{written(column.path)} IS NULL"


def nan(column: ColumnValues) -> str:
    """The filter of the documents whose value is no number."""
    return f"isnan({written(column.path)})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _can_be_said(kind: pa.DataType, value: str) -> bool:
    if not (types.is_date(kind) or types.is_timestamp(kind)):
        return True
    try:
        read_moment(value)
    except Unfit:
        return False
    return True


def _floating(name: str, kind: pa.DataType, low: str, high: str) -> str:
    """Infinities have no literals: they are beyond the largest number, where NaN is too."""
    if low == high and low not in ("inf", "-inf"):
        return f"{name} = {low}"
    largest = str(np.finfo(kind.to_pandas_dtype()).max)
    above = {"-inf": (), "inf": (f"{name} > {largest}",)}.get(low, (f"{name} >= {low}",))
    below = {"inf": (), "-inf": (f"{name} < -{largest}",)}.get(high, (f"{name} <= {high}",))
    is_open = "-inf" in (low, high) or "inf" in (low, high)
    parts = [*above, *below, *([f"NOT isnan({name})"] if is_open else [])]
    return reduce("{} AND {}".format, parts)
