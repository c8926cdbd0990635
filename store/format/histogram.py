"""The intervals of a feature's values that are counted: half octaves."""

import numpy as np

from saelake.store.format.lists import Array

N_BINS = 64
MIN_LOG2_BIN = -16  # bin i counts the absolute values in [2^(i/2 - 16), 2^((i+1)/2 - 16))


def bin_edges() -> Array:
    """The histogram's edges, float64 (N_BINS + 1,); the outer bins also count all beyond."""
    edges: Array = np.exp2(np.arange(N_BINS + 1) / 2 + MIN_LOG2_BIN)
    return edges


def bins(values: Array) -> Array:
    """The histogram bin of each value, int64 (n,)."""
    halves: Array = np.floor(2 * (np.log2(np.abs(values)) - MIN_LOG2_BIN))
    return np.clip(halves, 0, N_BINS - 1).astype(np.int64)
