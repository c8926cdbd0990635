"""Measures of how a feature's values go with a column: of two classes or more, numbers, places.

Two classes: AUC, the share of pairs (one of each class) that the feature's value puts in order,
ties half, with the Mann-Whitney test (normal approximation, tie and continuity corrections).
Of more classes that one against the rest whose test is the strongest, its p-value corrected for the
choice by Sidak's bound, 1 - (1 - p)^c, which holds however classes depend on one another.
Numbers: Spearman's rank correlation, with the t test.

With strata only documents of one stratum are compared: an AUC is a mean of the strata's, weighted
by n_1 n_0 / (n_s + 1), and a correlation that of ranks within strata; the test is van Elteren's
(1960), a sum over strata. With clusters its variance is that of clusters (`FeatureScores`), and
it is referred to Student's t with n_clusters - 1 degrees of freedom.

Intervals: of a plain AUC DeLong's (1988), of a plain correlation Fisher's with the variance of
Bonett and Wright (2000); with strata or clusters by the deviation of the test.

Two coordinates: Moran's I over the 8 nearest neighbours (Moran 1950; variance under normality,
Cliff and Ord 1981), which says whether a feature fires in places near each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse, spatial, special

from saelake.store.arrays.ranks import ColumnScores, FeatureScores, RankUnits, area_variances
from saelake.store.errors import InvalidInput
from saelake.store.format.lists import Array

N_NEIGHBOURS = 8
MOST_CLASSES = 50  # each is a pass over a feature's values


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """The values of some features by feature, then by value; parallel arrays (n_values,).

    `feature` counts from 0; `row` is the document's place among the `n` that are looked at.
    """

    feature: Array
    row: Array
    value: Array
    n: int
    n_features: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Associated:
    """What was measured of each feature, float64 (n_features,); NaN where nothing can be compared.

    `low` and `high` bound the effect. `category` int64 is which class it is of, -1 for none.
    """

    effect: Array
    p: Array
    low: Array
    high: Array
    category: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureAbout:
    """What a measure is: of which column, and what it is called in `short`.

    `none` is the effect of what does not go with the column; one that is `telling` away from it is
    worth a word. `categories` are the classes, in order; `n_silent` documents are in strata that
    say nothing.
    """

    name: str
    short: str
    none: float
    telling: float = 0.1
    test: str
    correction: str = "Benjamini-Hochberg over features"
    categories: tuple[str, ...] = ()
    n_silent: int = 0


class AssociationMeasure(Protocol):
    """A measure of how features go with a column."""

    @property
    def about(self) -> MeasureAbout:
        """What it measures, and how it is tested."""

    def __call__(self, values: Values, chosen: Array | None = None, /) -> Associated:
        """The effect and p-value of each feature, for the category `chosen` of each if given."""


def measured(
    columns: pa.Table, units: RankUnits, level: float, classes: tuple[str, ...] = ()
) -> AssociationMeasure:
    """What to compute for a column, or two; of its own classes, or of these.

    Raises `InvalidInput`.
    """
    names = columns.schema.names
    if columns.num_rows < 3:
        raise InvalidInput(
            f"Only {columns.num_rows} encoded documents have a value in {', '.join(names)}: "
            "features go with a column over three or more."
        )
    if len(names) == 2:
        return Moran.of(np.stack([_numbers(columns, name) for name in names], 1), names)
    kind = columns.schema.field(0).type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_boolean(kind):
        return Auc.of(columns[0], names[0], units, level, classes)
    return Spearman.of(_numbers(columns, names[0]), names[0], units, level)


def _numbers(columns: pa.Table, name: str) -> Array:
    """A column's numbers; times as their count of units. Raises `InvalidInput`."""
    values = columns[name]
    kind = values.type
    if pa.types.is_temporal(kind):
        values = values.cast(f"int{kind.bit_width}")
    elif pa.types.is_decimal(kind):
        values = values.cast(pa.float64())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise InvalidInput(
            f"{name} has values of type {kind}: features go with two classes, or with numbers.",
            column=name,
        )
    numbers: Array = values.to_numpy()
    return numbers


