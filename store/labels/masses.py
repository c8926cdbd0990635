"""How much of each feature's activation is on which word."""

from collections.abc import Sequence
from typing import Self

import numpy as np

from saelake.store.format.lists import Array, runs

WAITING = 1 << 22  # masses that are added up at a time
_SHIFT = np.uint64(32)


class WordMasses:
    """The sum of the magnitudes of each feature's values, by word; words are numbers.

    Memory is that of the pairs of a feature and a word that there are, and of `WAITING` more.
    """

    def __init__(self) -> None:
        self._keys = np.empty(0, np.uint64)  # feature and word, ascending
        self._mass = np.empty(0, np.float64)
        self._waiting: list[tuple[Array, Array]] = []
        self._n_waiting = 0

    def add(self, features: Array, words: Array, values: Array) -> Self:
        """Add values of features at tokens of these words, parallel arrays (n,)."""
        keys = features.astype(np.uint64) << _SHIFT | words.astype(np.uint64)
        self._waiting.append((keys, np.abs(values).astype(np.float64)))
        self._n_waiting += len(keys)
        if self._n_waiting >= WAITING:
            self._settle()
        return self

    def _settle(self) -> None:
        keys = np.concatenate([self._keys, *(k for k, _ in self._waiting)])
        mass = np.concatenate([self._mass, *(m for _, m in self._waiting)])
        order = np.argsort(keys, kind="stable")
        heads = runs(keys[order])
        self._keys = keys[order][heads]
        self._mass = np.add.reduceat(mass[order], heads) if len(heads) else mass
        self._waiting, self._n_waiting = [], 0

    def of(self, feature: int) -> tuple[Array, Array]:
        """The words of a feature int64, ascending, and the mass of each float64."""
        if self._waiting:
            self._settle()
        bounds = np.array([feature, feature + 1], np.uint64) << _SHIFT
        begin, end = np.searchsorted(self._keys, bounds)
        words = (self._keys[begin:end] & np.uint64(0xFFFFFFFF)).astype(np.int64)
        return words, self._mass[begin:end]

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
