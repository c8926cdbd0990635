"""Vectors of automatic labels: what the documents in which a feature is strong are about.

The covariance, over the corpus, of the feature's standardised value with the documents' dense
embeddings, without the direction that all documents share. Its inner product with a phrase's
embedding says how much more the documents in which the feature is strong are about the phrase; its
length is the evidence, so it is not made 1 (docs/decisions/007-labels.md has what was measured).
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from saelake.store.codes.embeddings import Block
from saelake.store.format.lists import Array
from saelake.store.index.vectors import Vectors
from saelake.store.requests.checks import Selection
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.session import Session

MIN_DOCUMENTS = 5  # in which a feature fires that may have a vector,
MIN_DEVIATION = 0.01  # and over all documents, of its usual value where it fires


def label_vectors(session: Session, collection: Collection, vectors: Vectors) -> dict[int, Array]:
    """The label vector of each feature that has enough evidence, float32 (width,)."""
    selected = session.select(Selection(collection=str(collection.name)))
    mean = vectors.index.vectors.mean(axis=0, dtype=np.float64)
    work = _Moments(selected.width, vectors, mean)
    total = sum(
        session.embeddings.map(selected, work), _EmbeddingSums.zero(selected.width, vectors.width)
    )
    n = max(total.n, 1)
    deviation = np.sqrt(np.maximum(total.square / n - (total.sum / n) ** 2, 0))
    usual = np.abs(total.sum) / np.maximum(total.fires, 1)
    enough = (total.fires >= MIN_DOCUMENTS) & (deviation > MIN_DEVIATION * usual)
    common = mean / max(float(np.linalg.norm(mean)), 1e-12)
    found = {}
    for feature in np.flatnonzero(enough):
        covariance = total.products[feature] / n / deviation[feature]
        found[int(feature)] = (covariance - (covariance @ common) * common).astype(np.float32)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _EmbeddingSums:
    """Sums over documents by feature (d_sae,), and times their centred embedding (d_sae, width)."""

    n: int
    fires: Array
    sum: Array
    square: Array
    products: Array

    @classmethod
    def zero(cls, d_sae: int, width: int) -> "_EmbeddingSums":
        return cls(
            n=0,
            fires=np.zeros(d_sae, np.int64),
            sum=np.zeros(d_sae),
            square=np.zeros(d_sae),
            products=np.zeros((d_sae, width)),
        )

    def __add__(self, other: "_EmbeddingSums") -> "_EmbeddingSums":
        return _EmbeddingSums(
            n=self.n + other.n,
            fires=self.fires + other.fires,
            sum=self.sum + other.sum,
            square=self.square + other.square,
            products=self.products + other.products,
        )


@dataclass(frozen=True, slots=True)
class _Moments:
    """Sums of values over the documents of a block that have a dense embedding."""

    d_sae: int
    vectors: Vectors
    mean: Array

    def __call__(self, block: Block) -> _EmbeddingSums:
        block = block[np.flatnonzero(np.isin(block.doc, self.vectors.rows))]
        values = block.values.astype(np.float64)
        centred = self.vectors.of(block.doc).astype(np.float64) - self.mean
        shape = (len(block), self.d_sae)
        matrix = sparse.csr_matrix((values, block.features, block.offsets), shape)
        return _EmbeddingSums(
            n=len(block),
            fires=np.bincount(block.features, minlength=self.d_sae),
            sum=np.bincount(block.features, values, self.d_sae),
            square=np.bincount(block.features, values**2, self.d_sae),
            products=np.asarray(matrix.T @ centred),
        )