def _tails(z: Array, units: RankUnits) -> Array:
    """Two-sided p-values."""
    if units.cluster is None:
        return np.asarray(2 * special.ndtr(-np.abs(z)))
    return np.asarray(2 * special.stdtr(max(units.n_clusters - 1, 1), -np.abs(z)))


def _width(level: float, units: RankUnits) -> float:
    """How many deviations an interval reaches to either side."""
    tail = (1 + level) / 2
    if units.cluster is None:
        return float(special.ndtri(tail))
    return float(special.stdtrit(max(units.n_clusters - 1, 1), tail))


def _within(units: RankUnits) -> str:
    """How a test is not the plain one, in words."""
    strata = "" if len(units.sizes) == 1 else ", within strata (van Elteren)"
    if units.cluster is None:
        return strata
    return f"{strata}, variance of {units.n_clusters:,} clusters (t)"


def _silent(columns: Sequence[ColumnScores]) -> int:
    """How many documents are in strata where no column varies."""
    varies = np.any([column.variance > 0 for column in columns], axis=0)
    return int(columns[0].units.sizes[~varies].sum())


def _divided(a: Array, b: Array) -> Array:
    return np.divide(a, b, out=np.zeros(len(a)), where=b > 0)


def _about_classes(
    column: str, classes: tuple[str, ...], units: RankUnits, n_silent: int
) -> MeasureAbout:
    name, correction = (
        f"AUC of {classes[1]} against {classes[0]}",
        "Benjamini-Hochberg over features",
    )
    if len(classes) > 2:
        name = f"AUC of one of {len(classes)} classes of {column} against the rest"
        correction = f"Sidak's bound for the choice of {len(classes)} classes, {correction}"
    return MeasureAbout(
        name=name,
        short="AUC",
        none=0.5,
        telling=0.05,
        test=f"Mann-Whitney{_within(units)}",
        correction=correction,
        categories=classes,
        n_silent=n_silent,
    )


