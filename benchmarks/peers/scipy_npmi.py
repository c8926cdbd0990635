"""NPMI of all pairs of features, by products of sparse matrices, as interp_embed publishes it.

`python -m benchmarks.peers.scipy_npmi ROWS OUT`. Its `calculate_npmi` is no part of the package:
counts are X @ X.T of int matrices (features, documents), and P = (count + 1e-10) / n.
"""

import sys
import time
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from benchmarks.analyses.rows import Rows
from benchmarks.common.measure import Stretch, print_result

SMOOTHING = 1e-10


def matrix(rows: Rows) -> csr_matrix:
    """Which features fire in which documents, int64 (d_sae, n_documents)."""
    fires = (rows.values > 0).astype(np.int64)
    shape = (len(rows), int(rows.d_sae))
    by_document = csr_matrix((fires, rows.features.astype(np.int32), rows.offsets), shape)
    return by_document.T.tocsr()


def npmi(x: csr_matrix) -> csr_matrix:
    """NPMI of the pairs that fire together, float64 (d_sae, d_sae); 1 on the diagonal."""
    n = x.shape[1]
    together = (x @ x.T).tocoo()
    p = (np.asarray(x.sum(axis=1)).ravel() + SMOOTHING) / n
    p_both = (together.data + SMOOTHING) / n
    information = -np.log(p_both)
    gain = np.log(p_both / (p[together.row] * p[together.col]))
    always = information < SMOOTHING
    value = np.where(always, 1.0, gain / np.where(always, 1.0, information))
    found = csr_matrix((value, (together.row, together.col)), shape=together.shape)
    found.setdiag(1.0)
    return found


def main(folder: Path, out: Path) -> None:
    stretch = Stretch()
    x = matrix(Rows.load(folder))
    found = npmi(x)
    taken = stretch.stop()
    begun = time.perf_counter()
    npmi(x)
    print_result(**taken, again_seconds=time.perf_counter() - begun)
    pairs = found.tocoo()
    above = pairs.row < pairs.col
    np.savez(out, a=pairs.row[above], b=pairs.col[above], npmi=pairs.data[above])


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
