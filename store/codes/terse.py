"""Terse rows of codes: as they are stored since nothing is in them twice, and as they are read.

Where rows as they are read (`codes_schema`) have `features`, terse ones have `feature_gaps`: each
feature less the one before it in the row. Where those have `values`, these have `below`: the
maximum is in `max` already, so of each feature only the other values are there, as how far below
it their codes are, which takes fewer bits. Which token has the maximum is told by `positions`: it
is the first of its feature (of equals the earliest), and the others ascend after it. All else is
the same.

Whatever reads codes reads them whole, from tables of either form; the names of the columns tell
which a table has (docs/decisions/033-bytes.md). Rows are made whole by compiled loops; a process
that has not loaded such reads a few rows by NumPy, as to load them takes half a second.
"""

import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from saelake.store.format.lists import Array, Lists, runs
from saelake.store.format.schema import BELOW, FEATURE_GAPS

MANY = 1 << 17  # numbers of a batch for which compiled loops are loaded
KERNELS = "saelake.store.arrays.kernels"

_FIRING = ("max", "counts", "positions", BELOW)
FIRING = (FEATURE_GAPS, *_FIRING)
_NEEDED = {"features": (FEATURE_GAPS,), "positions": _FIRING, "values": _FIRING}
_WHOLE = {FEATURE_GAPS: "features", BELOW: "values"}

Rows = TypeVar("Rows", pa.RecordBatch, pa.Table)


def is_terse(schema: pa.Schema) -> bool:
    """Whether a table's rows are terse."""
    return FEATURE_GAPS in schema.names


def terse_columns(columns: Sequence[str]) -> list[str]:
    """The columns of terse rows from which `whole` makes these."""
    return list(dict.fromkeys(n for name in columns for n in _NEEDED.get(name, (name,))))


def whole_columns(schema: pa.Schema) -> list[str]:
    """The columns of terse rows with this schema when they are whole."""
    return [_WHOLE.get(name, name) for name in schema.names]


def whole(rows: Rows, columns: Sequence[str]) -> Rows:
    """These columns of terse rows that have `terse_columns`, as `codes_schema` says.

    Raises `ValueError` where the lists of a row do not fit each other.
    """
    made: dict[str, pa.Array] = {}
    if "features" in columns:
        gaps = Lists.of(rows[FEATURE_GAPS])
        made["features"] = _lists(gaps.offsets, _summed(gaps))
    if "positions" in columns or "values" in columns:
        maxima, counts, positions, below = (Lists.of(rows[name]) for name in _FIRING)
        arrays = (counts.values, positions.values, maxima.values, below.values)
        _check_fit(counts.values, len(positions.values), len(below.values))
        compiled = _is_compiled(len(positions.values))
        ordered, values = _occurrences(*arrays) if compiled else _ordered(*arrays)
        made["positions"] = _lists(positions.offsets, ordered)
        made["values"] = _lists(positions.offsets, values)
    arrays_ = [made[name] if name in made else rows[name] for name in columns]
    return type(rows).from_arrays(arrays_, names=list(columns))


def occurrences_in(rows: pa.Table, features: Sequence[int]) -> Iterator[tuple[Array, Array, Array]]:
    """Where each of these features (ascending) fires in terse rows with the columns of `FIRING`.

    The rows, int64, positions, int64, and value codes, in the order of rows and positions. Nothing
    else of the rows is made whole. Raises `ValueError` where their lists do not fit each other.
    """
    from saelake.store.arrays.occurrences import occurrences_of  # numba

    gaps, maxima, counts, positions, below = (Lists.of(rows[name]) for name in FIRING)
    _check_fit(counts.values, len(positions.values), len(below.values))
    fits = np.array_equal(below.offsets, positions.offsets - gaps.offsets)
    if not fits or any(not np.array_equal(gaps.offsets, n.offsets) for n in (maxima, counts)):
        raise ValueError("lists of a row do not fit each other")
    row, position, code, begins = occurrences_of(
        np.array(features, np.uint32),
        gaps.offsets,
        positions.offsets,
        gaps.values,
        counts.values,
        positions.values,
        maxima.values,
        below.values,
    )
    for a, b in pairwise(begins.tolist()):
        yield row[a:b], position[a:b], code[a:b]