@dataclass(frozen=True, kw_only=True)
class Auc:
    """How well a feature's values tell one class from the rest: of two the later in order.

    `code` int64 (n,) is the class of each document, `columns` has the scores of each class tested.
    """

    about: MeasureAbout
    code: Array
    columns: tuple[ColumnScores, ...]
    level: float

    @classmethod
    def of(
        cls,
        column: pa.ChunkedArray,
        name: str,
        units: RankUnits,
        level: float,
        classes: tuple[str, ...] = (),
    ) -> "Auc":
        """Of a column of texts or truths, all its classes or these (the others are in the rest).

        Raises `InvalidInput` for one class, and for very many.
        """
        if pa.types.is_boolean(column.type):
            column = pc.if_else(column, "True", "False")
        texts = column.cast(pa.string()).combine_chunks().dictionary_encode()
        found = list(classes) or sorted(texts.dictionary.to_pylist())
        if not 2 <= len(found) <= MOST_CLASSES:
            raise InvalidInput(
                f"The documents have {len(found):,} different values in {name}, and features go "
                f"with 2 to {MOST_CLASSES} classes: choose some with where, as in "
                f"\"{name} in ('{found[0]}', ...)\".",
                column=name,
            )
        place = {text: number for number, text in enumerate(found)}
        numbers = np.array([place.get(text, -1) for text in texts.dictionary.to_pylist()])
        code = numbers[texts.indices.to_numpy()]
        tested = range(1, 2) if len(found) == 2 else range(len(found))
        scores = [ColumnScores.of_class(code == number, units) for number in tested]
        about = _about_classes(name, tuple(found), units, _silent(scores))
        return cls(about=about, code=code, columns=tuple(scores), level=level)

    @property
    def _units(self) -> RankUnits:
        return self.columns[0].units

    def __call__(self, values: Values, chosen: Array | None = None, /) -> Associated:
        """See `AssociationMeasure`; the areas, and p-values of Mann and Whitney's test."""
        scores = FeatureScores.of(
            values.feature, values.row, values.value, values.n_features, self._units
        )
        each = [self._one(scores, column) for column in self.columns]
        effect, deviation, z = (np.stack(parts) for parts in zip(*each, strict=True))
        first = 1 if len(self.columns) == 1 else 0
        best = np.argmax(np.abs(z), axis=0) if chosen is None else chosen - first
        effect, deviation, z = (a[best, np.arange(a.shape[1])] for a in (effect, deviation, z))
        p = _tails(z, self._units)
        if chosen is None and len(self.columns) > 1:
            p = -np.expm1(len(self.columns) * np.log1p(-np.minimum(p, 1 - 1e-16)))
        category = best + first
        if self._units.are_plain:
            deviation = self._delong(values, category)
        reach = _width(self.level, self._units) * deviation
        return Associated(
            effect=effect,
            p=np.where(np.isnan(effect), np.nan, p),
            low=np.clip(effect - reach, 0, 1),
            high=np.clip(effect + reach, 0, 1),
            category=category,
        )

    def _one(self, scores: FeatureScores, column: ColumnScores) -> tuple[Array, Array, Array]:
        """The area of one class, its deviation when nothing is there, and z."""
        sizes, n = self._units.sizes, self._units.n
        inside = np.bincount(self._units.stratum, column.centred**2)  # n_1 n_0 / n_s
        scale = float((inside * sizes / (sizes + 1)).sum())
        products = scores.products(column)
        deviation = np.sqrt(scores.variances(column))
        step = 0.5 / (n + 1) if self._units.are_plain else 0  # half a pair of documents
        z = _divided(np.maximum(np.abs(products) - step, 0), deviation) * np.sign(products)
        if scale == 0:
            return np.full(len(z), np.nan), np.full(len(z), np.nan), z
        return 0.5 + products / scale, deviation / scale, z

    def _delong(self, values: Values, category: Array) -> Array:
        """The deviation of each area."""
        n_1 = np.bincount(self.code + 1, minlength=len(self.about.categories) + 1)[category + 1]
        inside = self.code[values.row] == category[values.feature]
        found: Array = np.sqrt(area_variances(values.feature, values.value, inside, n_1, values.n))
        return found


