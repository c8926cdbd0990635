"""How much of each feature's activation is on which word."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from saelake.store.format.lists import Array, concatenate

WAITING = 1 << 22  # masses that are added up at a time


class WordMasses:
    """The sum of the magnitudes of each feature's values, by word; words are numbers.

    Memory is that of the pairs of a feature and a word that there are, and of `WAITING` more.
    """

    def __init__(self) -> None:
        self._sums = sparse.csr_array((0, 0), dtype=np.float64)  # features by words
        self._waiting: list[tuple[Array, Array, Array]] = []
        self._n_waiting = 0

    def add(self, features: Array, words: Array, values: Array) -> None:
        """Add values of features at tokens of these words, parallel arrays (n,)."""
        self._waiting.append((features.astype(np.int32), words.astype(np.int32), np.abs(values)))
        self._n_waiting += len(features)
        if self._n_waiting >= WAITING:
            self._settle()

    def _settle(self) -> None:
        features, words = (concatenate((w[i] for w in self._waiting), np.int32) for i in (0, 1))
        values = concatenate((w[2] for w in self._waiting), np.float32).astype(np.float64)
        n_features, n_words = self._sums.shape
        shape = (
            max(n_features, int(features.max(initial=-1)) + 1),
            max(n_words, int(words.max(initial=-1)) + 1),
        )
        self._sums.resize(shape)
        added = sparse.coo_array((values, (features, words)), shape).tocsr()
        self._sums = self._sums + added
        self._sums.sort_indices()
        self._waiting, self._n_waiting = [], 0

    def of(self, feature: int) -> tuple[Array, Array]:
        """The words of a feature, ascending, and the mass of each, float64."""
        if self._waiting:
            self._settle()
        if feature >= self._sums.shape[0]:
            return np.empty(0, np.int64), np.empty(0)
        begin, end = self._sums.indptr[feature : feature + 2]
        return self._sums.indices[begin:end], self._sums.data[begin:end]

    def heaviest(self, feature: int, k: int) -> Array:
        """The `k` words with the most mass, ties by number."""
        words, mass = self.of(feature)
        found: Array = words[np.argsort(-mass, kind="stable")[:k]]
        return found


def coverage(masses: Sequence[WordMasses], feature: int, words: Array) -> float | None:
    """The share of a feature's mass that is on these words; None where it never fires."""
    whole = on = 0.0
    for each in masses:
        present, mass = each.of(feature)
        whole += float(mass.sum())
        on += float(mass[np.isin(present, words)].sum())
    return on / whole if whole else None
