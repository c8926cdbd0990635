"""Seismic's index over rows, asked for the nearest of one row after another.

`python -m benchmarks.peers.seismic_nearest ROWS INDEX` builds the index, unless it is there, and
says what that took. It then reads questions, a line of JSON each, and answers likewise.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from seismic import SeismicIndexRaw

from benchmarks.analyses.rows import Rows
from benchmarks.common.measure import Stretch, print_result, size_bytes

INDEX, BUILT = "rows.seismic", "built.json"
N_KNN, BY_SUMMARY = 0, True  # no graph of neighbours; the likeliest blocks of a list first


def write_dataset(rows: Rows, path: Path) -> None:
    """Seismic's inner format: the number of rows; each row's length, features and values."""
    with path.open("wb") as file:
        file.write(np.uint32(len(rows)).tobytes())
        for row in range(len(rows)):
            features, values = rows.unit(row)
            file.write(np.uint32(len(features)).tobytes())
            file.write(features.astype("<u4").tobytes())
            file.write(values.astype("<f4").tobytes())


def build(rows: Rows, folder: Path) -> None:
    """Build an index with its defaults, on all cores that there are."""
    folder.mkdir(parents=True, exist_ok=True)
    dataset = folder / "rows.bin"
    write_dataset(rows, dataset)
    stretch = Stretch()
    index = SeismicIndexRaw.build(str(dataset))
    taken = stretch.stop()
    index.save(str(folder / INDEX))
    dataset.unlink()
    (folder / BUILT).write_text(json.dumps({**taken, "n_bytes": size_bytes(folder)}))


def main(rows: Rows, folder: Path) -> None:
    if not (folder / BUILT).exists():
        build(rows, folder)
    index = SeismicIndexRaw.load(str(folder / INDEX))
    print_result(**json.loads((folder / BUILT).read_text()))
    for line in sys.stdin:
        asked = json.loads(line)
        begun = time.perf_counter()
        features, values = rows.unit(asked["row"])
        found = index.search(
            features.astype(np.int32),
            values,
            asked["k"],
            asked["query_cut"],
            asked["heap_factor"],
            N_KNN,
            BY_SUMMARY,
        )
        seconds = time.perf_counter() - begun
        print_result(seconds=seconds, rows=[int(row) for _, row in found])


if __name__ == "__main__":
    main(Rows.load(Path(sys.argv[1])), Path(sys.argv[2]))
