"""milvus-lite's sparse index over the first rows, asked as `seismic_nearest` is.

`python -m benchmarks.peers.milvus_nearest ROWS FOLDER N_ROWS`. Its index of inner products is
exact: of drop_ratio_search and drop_ratio_build it takes only 0.
"""

import json
import sys
import time
from pathlib import Path

from pymilvus import DataType, MilvusClient

from benchmarks.analyses.rows import Rows
from benchmarks.common.measure import Stretch, print_result, size_bytes

NAME, FIELD = "rows", "embedding"
BATCH = 500
Vector = dict[int, float]


def vector(rows: Rows, row: int) -> Vector:
    """A row as milvus takes it."""
    features, values = rows.unit(row)
    return dict(zip(features.tolist(), values.tolist(), strict=True))


def build(client: MilvusClient, rows: Rows) -> None:
    """Insert all rows, and index them."""
    schema = client.create_schema(auto_id=False)
    schema.add_field("row", DataType.INT64, is_primary=True)
    schema.add_field(FIELD, DataType.SPARSE_FLOAT_VECTOR)
    index = client.prepare_index_params()
    index.add_index(FIELD, index_type="SPARSE_INVERTED_INDEX", metric_type="IP")
    client.create_collection(NAME, schema=schema)
    for first in range(0, len(rows), BATCH):
        numbers = range(first, min(first + BATCH, len(rows)))
        client.insert(NAME, [{"row": row, FIELD: vector(rows, row)} for row in numbers])
    client.flush(NAME)
    client.create_index(NAME, index)
    client.load_collection(NAME)


def main(rows: Rows, folder: Path) -> None:
    client = MilvusClient(str(folder / "milvus.db"))
    stretch = Stretch()
    build(client, rows)
    print_result(**stretch.stop(), n_bytes=size_bytes(folder))
    for line in sys.stdin:
        asked = json.loads(line)
        begun = time.perf_counter()
        query = vector(rows, asked["row"])
        (found,) = client.search(NAME, data=[query], anns_field=FIELD, limit=asked["k"])
        seconds = time.perf_counter() - begun
        print_result(seconds=seconds, rows=[int(hit["row"]) for hit in found])


if __name__ == "__main__":
    main(Rows.load(Path(sys.argv[1])).first(int(sys.argv[3])), Path(sys.argv[2]))
