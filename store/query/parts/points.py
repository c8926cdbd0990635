"""Documents as points: in the singular vectors of what fires in them, fitted on a sample.

Rows are values times a weight of each feature, of length 1; points are their projections on the
singular vectors 2 to 50 (the first is what all documents have in common), of length 1 again.
docs/decisions/008-clusters.md has what was measured.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.utils.extmath import randomized_svd

from saelake.store.codes.embeddings import Block
from saelake.store.errors import InvalidInput
from saelake.store.format.lists import Array, concatenate
from saelake.store.snapshot.selection import Selected

N_VECTORS = 50
SVD_ROUNDS = 4
SAMPLE_DOCUMENTS = 20_000  # that the directions are fitted on, or fewer:
SAMPLE_VALUES = 1 << 25  # of these documents' embeddings, about 0.6 GB while they are fitted
LEAST_LENGTH = np.float32(1e-5)  # of a projected unit vector; what is shorter is rounding


@dataclass(frozen=True, slots=True)
class Kept:
    """The documents in which some chosen feature fires, with only these features."""

    chosen: Array

    def __call__(self, block: Block) -> Block:
        """The block without what is not kept."""
        narrowed = block.within(self.chosen)
        return narrowed[np.flatnonzero(np.diff(narrowed.offsets))]


@dataclass(frozen=True, slots=True)
class Used:
    """The documents that are kept, uint64 (n,) ascending, and how many values they have."""

    doc: Array
    n_values: int

    @classmethod
    def of(cls, blocks: Iterator[Block]) -> "Used":
        """Those of these blocks."""
        parts = [(block.doc, len(block.values)) for block in blocks]
        docs = np.sort(concatenate((doc for doc, _ in parts), np.uint64))
        return cls(docs, sum(n for _, n in parts))

    def sample(self, selected: Selected, n_least: int, seed: int) -> Selected:
        """All, or as many as can be fitted on, each as likely as every other."""
        n = len(self.doc)
        size = max(min(SAMPLE_DOCUMENTS, SAMPLE_VALUES * n // self.n_values), n_least)
        if n <= size:
            return selected
        mask = np.zeros(selected.collection.documents.n_documents, np.bool_)
        mask[np.random.default_rng(seed).choice(self.doc, size, replace=False)] = True
        return Selected(selected.collection, mask)


def ascending(blocks: Sequence[Block]) -> Block:
    """All rows by document, so that clusters do not depend on where documents are stored."""
    block = Block.joined(blocks)
    return block[np.argsort(block.doc)]


def matrix(block: Block, weights: Array) -> sparse.csr_matrix:
    """The weighted rows, each of length 1."""
    values = block.values * weights[block.features]
    length = np.sqrt(np.bincount(block.rows, values.astype(np.float64) ** 2, len(block)))
    values = values / np.maximum(length, 1e-30)[block.rows]
    shape = (len(block), len(weights))
    return sparse.csr_matrix((values.astype(np.float32), block.features, block.offsets), shape)


def singular(sample: Block, weights: Array, seed: int) -> "Projection":
    """The projection on the sample's singular vectors, without the first."""
    x = matrix(sample, weights)
    n_vectors = min(N_VECTORS, min(x.shape) - 1)
    if n_vectors < 2:
        raise InvalidInput("Three documents and three features are the least to make clusters of.")
    _, _, directions = randomized_svd(x, n_vectors, n_iter=SVD_ROUNDS, random_state=seed)
    return Projection(weights, np.ascontiguousarray(directions[1:].T))


@dataclass(frozen=True, slots=True)
class Projection:
    """Documents as points on a sphere: `directions` float32 (d_sae, n)."""

    weights: Array
    directions: Array

    def __call__(self, block: Block) -> Array:
        """Float32 (n_documents, n)."""
        points: Array = matrix(block, self.weights) @ self.directions
        length = np.linalg.norm(points, axis=1, keepdims=True)
        unit: Array = points / np.maximum(length, LEAST_LENGTH)
        return unit
