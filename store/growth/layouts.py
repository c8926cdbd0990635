"""Points of many dimensions laid out in two: the one file that speaks PaCMAP.

PaCMAP (Wang, Huang, Rudin and Shaposhnik 2021, JMLR 22) keeps near what is near and, by pairs of
middle distance, where groups lie among each other. docs/decisions/042-maps.md has what was
measured.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from saelake.store.format.lists import Array

# PaCMAP sets how many threads there are as it is loaded, and again at work, and leaves it so: what
# a process computes after it would differ in the last digits from what it computed before.
with threadpool_limits(1, "openmp"):
    import pacmap

METHOD, VERSION = "PaCMAP", str(pacmap.__version__)
LEAST = 60  # points that PaCMAP has enough pairs for; of fewer the first two principal components
N_NEIGHBORS = 10
PLACED_BY = "principal components"


def layout_of(n: int) -> str:
    """By which method as many points are laid out."""
    return METHOD if n >= LEAST else PLACED_BY


def laid_out(points: Array, seed: int) -> Array:
    """Where points (n, width) lie in two dimensions, float32 (n, 2), within -1 and 1.

    Equal for equal seeds. Distances have no unit, so that they are scaled alike in both directions.
    """
    if len(points) < LEAST:
        return _scaled(PCA(2, random_state=seed).fit_transform(points))
    with _quiet(), threadpool_limits(1, "openmp"):
        model = pacmap.PaCMAP(n_neighbors=N_NEIGHBORS, apply_pca=False, random_state=seed)
        return _scaled(model.fit_transform(points, init="pca"))


def _scaled(found: Array) -> Array:
    low, high = found.min(axis=0), found.max(axis=0)
    half = max(float((high - low).max()) / 2, 1e-12)
    scaled: Array = ((found - (low + high) / 2) / half).astype(np.float32)
    return scaled


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warning that a seed was set, which is what we asked for."""
    logger = logging.getLogger("pacmap.pacmap")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