def terse(rows: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Rows of `codes_schema`, as a table with this schema stores them, terse or not."""
    if not is_terse(schema):
        return rows.select(schema.names)
    features, positions = Lists.of(rows["features"]), Lists.of(rows["positions"])
    maxima, counts, values = (Lists.of(rows[n]).values for n in ("max", "counts", "values"))
    moved, below = _best_first(counts, positions.values, maxima, values)
    gaps, of_gaps = _gaps(features), schema.field(FEATURE_GAPS).type
    rest = positions.offsets - features.offsets  # all but one of each feature
    made = {
        FEATURE_GAPS: Lists(features.offsets, gaps.astype(of_gaps.value_type.to_pandas_dtype())),
        "positions": Lists(positions.offsets, moved),
        BELOW: Lists(rest, below),
    }
    arrays = [
        made[name].to_arrow(schema.field(name).type) if name in made else rows[name]
        for name in schema.names
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _lists(offsets: Array, values: Array) -> pa.ListArray:
    """Lists of numbers that are not null; of one row in a tenth of the time of `Lists.to_arrow`."""
    kind = pa.from_numpy_dtype(values.dtype)
    items = pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(values)])
    bounds = pa.py_buffer(offsets.astype(np.int32))
    type_ = pa.list_(pa.field("item", kind, nullable=False))
    return pa.ListArray.from_buffers(type_, len(offsets) - 1, [None, bounds], children=[items])


def _summed(gaps: Lists) -> Array:
    """The features of which these are the gaps."""
    if _is_compiled(len(gaps.values)):
        from saelake.store.arrays.occurrences import running_sums  # numba

        sums = _room(len(gaps.values), np.dtype(np.uint32))
        running_sums(gaps.offsets, gaps.values, sums)
        return sums
    total = np.concatenate([[0], np.cumsum(gaps.values, dtype=np.uint32)]).astype(np.uint32)
    return total[1:] - np.repeat(total[gaps.offsets[:-1]], gaps.lengths)


def _gaps(features: Lists) -> Array:
    """Each feature less the one before it in its row, uint32."""
    before = np.concatenate([np.zeros(1, np.uint32), features.values])[:-1]
    first = features.offsets[:-1][features.lengths > 0]
    before[first] = 0
    gaps: Array = features.values - before
    return gaps


def _best_first(
    counts: Array, positions: Array, maxima: Array, values: Array
) -> tuple[Array, Array]:
    """Positions with that of each group's maximum first, and how far below it the others are."""
    groups = np.repeat(np.arange(len(counts)), counts)
    distance: Array = maxima[groups] - values
    reached = np.flatnonzero(distance == 0)
    best = reached[runs(groups[reached])]
    others = np.ones(len(values), np.bool_)
    others[best] = False
    moved = np.empty_like(positions)
    heads = np.zeros(len(values), np.bool_)
    heads[np.cumsum(counts, dtype=np.int64) - counts] = True
    moved[heads], moved[~heads] = positions[best], positions[others]
    return moved, distance[others]


def _is_compiled(n: int) -> bool:
    """Whether compiled loops read so many numbers."""
    return n > MANY or KERNELS in sys.modules


def _check_fit(counts: Array, n_positions: int, n_below: int) -> None:
    n_codes = int(counts.sum(dtype=np.int64))
    fits = n_codes == n_positions and n_codes - len(counts) == n_below
    if not fits or (len(counts) and counts.min() == 0):
        raise ValueError("counts are not those of positions")


def _occurrences(
    counts: Array, positions: Array, maxima: Array, below: Array
) -> tuple[Array, Array]:
    from saelake.store.arrays.occurrences import occurrences  # numba

    ordered = _room(len(positions), positions.dtype)
    values = _room(len(positions), maxima.dtype)
    occurrences(counts, positions, maxima, below, ordered, values)
    return ordered, values


def _room(n: int, dtype: np.dtype[Any]) -> Array:
    """An array to be filled, in memory of Arrow, which keeps pages that it had before."""
    return np.frombuffer(pa.allocate_buffer(n * dtype.itemsize), dtype)


def _ordered(counts: Array, positions: Array, maxima: Array, below: Array) -> tuple[Array, Array]:
    """Positions in their order, and value codes: what `_best_first` was made of."""
    n_others = counts.astype(np.int64) - 1
    heads = np.cumsum(n_others + 1) - n_others - 1
    groups = np.repeat(np.arange(len(counts)), n_others)
    first = positions[heads]
    others = np.ones(len(positions), np.bool_)
    others[heads] = False
    at = np.flatnonzero(others)
    is_before = positions[at] < first[groups]
    place, best = at - is_before, heads + np.bincount(groups[is_before], minlength=len(heads))
    ordered, values = np.empty_like(positions), np.zeros(len(positions), maxima.dtype)
    ordered[place], values[place] = positions[at], maxima[groups] - below
    ordered[best], values[best] = first, maxima
    return ordered, values
