"""How well words predict in which documents a feature fires.

A document's prediction is the sum, over the words that are in it, of ln(n / df) among the n
documents; the score is the area under the ROC curve: the share of pairs of a document in which the
feature fires and one in which it does not that the prediction puts in order, ties half. The
interval is that of `store.format.areas`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse, stats

from saelake.store.format.areas import interval
from saelake.store.format.lists import Array

LEAST = 5  # documents of each kind, of which a score is said
SUM_DIGITS = 9  # sums that differ by less are equal, in whatever order they were added
FEATURES_AT_ONCE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """An area under the ROC curve with its interval, over so many documents of each kind.

    The three are None where there are fewer than `LEAST` documents of a kind.
    """

    score: float | None
    low: float | None
    high: float | None
    n_positive: int
    n_negative: int


UNSCORED = Score(score=None, low=None, high=None, n_positive=0, n_negative=0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeldBack:
    """Documents that no label was made of: `words` in them and what `fires`, CSR of 0 and 1.

    (n_documents, n_words) and (n_documents, n_features).
    """

    words: sparse.csr_array
    fires: sparse.csr_array

    def scores(self, chosen: Mapping[int, Array]) -> dict[int, Score]:
        """The score of each feature's words, which are ascending numbers."""
        n, weights = self.words.shape[0], self._weights()
        features = sorted(chosen)
        found: dict[int, Score] = {}
        for begin in range(0, len(features), FEATURES_AT_ONCE):
            part = features[begin : begin + FEATURES_AT_ONCE]
            sizes = [len(chosen[feature]) for feature in part]
            word = np.concatenate([chosen[feature] for feature in part]).astype(np.int64)
            column = np.repeat(np.arange(len(part)), sizes)
            shape = self.words.shape[1], len(part)
            picked = sparse.csr_array((weights[word], (word, column)), shape)
            fires = self.fires[:, part].toarray() > 0
            sums = np.round((self.words @ picked).toarray(), SUM_DIGITS)
            areas = auc(sums, fires)
            positive = fires.sum(axis=0)
            low, high = interval(areas, positive, n - positive)
            rows = zip(areas, low, high, positive.tolist(), strict=True)
            found |= {f: _score(*row, n) for f, row in zip(part, rows, strict=True)}
        return found

    def _weights(self) -> Array:
        """ln(n / df) of each word, 0 of one that is in none."""
        n, df = self.words.shape[0], self.words.sum(axis=0)
        weights: Array = np.log(max(n, 1) / np.maximum(df, 1))
        return weights


def _score(area: float, low: float, high: float, n_positive: int, n: int) -> Score:
    counts = {"n_positive": n_positive, "n_negative": n - n_positive}
    if min(counts.values()) < LEAST:
        return Score(score=None, low=None, high=None, **counts)
    return Score(score=float(area), low=float(low), high=float(high), **counts)


def auc(predicted: Array, positive: Array) -> Array:
    """The area under the ROC curve of each column, both (n, n_columns); NaN without both kinds."""
    n = len(positive)
    n_1 = positive.sum(axis=0)
    if n == 0:
        return np.full(len(n_1), np.nan)
    ranks = stats.rankdata(predicted, axis=0)
    above = (ranks * positive).sum(axis=0) - n_1 * (n_1 + 1) / 2
    pairs = n_1 * (n - n_1)
    areas: Array = np.divide(above, pairs, out=np.full(len(n_1), np.nan), where=pairs > 0)
    return areas
