"""Feature frequencies of two halves, by interp_embed's `Dataset`.

`python -m benchmarks.peers.interp_embed_diff ROWS OUT`. The package on PyPI has the embeddings
(`Dataset.latents`) and no diff. What its published `diff_features` does with them is done here:
the mean of each column of both dense matrices, a mask by coverage, and a sorted data frame.
"""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from interp_embed import Dataset
from interp_embed.dataset_analysis import DatasetRow
from scipy.sparse import csr_matrix

from benchmarks.analyses.rows import Array, Rows
from benchmarks.common.measure import Stretch, print_result

MIN_COVERAGE, MAX_COVERAGE = 0.0, 1.0


def dataset(rows: Rows, chosen: Array) -> Dataset:
    """These rows, as it holds them after an encode: one matrix a document."""
    data, made = [], []
    for row in chosen.tolist():
        span = slice(rows.offsets[row], rows.offsets[row + 1])
        own = (rows.values[span], rows.features[span].astype(np.int32), [0, span.stop - span.start])
        embedding = csr_matrix(own, shape=(1, int(rows.d_sae)))
        record = {"text": str(row)}
        made.append(
            DatasetRow(
                row=record,
                tokenized_document=[record["text"]],
                activations=embedding,
                aggregate_activations={"max": embedding},
            )
        )
        data.append(record)
    return Dataset(data, None, rows=made, compute_activations=False)


def frequencies(one: Dataset) -> Array:
    """In what share of the documents each feature fires."""
    fires = one.latents("binarize")
    share: Array = fires.sum(axis=0) / fires.shape[0]
    return share


def diff(a: Dataset, b: Dataset) -> Any:
    """The features by the difference of their frequencies, largest first."""
    share_a, share_b = frequencies(a), frequencies(b)
    least, most = np.minimum(share_a, share_b), np.maximum(share_a, share_b)
    kept = (least >= MIN_COVERAGE) & (most <= MAX_COVERAGE)
    table = pd.DataFrame(
        {
            "feature": np.flatnonzero(kept),
            "a": share_a[kept],
            "b": share_b[kept],
            "difference": (share_a - share_b)[kept],
        }
    )
    return table.sort_values(["difference", "a"], ascending=False, ignore_index=True)


def main(folder: Path, out: Path) -> None:
    stretch = Stretch()
    rows = Rows.load(folder)
    a, b = (dataset(rows, np.flatnonzero(half)) for half in (rows.half, ~rows.half))
    found = diff(a, b)
    taken = stretch.stop()
    begun = time.perf_counter()
    diff(a, b)
    print_result(**taken, again_seconds=time.perf_counter() - begun)
    found = found[(found["a"] > 0) | (found["b"] > 0)]
    np.savez(out, **{name: found[name].to_numpy() for name in found.columns})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
