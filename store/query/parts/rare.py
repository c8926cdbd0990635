"""Exact tests of features that fire in a few units: all that might have happened is counted."""

import numpy as np
from scipy import stats

from saelake.store.arrays import kernels
from saelake.store.arrays.statistics import SMALLEST
from saelake.store.format.lists import Array, concatenate, runs
from saelake.store.query.parts.scores import ScoreTotals, Units

FEW_UNITS = 12  # in which a feature fires: at most 2^12 outcomes
OF_UNITS = 4  # units are drawn as if from infinitely many, where at most one of so many fires


class Rare:
    """The units in which features fire that fire in at most `FEW_UNITS`.

    Others are forgotten as soon as they are known to fire in more: what is kept is bounded by
    the number of features.
    """

    def __init__(self, d_sae: int) -> None:
        self.d_sae = d_sae
        self._known = np.ones(d_sae, np.bool_)
        self._parts: list[tuple[Array, ...]] = []

    @staticmethod
    def seldom(features: Array, d_sae: int) -> Array:
        """Which values are of features that have few."""
        few: Array = (np.bincount(features, minlength=d_sae) <= FEW_UNITS)[features]
        return few

    def forget(self, fires: Array) -> None:
        """Forget features that fire, by these counts (d_sae,), in more units."""
        self._known &= fires <= FEW_UNITS

    def add_counts(self, features: Array, fires: Array, mixed: Array, stratum: int) -> None:
        """Add how many documents of a stratum features fire in; `mixed` are not tested."""
        self._known[features[(fires > FEW_UNITS) | mixed]] = False
        kept = self._known[features]
        group = np.full(int(kept.sum()), stratum)
        self._parts.append((features[kept], group, fires[kept], np.zeros(len(group))))

    def add_units(self, features: Array, unit: Array, x_a: Array, x_b: Array) -> None:
        """Add units in which features fire, with the values on both sides."""
        kept = self._known[features]
        self._parts.append((features[kept], unit[kept], x_a[kept], x_b[kept]))

    def keep(self) -> None:
        """Forget the features that fire in more units."""
        features, *values = self._joined()
        n = np.bincount(features, minlength=self.d_sae)
        self.forget(n)
        kept = self._known[features]
        self._parts = [(features[kept], *(value[kept] for value in values))]

    def _joined(self) -> tuple[Array, ...]:
        types = (np.int64, np.int64, np.float64, np.float64)
        return tuple(
            concatenate((part[i] for part in self._parts), dtype) for i, dtype in enumerate(types)
        )

    def test_documents(self, p: Array, totals: ScoreTotals, units: Units) -> None:
        """Put exact p-values in place: the number on a side is hypergeometric in each stratum."""
        features, stratum, fires, _ = self._joined()
        kept = (self._known & (totals.n_fires <= FEW_UNITS))[features]
        features, stratum, fires = features[kept], stratum[kept], fires[kept]
        order = np.argsort(features, kind="stable")
        features, stratum, fires = features[order], stratum[order], fires[order].astype(np.int64)
        c = units.constants
        t_a, t_b, alpha = c.t_a[stratum], c.t_b[stratum], c.alpha[stratum]
        scale = 1 / c.weight[stratum] if totals.by_stratum else np.ones(len(features))
        least, most = np.maximum(fires - t_b, 0), np.minimum(fires, t_a)
        n_points = (most - least).astype(np.int64) + 1
        cell = np.repeat(np.arange(len(features)), n_points)
        points = np.concatenate([[0], np.cumsum(n_points)])
        on_a = np.arange(len(cell)) - points[cell] + least[cell]
        chance = stats.hypergeom.pmf(on_a, (t_a + t_b)[cell], fires[cell], t_a[cell])
        value = (on_a - fires[cell] * (1 - alpha[cell])) * scale[cell]
        _put(p, features, points, value, chance, totals.score)

    def test_units(self, p: Array, totals: ScoreTotals, units: Units) -> None:
        """Put exact p-values in place: each unit is on side a with the chance of its share.

        A unit that is on both sides has its difference with either sign.
        """
        features, unit, x_a, x_b = self._joined()
        n = totals.n_fires
        seldom = (n <= FEW_UNITS) & (n * OF_UNITS <= units.constants.n_units.sum())
        kept = (self._known & seldom)[features]
        order = np.flatnonzero(kept)[np.argsort(features[kept], kind="stable")]
        features, unit, x_a, x_b = features[order], unit[order], x_a[order], x_b[order]
        stratum = units.stratum[unit]
        alpha = units.constants.alpha[stratum]
        scale = 1 / units.constants.weight[stratum] if totals.by_stratum else 1.0
        mixed = (units.n_a[unit] > 0) & (units.n_b[unit] > 0)
        either = np.abs(alpha * x_a - (1 - alpha) * x_b)
        up = np.where(mixed, either, alpha * (x_a + x_b)) * scale
        down = np.where(mixed, -either, -(1 - alpha) * (x_a + x_b)) * scale
        chance = np.where(mixed, 0.5, 1 - alpha)
        points = np.arange(len(features) + 1) * 2
        value, chances = np.stack([up, down], 1), np.stack([chance, 1 - chance], 1)
        _put(p, features, points, value.reshape(-1), chances.reshape(-1), totals.score)


def _put(
    p: Array, features: Array, points: Array, value: Array, chance: Array, score: Array
) -> None:
    """Twice the smaller tail, with half the chance of what was found (mid-p)."""
    heads = runs(features)
    found = features[heads]
    cells = np.append(heads, len(features))
    lower, at, upper = kernels.tails(cells, points, value, chance, score[found], 1 << FEW_UNITS).T
    p[found] = np.clip(2 * (np.minimum(lower, upper) + at / 2), SMALLEST, 1)