@dataclass(frozen=True, kw_only=True)
class Spearman:
    """How ranks of a feature's values go with the ranks of numbers, within strata."""

    about: MeasureAbout
    column: ColumnScores
    level: float

    @classmethod
    def of(cls, numbers: Array, name: str, units: RankUnits, level: float) -> "Spearman":
        """With a column of numbers."""
        within = "" if len(units.sizes) == 1 else " within strata"
        column = ColumnScores.of_numbers(numbers, units)
        about = MeasureAbout(
            name=f"Spearman correlation with {name}{within}",
            short="Spearman's correlation",
            none=0.0,
            test="t test of the correlation" if units.are_plain else f"ranks{_within(units)}",
            n_silent=_silent([column]),
        )
        return cls(about=about, column=column, level=level)

    def __call__(self, values: Values, _: Array | None = None, /) -> Associated:
        """The correlations (0 where a feature never changes), and p-values."""
        units = self.column.units
        scores = FeatureScores.of(
            values.feature, values.row, values.value, values.n_features, units
        )
        products, square = scores.products(self.column), float((self.column.centred**2).sum())
        scale = np.sqrt(scores.squares * square)
        rho = np.clip(_divided(products, scale), -1, 1)
        if not self.column.variance.any():
            rho = np.full(len(rho), np.nan)
        deviation = np.sqrt(scores.variances(self.column))
        if units.are_plain:
            rest = np.maximum(1 - rho**2, 1e-300)
            p = 2 * special.stdtr(values.n - 2, -np.abs(rho) * np.sqrt((values.n - 2) / rest))
            spread = np.full(len(rho), max(values.n - 3, 1e-300) ** -0.5)
        else:
            p = np.where(np.isnan(rho), np.nan, _tails(_divided(products, deviation), units))
            spread = _divided(deviation, scale)
        low, high = self._interval(rho, spread)
        return Associated(effect=rho, p=p, low=low, high=high, category=np.full(len(rho), -1))

    def _interval(self, rho: Array, spread: Array) -> tuple[Array, Array]:
        """Fisher's interval, of a correlation whose deviation is `spread` when there is none."""
        middle = np.arctanh(np.clip(rho, -1 + 1e-15, 1 - 1e-15))
        reach = _width(self.level, self.column.units) * np.sqrt(1 + rho**2 / 2) * spread
        return np.tanh(middle - reach), np.tanh(middle + reach)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moran:
    """How alike a feature's values are in near places.

    `near` int64 (n, k) are each document's nearest others, each of weight 1/k, and `pulled`
    float64 (n,) the sum of the weights that a document has in those of others.
    """

    about: MeasureAbout
    near: Array
    pulled: Array
    deviation: float

    @classmethod
    def of(cls, places: Array, names: list[str]) -> "Moran":
        """Over places (n, 2)."""
        near = _nearest(places)
        n, k = near.shape
        ends = np.arange(n + 1) * k
        weights = sparse.csr_array((np.full(n * k, 1 / k), near.reshape(-1), ends), (n, n))
        pulled, both = weights.sum(axis=0), weights + weights.T
        s1, s2 = both.multiply(both).sum() / 2, ((1 + pulled) ** 2).sum()
        square = (n * n * s1 - n * s2 + 3 * n * n) / ((n * n - 1) * n * n)
        about = MeasureAbout(
            name=f"Moran's I of {', '.join(names)} over {k} neighbours",
            short="Moran's I",
            none=-1 / (n - 1),  # expected of values that have nothing to do with the places
            test="normal approximation, variance under normality",
        )
        return cls(
            about=about,
            near=near,
            pulled=pulled,
            deviation=max(square - 1 / (n - 1) ** 2, 0) ** 0.5,
        )

    def __call__(self, values: Values, _: Array | None = None, /) -> Associated:
        """Moran's I (0 where a feature never changes), and two-sided p-values."""
        n, k = self.near.shape
        x = sparse.csr_array(
            (values.value.astype(np.float64), (values.row, values.feature)),
            (n, values.n_features),
        )
        total, square = x.sum(axis=0), x.multiply(x).sum(axis=0)
        mean = total / n
        neighbours = sum(x[column].multiply(x).sum(axis=0) for column in self.near.T) / k
        # sum_ij w_ij z_i z_j with z = x - mean, and rows of w that sum to 1.
        shared = neighbours - mean * (total + self.pulled @ x) + n * mean**2
        spread = square - n * mean**2
        changes = spread > 1e-12 * square
        i = np.divide(shared, spread, out=np.zeros_like(shared), where=changes)
        tested = changes & (k < n - 1)  # else all are neighbours of all, and every I is the same
        z = np.divide(i - self.about.none, self.deviation, out=np.zeros_like(i), where=tested)
        unknown = np.full(len(i), np.nan)
        p = 2 * special.ndtr(-np.abs(z))
        return Associated(effect=i, p=p, low=unknown, high=unknown, category=np.full(len(i), -1))


def _nearest(places: Array) -> Array:
    """The nearest others of each place, int64 (n, k)."""
    n = len(places)
    k = min(N_NEIGHBOURS, n - 1)
    _, near = spatial.cKDTree(places).query(places, k + 1)
    own = near == np.arange(n)[:, None]
    own[~own.any(axis=1), -1] = True  # of more equal places than neighbours, it is not always one
    others: Array = near[~own].reshape(n, k)
    return others
