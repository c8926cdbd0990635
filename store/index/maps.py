"""Maps: where each document, or feature, of a collection lies in two dimensions.

A map is made once and stored (`store.growth.maps`): a row for each point, and how it was made in
the schema's metadata. Who reads it needs nothing of what made it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from saelake.store.format.lists import Array
from saelake.store.tables.tables import Table, metadata, overwrite

DOCUMENTS, FEATURES = "documents", "features"
MAP_KEY = "saelake:map"
POINT_BYTES = 20
COLUMNS = (
    pa.field("row", pa.uint64()),
    pa.field("x", pa.float32()),
    pa.field("y", pa.float32()),
    pa.field("cluster", pa.uint32()),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MapMade:
    """How a map was made: of what, by which version of which library, from which random start.

    `n` points, of which `n_fitted` were laid out and the others placed among those nearest to them;
    `n_silent` documents had codes and are not on it, as nothing fires in them. `codes` tells the
    codes that it was made of from later ones; `made` is when, as ISO 8601 has it.
    """

    of: str
    method: str
    version: str
    seed: int
    n: int
    n_fitted: int
    n_clusters: int
    n_silent: int
    codes: str
    made: str


@dataclass(frozen=True, kw_only=True)
class MapTable:
    """A map in memory: `row` uint64 ascending, `x` and `y` float32, `cluster` uint32 (n,)."""

    table: Table
    made: MapMade
    row: Array
    x: Array
    y: Array
    cluster: Array

    @classmethod
    def read(cls, table: Table) -> "MapTable":
        """The map that a table has."""
        said: Mapping[str, Any] = json.loads(metadata(table.schema)[MAP_KEY])
        whole = table.read([field.name for field in COLUMNS]).sort_by("row")
        arrays = {name: whole[name].to_numpy() for name in whole.column_names}
        return cls(table=table, made=MapMade(**said), **arrays)

    def __len__(self) -> int:
        return len(self.row)

    @property
    def n_bytes(self) -> int:
        """About how much memory it takes."""
        return POINT_BYTES * len(self)

    def at(self, rows: Array) -> Array:
        """Where in the map these documents or features are, int64; -1 for those that are not."""
        at = np.minimum(np.searchsorted(self.row, rows), len(self) - 1)
        return np.where(self.row[at] == rows, at, -1)


def write_map(uri: str, made: MapMade, points: Mapping[str, Array]) -> None:
    """Replace a map by one commit; the former stays until then."""
    said = {MAP_KEY: json.dumps(asdict(made))}
    schema = pa.schema(COLUMNS, metadata=said)
    arrays = [pa.array(points[field.name], field.type) for field in COLUMNS]
    overwrite(uri, pa.Table.from_arrays(arrays, schema=schema))
