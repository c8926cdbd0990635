"""Values in bins between quantiles, of which none parts what is equal."""

import numpy as np

from saelake.store.format.lists import Array


def quantile_bins(counts: Array, n_bins: int) -> Array:
    """The bin of each of some values, ascending, that so many documents have; int64 (n,).

    Bins have as many documents as can be, each edge in the lower one. A value that more than the
    share of a bin has is a bin of its own: so there may be some more, and where many documents have
    one value there are fewer. They are numbered from 0, and none is empty.
    """
    ends = np.cumsum(counts, dtype=np.int64)
    whole = int(counts.sum())
    edges = np.searchsorted(ends, -(-np.arange(1, n_bins + 1) * whole // n_bins))
    heavy = np.flatnonzero(counts > whole / n_bins)
    edges = np.union1d(edges, np.concatenate([heavy, heavy[heavy > 0] - 1]))
    return np.searchsorted(edges, np.arange(len(counts)))
