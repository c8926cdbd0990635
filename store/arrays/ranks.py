"""Ranks of sparse values within strata, and sums of them against a column's scores.

Most of a feature's values are 0 and are not stored. A *cell* is a feature in a stratum in which it
fires. The score of a document is its rank in its cell, ties averaged, over n_s + 1, less 1/2: it is
from -1/2 to 1/2 with a mean of 0 in strata of all sizes (van Elteren 1960).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from saelake.store.arrays.kernels import compiled
from saelake.store.format.lists import Array, runs

DENSE_CELLS = 1 << 22  # of features and strata that are multiplied at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """Ranks within cells of sorted values: `rank` float64 (n_values,), from 1, ties averaged.

    `cell` int64 (n_values,) says of which cell; `zero` float64 (n_cells,) is the rank of what is
    not stored; `ties` the sum of t^3 - t over groups of t equal values.
    """

    rank: Array
    cell: Array
    zero: Array
    ties: Array


def ranked(cell: Array, value: Array, n: Array) -> Ranked:
    """Ranks of values, sorted by cell and then ascending, among n[c] of which the rest are 0."""
    rank, zero, ties = _ranked(cell, value, np.asarray(n, np.int64))
    return Ranked(rank=rank, cell=cell, zero=zero, ties=ties)


@compiled
def _ranked(cell: Array, value: Array, n: Array) -> Any:
    """See `ranked`: the rank of each value; of each cell the rank of 0 and the sum of ties."""
    rank = np.empty(len(value), np.float64)
    zero, ties = np.empty(len(n), np.float64), np.empty(len(n), np.float64)
    begin = 0
    for c in range(len(n)):
        end = begin
        while end < len(cell) and cell[end] == c:
            end += 1
        zeros = float(n[c] - (end - begin))
        negative, tied, first = 0, zeros**3 - zeros, begin
        while first < end:
            last = first + 1
            while last < end and value[last] == value[first]:
                last += 1
            size = float(last - first)
            tied += size**3 - size
            if value[first] < 0:
                negative = last - begin
            middle = first - begin + (size + 1) / 2 + (zeros if value[first] > 0 else 0)
            rank[first:last] = middle
            first = last
        zero[c], ties[c] = negative + (zeros + 1) / 2, tied
        begin = end
    return rank, zero, ties


@compiled
def area_variances(feature: Array, value: Array, inside: Array, n_inside: Array, n: int) -> Any:
    """The variance of the area under each feature's curve, float64 (n_features,) (DeLong 1988).

    Values are sorted by feature and then ascending, and those of other documents are 0. Of each
    document counts the share of the other class that is below it, equals half; the areas vary by
    the variances of these shares. `inside` bool (n_values,) are the documents of the class, of
    which a feature has `n_inside` int64 (n_features,) in all, of `n` documents.
    """
    found = np.empty(len(n_inside), np.float64)
    begin = 0
    for f in range(len(n_inside)):
        end = begin
        fires = np.zeros(2, np.int64)
        while end < len(feature) and feature[end] == f:
            fires[int(inside[end])] += 1
            end += 1
        sizes = np.array([n - n_inside[f], n_inside[f]])
        zeros = sizes - fires
        below, total, square = np.zeros(2), np.zeros(2), np.zeros(2)
        first, past_zero = begin, False
        while first < end or not past_zero:
            equal = np.zeros(2)
            if not past_zero and (first == end or value[first] > 0):
                past_zero = True
                equal[0], equal[1] = zeros[0], zeros[1]
            else:
                now = value[first]
                while first < end and value[first] == now:
                    equal[int(inside[first])] += 1
                    first += 1
            for side in range(2):
                share = (below[1 - side] + equal[1 - side] / 2) / sizes[1 - side]
                total[side] += equal[side] * share
                square[side] += equal[side] * share**2
            below += equal
        found[f] = 0
        for side in range(2):
            spread = max(square[side] - total[side] ** 2 / sizes[side], 0)
            found[f] += spread / max(sizes[side] - 1, 1) / sizes[side]
        begin = end
    return found


def _cubes(sizes: Array) -> Array:
    """t^3 - t, as floats: it exceeds 64 bits from two million on."""
    t = sizes.astype(np.float64)
    cubes: Array = t**3 - t
    return cubes


@dataclass(frozen=True, kw_only=True)
class RankUnits:
    """Documents: the `stratum` of each, int64 (n,), and its `cluster`, or None where all differ.

    In a stratum documents are compared with each other; those of a cluster may depend on one
    another.
    """

    stratum: Array
    cluster: Array | None = None

    @cached_property
    def sizes(self) -> Array:
        """How many documents each stratum has, int64 (n_strata,)."""
        return np.bincount(self.stratum)

    @property
    def n(self) -> int:
        """How many documents there are."""
        return len(self.stratum)

    @property
    def are_plain(self) -> bool:
        """Whether documents are independent, and all compared with each other."""
        return self.cluster is None and len(self.sizes) == 1

    @cached_property
    def n_clusters(self) -> int:
        """How many clusters there are; without clusters each document is one."""
        return self.n if self.cluster is None else len(np.unique(self.cluster))

    @cached_property
    def shared(self) -> sparse.csr_array:
        """How many documents each cluster has in each stratum, (n_clusters, n_strata)."""
        assert self.cluster is not None
        ones = np.ones(self.n)
        shape = int(self.cluster.max(initial=0)) + 1, len(self.sizes)
        return sparse.coo_array((ones, (self.cluster, self.stratum)), shape).tocsr()


@dataclass(frozen=True, kw_only=True)
class ColumnScores:
    """A column's scores: (raw[i] - mean[s]) * scale[s] of document i in stratum s.

    `raw` float64 (n,) are halves of whole numbers, so that sums of them with ranks are exact in any
    order; `mean` is their mean and `scale` a weight, float64 (n_strata,).
    """

    raw: Array
    mean: Array
    scale: Array
    units: RankUnits

    @classmethod
    def of_class(cls, inside: Array, units: RankUnits) -> "ColumnScores":
        """Of a class: 1 in its documents (`inside`, bool), else 0."""
        raw = inside.astype(np.float64)
        mean = np.bincount(units.stratum, raw) / np.maximum(units.sizes, 1)
        return cls(raw=raw, mean=mean, scale=np.ones(len(mean)), units=units)

    @classmethod
    def of_numbers(cls, numbers: Array, units: RankUnits) -> "ColumnScores":
        """Of numbers: their ranks within strata, over n_s + 1."""
        _, place = np.unique(numbers, return_inverse=True)
        order = np.lexsort((place, units.stratum))
        made = ranked(units.stratum[order], place[order], units.sizes)
        raw = np.empty(units.n)
        raw[order] = made.rank - (units.sizes[made.cell] + 1) / 2
        sizes = units.sizes.astype(np.float64)
        return cls(raw=raw, mean=np.zeros(len(sizes)), scale=1 / (sizes + 1), units=units)

    @cached_property
    def centred(self) -> Array:
        """The scores, float64 (n,)."""
        stratum = self.units.stratum
        found: Array = (self.raw - self.mean[stratum]) * self.scale[stratum]
        return found

    @cached_property
    def variance(self) -> Array:
        """The variance in each stratum, float64 (n_strata,); 0 where all are alike."""
        square = np.bincount(self.units.stratum, self.centred**2)
        found: Array = square / np.maximum(self.units.sizes - 1, 1)
        return np.where(found > 1e-12, found, 0)

    @cached_property
    def alike(self) -> float:
        """The correlation of two documents of one cluster: 1 where a cluster has one value."""
        if self.units.cluster is None:
            return 0.0
        sizes = np.maximum(self.units.sizes, 1)
        deviation = np.sqrt(self.variance * (sizes - 1) / sizes)[self.units.stratum]
        unit = np.divide(self.centred, deviation, out=np.zeros(self.units.n), where=deviation > 0)
        known = deviation > 0
        total = np.bincount(self.units.cluster, unit)
        size = np.bincount(self.units.cluster, known).astype(np.float64)
        pairs = float((size * (size - 1)).sum())
        return float((total**2).sum() - (unit**2).sum()) / pairs if pairs else 0.0


@dataclass(frozen=True, kw_only=True)
class FeatureScores:
    """The scores of features in documents, by cell.

    `above` float64 (n_values,) is a value's rank less that of a document in which the feature does
    not fire, whose score is `base` (n_cells,); `square` (n_cells,) the sum of squared scores.
    `feature` and `stratum` are those of each cell, `row` the document of each value.
    """

    units: RankUnits
    n_features: int
    feature: Array
    stratum: Array
    cell: Array
    row: Array
    above: Array
    base: Array
    square: Array

    @classmethod
    def of(
        cls, feature: Array, row: Array, value: Array, n_features: int, units: RankUnits
    ) -> "FeatureScores":
        """Of values that are sorted by feature, then ascending."""
        n_strata = len(units.sizes)
        key = feature * n_strata + units.stratum[row]
        if n_strata > 1:
            order = np.argsort(key, kind="stable")
            key, row, value = key[order], row[order], value[order]
        heads = runs(key)
        cells, cell = key[heads], np.repeat(np.arange(len(heads)), np.diff([*heads, len(key)]))
        stratum = cells % n_strata
        n = units.sizes[stratum]
        made = ranked(cell, value, n)
        return cls(
            units=units,
            n_features=n_features,
            feature=cells // n_strata,
            stratum=stratum,
            cell=cell,
            row=row,
            above=made.rank - made.zero[cell],
            base=made.zero / (n + 1) - 0.5,
            square=np.maximum(_cubes(n) - made.ties, 0) / (12 * (n + 1.0) ** 2),
        )

    @property
    def squares(self) -> Array:
        """The sum of squared scores of each feature."""
        return np.bincount(self.feature, self.square, self.n_features)

    def products(self, column: ColumnScores) -> Array:
        """The sum over documents of a feature's score times the column's, float64 (n_features,)."""
        n_cells = len(self.feature)
        found = np.bincount(self.cell, self.above * column.raw[self.row], n_cells)
        found -= column.mean[self.stratum] * np.bincount(self.cell, self.above, n_cells)
        weight = column.scale[self.stratum] / (self.units.sizes[self.stratum] + 1)
        return np.bincount(self.feature, found * weight, self.n_features)

    def variances(self, column: ColumnScores) -> Array:
        """What the products vary by when the column has nothing to do with features, (n_features,).

        Documents of a stratum are exchangeable: the sum over strata of both sides' squares over
        n_s - 1. With clusters two documents of one are alike in the column by its correlation
        within clusters (`alike`), which is 1 where each cluster has one value: then this is the
        variance when the values of whole clusters are exchanged.
        """
        apart = self.square * column.variance[self.stratum]
        found: Array = np.bincount(self.feature, apart, self.n_features)
        if self.units.cluster is not None:
            alike = column.alike
            found = (1 - alike) * found + alike * self._of_clusters(np.sqrt(column.variance))
            found *= self.units.n_clusters / max(self.units.n_clusters - 1, 1)
        return np.maximum(found, 0)

    def _of_clusters(self, weight: Array) -> Array:
        """The sum over clusters of the squared sum of scores, each times its stratum's weight."""
        units = self.units
        assert units.cluster is not None
        shared = units.shared
        per_rank = weight[self.stratum] / (units.sizes[self.stratum] + 1)
        above = self.above * per_rank[self.cell]
        places = self.feature[self.cell], units.cluster[self.row]
        fires = sparse.coo_array((above, places), (self.n_features, shared.shape[0])).tocsr()
        own = self.base * weight[self.stratum]
        shape = self.n_features, shared.shape[1]
        base = sparse.coo_array((own, (self.feature, self.stratum)), shape).tocsr()
        both = 2 * (fires @ shared).multiply(base).sum(axis=1)
        total: Array = fires.multiply(fires).sum(axis=1) + both + _quadratic(base, shared)
        return total


def _quadratic(base: sparse.csr_array, shared: sparse.csr_array) -> Array:
    """The sum over clusters of (shared @ base of a feature) squared, float64 (n_features,)."""
    between = (shared.T @ shared).tocsr()
    found = np.zeros(base.shape[0], np.float64)
    step = max(DENSE_CELLS // max(base.shape[1], 1), 1)
    for begin in range(0, base.shape[0], step):
        part = base[begin : begin + step]
        found[begin : begin + step] = (part @ between).multiply(part).sum(axis=1)
    return found
