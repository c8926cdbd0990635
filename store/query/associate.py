"""Which features go with a metadata column.

Two classes: AUC, the share of pairs (one of each class) that the feature's value puts in order,
ties half, with the Mann-Whitney test (normal approximation, tie and continuity corrections).
Numbers: Spearman's rank correlation, with the t test. Two coordinates: Moran's I over the 8
nearest neighbours (Moran 1950; variance under normality, Cliff and Ord 1981), which says whether
a feature fires in places near each other. Documents in which a feature does not fire have value 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse, spatial, special, stats

from saelake.store.arrays.statistics import adjusted
from saelake.store.codes.embeddings import Block
from saelake.store.documents.filters import SCAN_ROWS
from saelake.store.errors import InvalidInput
from saelake.store.format.lists import Array, concatenate, runs
from saelake.store.query.parts.columns import check_column
from saelake.store.query.parts.labelled import labels_of
from saelake.store.requests.associate import AssociateQuery
from saelake.store.requests.checks import Selection
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

VALUES_AT_ONCE = 1 << 24  # values of features that are ranked together: about 1 GiB of scratch
N_NEIGHBOURS = 8


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


class AssociationMeasure(Protocol):
    """A measure of how features go with a column: what it is called, and what means not at all."""

    @property
    def name(self) -> str:
        """What it measures, of which column."""

    @property
    def none(self) -> float:
        """The effect of features that do not go with the column."""

    def __call__(self, values: Values) -> tuple[Array, Array]:
        """The effect and p-value of each feature, float64 (n_features,)."""


def associate(session: Session, query: AssociateQuery) -> pa.Table:
    """Features by how strongly they go with the column, ties by feature.

    The schema's metadata says the statistic, n (documents that have an embedding, and a value
    that is not null, infinite or NaN) and n_tested. A feature's `n_documents` are those of them
    in which its value is not 0. Raises `InvalidInput` for a column that does not exist, or is
    neither two classes nor numbers.
    """
    selected = session.select(Selection(collection=query.collection, where=query.where))
    docs, columns = _known(selected, query.columns)
    counting = _Fires(_marked(docs, selected), selected.width)
    counted = list(session.embeddings.map(selected, counting, query.pooling))
    embedded = np.isin(docs, concatenate((part[0] for part in counted), np.uint64))
    docs, columns = docs[embedded], columns.filter(pa.array(embedded))
    association = _association(columns)
    fires = np.sum([np.zeros(selected.width, np.int64), *(part[1] for part in counted)], axis=0)
    chosen = np.flatnonzero(fires >= max(query.min_documents, 1))
    effect, p = np.empty(len(chosen)), np.empty(len(chosen))
    for part in _parts(fires[chosen]):
        values = _gathered(session, selected, docs, chosen[part], query)
        effect[part], p[part] = association(values)
    order = np.lexsort((chosen, -np.abs(effect - association.none)))[: query.k]
    features = chosen[order].tolist()
    answer = {
        "feature": features,
        "effect": effect[order],
        "p_value": p[order],
        "q_value": adjusted(p)[order],
        "n_documents": fires[chosen][order],
        "label": labels_of(session, selected.collection).of(features),
    }
    said = {"statistic": association.name, "n": len(docs), "n_tested": len(chosen)}
    table = pa.Table.from_pydict(answer, schema=AssociateQuery.answer)
    return table.replace_schema_metadata({name: str(value) for name, value in said.items()})


# -- Which documents are looked at, and what features fire there: counted first, for features that
# fire too seldom are left out, then gathered by feature, some features at a time.


def _known(selected: Selected, columns: tuple[str, ...]) -> tuple[Array, pa.Table]:
    """The documents of the selection that have a value in every column, ascending; the columns."""
    documents = selected.collection.documents
    for column in columns:
        check_column(documents, column)
    rows = pa.Table.from_batches(documents.table.scan(["doc", *columns], batch_rows=SCAN_ROWS))
    keep = np.all([_has_value(rows[column]) for column in columns], axis=0)
    doc = rows["doc"].to_numpy()
    if selected.mask is not None:
        keep &= selected.mask[doc]
    return doc[keep], rows.select(columns).filter(pa.array(keep))


def _has_value(column: pa.ChunkedArray) -> Array:
    """Where a column is not null, and finite."""
    known: Array = column.is_valid().to_numpy()
    return np.isfinite(column.to_numpy()) if pa.types.is_floating(column.type) else known


def _marked(docs: Array, selected: Selected) -> Array:
    marked = np.zeros(selected.collection.documents.n_documents, np.bool_)
    marked[docs] = True
    return marked


@dataclass(frozen=True, slots=True)
class _Fires:
    """Lists the documents of a block that are looked at, and counts those a feature fires in."""

    looked_at: Array
    d_sae: int

    def __call__(self, block: Block) -> tuple[Array, Array]:
        """The documents uint64 (n,), and for each feature how many, int64 (d_sae,)."""
        looked_at = self.looked_at[block.doc]
        fires = looked_at[block.rows] & (block.values != 0)
        return block.doc[looked_at], np.bincount(block.features[fires], minlength=self.d_sae)


def _parts(sizes: Array) -> Iterator[slice]:
    """Runs of features that have at most `VALUES_AT_ONCE` values together."""
    begin = 0
    ends = np.cumsum(sizes)
    while begin < len(sizes):
        before = ends[begin - 1] if begin else 0
        end = int(np.searchsorted(ends, before + VALUES_AT_ONCE, side="right"))
        end = max(end, begin + 1)
        yield slice(begin, end)
        begin = end


@dataclass(frozen=True, slots=True)
class _Gather:
    """Gathers the values of some features in the documents that are looked at.

    `place` and `number` say where a document and a feature stand among those, or -1.
    """

    place: Array
    number: Array

    def __call__(self, block: Block) -> tuple[Array, Array, Array]:
        """Features int64, rows int64 and values float32 (n,)."""
        row = self.place[block.doc][block.rows]
        feature = self.number[block.features]
        keep = (row >= 0) & (feature >= 0) & (block.values != 0)
        return feature[keep], row[keep], block.values[keep]


def _gathered(
    session: Session, selected: Selected, docs: Array, features: Array, query: AssociateQuery
) -> Values:
    gather = _Gather(
        _numbered(docs, selected.collection.documents.n_documents),
        _numbered(features, selected.width),
    )
    found = list(session.embeddings.map(selected, gather, query.pooling))
    feature, row, value = (
        concatenate((part[i] for part in found), dtype)
        for i, dtype in enumerate((np.int64, np.int64, np.float32))
    )
    order = np.argsort(feature.astype(np.uint64) << np.uint64(32) | _ascending(value))
    return Values(
        feature=feature[order],
        row=row[order],
        value=value[order],
        n=len(docs),
        n_features=len(features),
    )


def _ascending(values: Array) -> Array:
    """Uint32 in the order of float32 values: one key sorts 5 times as fast as two."""
    bits = values.view(np.uint32)
    negative = bits >> np.uint32(31) == 1
    return np.where(negative, ~bits, bits | np.uint32(1 << 31))


def _numbered(chosen: Array, n: int) -> Array:
    """Where each of n things stands among those chosen, -1 for the rest, int64 (n,)."""
    number = np.full(n, -1, np.int64)
    number[chosen] = np.arange(len(chosen))
    return number


# -- The measures: ranks of a feature's values, of which most are 0 and are not stored, against a
# column of two values (`Auc`), of numbers (`Spearman`), or against two columns of places (`Moran`).


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ranks:
    """Ranks of each feature's values among all n documents, ties averaged.

    `rank` float64 (n_values,); `zero` float64 (n_features,) is the rank of documents in which the
    feature does not fire; `ties` is the sum of t^3 - t over groups of t equal values.
    """

    values: Values
    rank: Array
    zero: Array
    ties: Array

    @classmethod
    def of(cls, values: Values) -> "_Ranks":
        """The ranks of these values."""
        feature, value, n_features = values.feature, values.value, values.n_features
        fires = np.bincount(feature, minlength=n_features)
        negative = np.bincount(feature[value < 0], minlength=n_features)
        zeros = values.n - fires
        changes = (feature[1:] != feature[:-1]) | (value[1:] != value[:-1])
        heads = runs(np.concatenate([[0], np.cumsum(changes)])[: len(value)])  # of equal values
        sizes = np.diff(np.append(heads, len(value)))
        place = np.repeat(heads + (sizes + 1) / 2, sizes) - (np.cumsum(fires) - fires)[feature]
        return cls(
            values=values,
            rank=place + np.where(value > 0, zeros[feature], 0),
            zero=negative + (zeros + 1) / 2,
            ties=np.bincount(feature[heads], _cubes(sizes), n_features) + _cubes(zeros),
        )

    def sums(self, weight: Array) -> Array:
        """The sum over all documents of a feature's rank times the document's weight."""
        feature, heavy = self.values.feature, weight[self.values.row]
        fires = np.bincount(feature, self.rank * heavy, len(self.zero))
        rest = weight.sum() - np.bincount(feature, heavy, len(self.zero))
        total: Array = fires + self.zero * rest
        return total


def _cubes(sizes: Array) -> Array:
    """t^3 - t, as floats: it exceeds 64 bits from two million on."""
    t = sizes.astype(np.float64)
    cubes: Array = t**3 - t
    return cubes


def _association(columns: pa.Table) -> AssociationMeasure:
    """What to compute for a column, or two. Raises `InvalidInput`."""
    names = columns.schema.names
    if columns.num_rows < 3:
        raise InvalidInput(
            f"Only {columns.num_rows} encoded documents have a value in {', '.join(names)}: "
            "features go with a column over three or more."
        )
    if len(names) == 2:
        return Moran.of(np.stack([_numbers(columns, name) for name in names], 1), names)
    kind = columns.schema.field(0).type
    if pa.types.is_string(kind) or pa.types.is_boolean(kind):
        return Auc.of(columns[0], names[0])
    return Spearman.of(_numbers(columns, names[0]), names[0])


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Auc:
    """How well a feature's values tell two classes: `positive` is 1 in documents of one, else 0."""

    none: ClassVar[float] = 0.5

    name: str
    positive: Array

    @classmethod
    def of(cls, column: pa.ChunkedArray, name: str) -> "Auc":
        """Of the class that is later in order. Raises `InvalidInput` unless there are two."""
        classes = sorted(column.unique().to_pylist())
        if len(classes) != 2:
            raise InvalidInput(
                f"The documents have {len(classes)} different values in {name}, and features go "
                f"with two: choose two with where, as in \"{name} in ('{classes[0]}', ...)\".",
                column=name,
            )
        positive = pc.equal(column, classes[1]).to_numpy().astype(np.float64)
        return cls(name=f"AUC of {classes[1]} against {classes[0]}", positive=positive)

    def __call__(self, values: Values) -> tuple[Array, Array]:
        """The areas, and the p-values of Mann and Whitney's test."""
        ranks = _Ranks.of(values)
        n, n_1 = values.n, self.positive.sum()
        n_0 = n - n_1
        u = ranks.sums(self.positive) - n_1 * (n_1 + 1) / 2
        deviation = np.sqrt(n_1 * n_0 / 12 * (n + 1 - ranks.ties / (n * (n - 1))))
        distance = np.maximum(np.abs(u - n_1 * n_0 / 2) - 0.5, 0)
        z = np.divide(distance, deviation, out=np.zeros_like(u), where=deviation > 0)
        return u / (n_1 * n_0), 2 * special.ndtr(-z)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spearman:
    """How ranks of a feature's values go with `ranks` of numbers, which have mean 0."""

    none: ClassVar[float] = 0.0

    name: str
    ranks: Array

    @classmethod
    def of(cls, numbers: Array, name: str) -> "Spearman":
        """With a column of numbers."""
        ranks = stats.rankdata(numbers)
        return cls(name=f"Spearman correlation with {name}", ranks=ranks - ranks.mean())

    def __call__(self, values: Values) -> tuple[Array, Array]:
        """The correlations (0 where either side never changes), and p-values of the t test."""
        ranks = _Ranks.of(values)
        n = values.n
        spread = (float(n) ** 3 - n - ranks.ties) / 12  # of squared deviations of the ranks
        scale = np.sqrt(np.maximum(spread, 0) * (self.ranks @ self.ranks))
        rho = np.divide(ranks.sums(self.ranks), scale, out=np.zeros(len(scale)), where=scale > 0)
        rho = np.clip(rho, -1, 1)
        rest = np.maximum(1 - rho**2, 1e-300)
        return rho, 2 * special.stdtr(n - 2, -np.abs(rho) * np.sqrt((n - 2) / rest))


