"""Score tests of a difference of rates, of units that are documents or clusters of them.

A unit i has n_i (documents or tokens) and x_i of them at which a feature fires. In a stratum with
rates r = X / T of all, and shares alpha = T_b / T, beta = T_a / T of the other side, a unit's part
in U = T_a T_b / T (X_a / T_a - X_b / T_b) is z_i = y_i - r m_i, with y = alpha x_a - beta x_b and m
= alpha n_a - beta n_b. The sum of U over strata, over that of T_a T_b / T, is Mantel and Haenszel's
difference of rates. Two variances are known of it:

- robust: sum of z_i^2 (n / (n - 1) of n units), whatever side a unit's variance goes with;
- exchangeable: sum of (alpha^2 pi_i + beta^2 (1 - pi_i)) (x_i - r n_i)^2, as if units of one size
  were on either side by chance pi_i: the variance of permutations, and of Cochran, Mantel and
  Haenszel's test where units are documents. Its third moment tells how skewed U is where a feature
  is rare.

The larger of them is taken; the robust one alone where units are on both sides. In an interval
units have the rates that the difference implies: y - r m - k (difference), k = alpha^2 n_a + beta^2
n_b.
"""

from dataclasses import dataclass, field

import numpy as np

from saelake.store.format.lists import Array
from saelake.store.query.parts.layout import likely

