"""Codes of signed dictionaries from before rows had poles, read as if they did.

A row of such a collection has a feature once, with all its values as they are. Read by pole, it is
two features: its values above 0, and the magnitudes of those below (see `format.poles`), each with
its own maximum. That takes the values where else a document's maxima are enough, and so is slower;
but whatever reads codes knows one form of them (docs/decisions/017-poles.md).
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa

from saelake.store.format.lists import Array, Lists, runs
from saelake.store.format.schema import CollectionSettings

BY_POLE = ("features", "max", "counts", "positions", "values")
_NEEDED = ("features", "counts", "values")

Rows = TypeVar("Rows", pa.RecordBatch, pa.Table)


def stored_columns(columns: Sequence[str], settings: CollectionSettings) -> list[str]:
    """The columns of stored rows from which `by_pole` makes these."""
    if _is_as_stored(columns, settings):
        return list(columns)
    kept = [name for name in columns if name != "max"]
    return [*kept, *(name for name in _NEEDED if name not in kept)]


def by_pole(rows: Rows, columns: Sequence[str], settings: CollectionSettings) -> Rows:
    """These columns of stored rows that have `stored_columns`, by pole.

    Poles ascend in a row, and positions in a pole.
    """
    if _is_as_stored(columns, settings):
        return rows
    features, counts = Lists.of(rows["features"]), Lists.of(rows["counts"]).values
    values = Lists.of(rows["values"])
    pole = np.repeat(features.values, counts)
    below = values.values < 0
    pole[below] += np.uint32(settings.d_sae)
    order = _in_rows(values.rows, below)
    pole, strength = pole[order], np.abs(values.values[order])
    heads = runs(values.rows.astype(np.int64) << 32 | pole)
    ends = np.searchsorted(heads, values.offsets)  # a row's values stay in its place
    made = {
        "features": Lists(ends, pole[heads]),
        "counts": Lists(ends, np.diff(np.append(heads, len(pole))).astype(counts.dtype)),
        "values": Lists(values.offsets, strength),
    }
    if "max" in columns:
        maxima = np.maximum.reduceat(strength, heads) if len(heads) else strength
        made["max"] = Lists(ends, maxima)
    if "positions" in columns:
        made["positions"] = Lists(values.offsets, Lists.of(rows["positions"]).values[order])
    kinds = {name: rows.schema.field(name).type for name in made if name in rows.schema.names}
    kinds["max"] = kinds["values"]
    arrays = [made[n].to_arrow(kinds[n]) if n in made else rows[n] for n in columns]
    return type(rows).from_arrays(arrays, names=list(columns))


def _is_as_stored(columns: Sequence[str], settings: CollectionSettings) -> bool:
    """Whether there is nothing to tell apart."""
    return settings.by_pole or not settings.signed or not set(columns) & set(BY_POLE)


def _in_rows(row: Array, below: Array) -> Array:
    """The order in which each row's values above 0 come before its others; else as they were."""
    key = 2 * row + below
    kind = np.uint16 if len(key) and key[-1] < 1 << 16 else np.uint32  # sorted by radix
    return np.argsort(key.astype(kind), kind="stable")