@dataclass(frozen=True, slots=True, kw_only=True)
class Moran:
    """How alike a feature's values are in near places.

    `near` int64 (n, k) are each document's nearest others, each of weight 1/k, and `pulled`
    float64 (n,) the sum of the weights that a document has in those of others.
    """

    name: str
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
        return cls(
            name=f"Moran's I of {', '.join(names)} over {k} neighbours",
            near=near,
            pulled=pulled,
            deviation=max(square - 1 / (n - 1) ** 2, 0) ** 0.5,
        )

    @property
    def none(self) -> float:
        """What is expected of values that have nothing to do with the places."""
        return -1 / (len(self.near) - 1)

    def __call__(self, values: Values) -> tuple[Array, Array]:
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
        z = np.divide(i - self.none, self.deviation, out=np.zeros_like(i), where=tested)
        return i, 2 * special.ndtr(-np.abs(z))


def _nearest(places: Array) -> Array:
    """The nearest others of each place, int64 (n, k)."""
    n = len(places)
    k = min(N_NEIGHBOURS, n - 1)
    _, near = spatial.cKDTree(places).query(places, k + 1)
    own = near == np.arange(n)[:, None]
    own[~own.any(axis=1), -1] = True  # of more equal places than neighbours, it is not always one
    others: Array = near[~own].reshape(n, k)
    return others