# The sums over the units of a stratum, rows of a matrix (N_SUMS, d_sae): of fires on both sides and
# in a, of y^2, y m and y k, of x^2 and x n with the weights of the exchangeable variance, of x^3,
# x^2 n and x n^2 with those of the third moment, and of units in which a feature fires at all.
N_SUMS = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """What is known of each stratum before any feature is read: arrays (n_strata,)."""

    t_a: Array
    t_b: Array
    n_units: Array
    m2: Array
    mk: Array
    k2: Array
    n2: Array
    n3: Array

    @property
    def alpha(self) -> Array:
        """The share of b in the units' sizes."""
        share: Array = self.t_b / np.maximum(self.t_a + self.t_b, 1)
        return share

    @property
    def beta(self) -> Array:
        """The share of a."""
        share: Array = self.t_a / np.maximum(self.t_a + self.t_b, 1)
        return share

    @property
    def weight(self) -> Array:
        """Mantel and Haenszel's weight."""
        return self.t_a * self.alpha

    @property
    def compared(self) -> Array:
        """Where both sides have something."""
        return (self.t_a > 0) & (self.t_b > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """The units of a comparison, parallel arrays (n_units,): in which stratum, and what of a side.

    `c2` and `c3` weight the squares and cubes of the exchangeable moments; 0 for a unit of both
    sides.
    """

    stratum: Array
    n_a: Array
    n_b: Array
    m: Array
    k: Array
    c2: Array
    c3: Array
    constants: Constants

    @classmethod
    def of(cls, stratum: Array, n_a: Array, n_b: Array, n_strata: int) -> "Units":
        """The units with these sizes on the two sides."""
        t_a, t_b = (np.bincount(stratum, n, n_strata) for n in (n_a, n_b))
        beta = (t_a / np.maximum(t_a + t_b, 1))[stratum]
        alpha = 1 - beta
        m, k = alpha * n_a - beta * n_b, alpha**2 * n_a + beta**2 * n_b
        n = n_a + n_b
        mixed = (n_a > 0) & (n_b > 0)
        some, pi = (
            n > 0,
            np.zeros(len(n)),
        )  # what is empty says nothing
        pi[some] = likely(stratum[some], n[some], n_a[some] > 0, n_strata)
        count = np.bincount(stratum, n > 0, n_strata)
        square = np.divide(count, count - 1, out=np.zeros(n_strata), where=count > 1)
        cube = np.divide(count, count - 2, out=np.zeros(n_strata), where=count > 2) * square
        c2 = np.where(mixed, 0, square[stratum] * (alpha**2 * pi + beta**2 * (1 - pi)))
        c3 = np.where(mixed, 0, cube[stratum] * (alpha**3 * pi - beta**3 * (1 - pi)))
        constants = Constants(
            t_a=t_a,
            t_b=t_b,
            n_units=count,
            **{
                name: np.bincount(stratum, values, n_strata)
                for name, values in {
                    "m2": m * m,
                    "mk": m * k,
                    "k2": k * k,
                    "n2": c2 * n * n,
                    "n3": c3 * n**3,
                }.items()
            },
        )
        return cls(stratum=stratum, n_a=n_a, n_b=n_b, m=m, k=k, c2=c2, c3=c3, constants=constants)

    def sums(self, unit: Array, x_a: Array, x_b: Array) -> Array:
        """What each value adds to the sums of its stratum and feature, float64 (N_SUMS, n)."""
        alpha = self.constants.alpha[self.stratum[unit]]
        y = alpha * x_a - (1 - alpha) * x_b
        x, n = x_a + x_b, (self.n_a + self.n_b)[unit]
        c2, c3 = self.c2[unit] * x, self.c3[unit] * x
        return np.stack(
            [
                x,
                x_a,
                y * y,
                y * self.m[unit],
                y * self.k[unit],
                c2 * x,
                c2 * n,
                c3 * x * x,
                c3 * x * n,
                c3 * n * n,
                np.ones(len(x)),
            ]
        )


@dataclass(slots=True, kw_only=True)
class ScoreTotals:
    """Sums over strata, by feature float64 (d_sae,): what a test and an interval are made of.

    With `by_stratum` each stratum counts 1, and is itself the unit of the robust variance: then the
    difference is the mean of those within strata.
    """

    d_sae: int
    by_stratum: bool
    score: Array = field(init=False)
    rate_a: Array = field(init=False)
    rate_b: Array = field(init=False)
    exchangeable: Array = field(init=False)
    third: Array = field(init=False)
    v0: Array = field(init=False)
    v1: Array = field(init=False)
    n_fires: Array = field(init=False)
    weight: float = 0.0
    v2: float = 0.0
    n_strata: int = 0

    def __post_init__(self) -> None:
        arrays = np.zeros((8, self.d_sae))
        self.score, self.rate_a, self.rate_b, self.exchangeable, self.third = arrays[:5]
        self.v0, self.v1, self.n_fires = arrays[5:]

    def know(self, constants: Constants) -> None:
        """Add what does not depend on features, of all strata that are compared."""
        kept = constants.compared
        self.n_strata = int(kept.sum())
        if self.by_stratum:
            self.weight = self.v2 = float(self.n_strata)
            return
        self.weight = float(constants.weight[kept].sum())
        few = _robust_factor(constants.n_units)
        self.v2 = float((few * constants.k2)[kept].sum())

    def add(self, constants: Constants, h: int, features: Array, sums: Array) -> None:
        """Add stratum `h`, of which these features (n,) have these sums (N_SUMS, n)."""
        x, x_a, y2, ym, yk, p2, px, t3, t2, t1, n_fires = sums
        c, weight = constants, float(constants.weight[h])
        r = x / (c.t_a[h] + c.t_b[h])
        alpha, beta = float(c.alpha[h]), float(c.beta[h])
        scale = 1 / weight if self.by_stratum else 1.0
        score = (alpha * x_a - beta * (x - x_a)) * scale
        self.score[features] += score
        self.rate_a[features] += x_a / c.t_a[h] * weight * scale
        self.rate_b[features] += (x - x_a) / c.t_b[h] * weight * scale
        self.exchangeable[features] += (p2 - 2 * r * px + r * r * c.n2[h]) * scale**2
        self.third[features] += (t3 - 3 * r * t2 + 3 * r * r * t1 - r**3 * c.n3[h]) * scale**3
        self.n_fires[features] += n_fires
        if self.by_stratum:
            self.v0[features] += score**2
            self.v1[features] -= 2 * score
        else:
            few = float(_robust_factor(c.n_units[h]))
            self.v0[features] += few * (y2 - 2 * r * ym + r * r * c.m2[h])
            self.v1[features] -= 2 * few * (yk - r * c.mk[h])

    def around(self, difference: Array) -> Array:
        """The robust variance of the score, of rates that differ by so much; `v0` is that of 0."""
        n = self.n_strata if self.by_stratum else 0
        few = n / (n - 1) if n > 1 else 1.0
        found: Array = few * (self.v0 + self.v1 * difference + self.v2 * np.square(difference))
        return np.asarray(np.maximum(found, 0))


def _robust_factor(n: Array) -> Array:
    factor: Array = np.divide(n, n - 1, out=np.zeros(np.shape(n)), where=np.asarray(n) > 1)
    return factor
