"""Which features go with a metadata column: `query/parts/association.py` has the measures.

Documents in which a feature does not fire have value 0. The unit is the document, or the cluster of
documents that have one value in another column.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa

from saelake.store.arrays.ranks import RankUnits
from saelake.store.arrays.statistics import adjusted
from saelake.store.documents.columns import check_apart, read_columns
from saelake.store.format.lists import Array, concatenate
from saelake.store.query.parts.association import (
    Associated,
    AssociationMeasure,
    Moran,
    Values,
    measured,
)
from saelake.store.query.parts.controlled import n_bins
from saelake.store.query.parts.gathered import GatheredValues
from saelake.store.query.parts.halves import halves
from saelake.store.query.parts.labelled import labels_of
from saelake.store.query.parts.left_out import is_encoded, n_encoded, unencoded, without
from saelake.store.query.parts.lengths import lengths
from saelake.store.query.parts.said import metadata, plural
from saelake.store.query.parts.strata import LENGTH, LENGTH_ONLY, groups, length_control, strata
from saelake.store.requests.associate import AssociateQuery
from saelake.store.requests.checks import Selection
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

SIGNIFICANT = 0.05  # of q-values, for features that are confirmed


def associate(session: Session, query: AssociateQuery) -> pa.Table:
    """Features by how strongly they go with the column, ties by feature.

    The schema's metadata says the statistic, n (documents that have an embedding, a value that is
    not null, infinite or NaN, and one in each control), n_tested, the test, its unit and how it was
    corrected, what length alone has to do with the column, and `notes`. A feature's `n_documents`
    are those of them in which its value is not 0. Raises `InvalidInput` for a column that does not
    exist, or has neither classes nor numbers.
    """
    selected = session.select(Selection(collection=query.collection, where=query.where))
    parts = [selected], [selected]
    if query.confirm:
        parts = halves([selected], query.cluster_by, query.confirm_share)
    subject = Subject.of(session, parts[0][0], query)
    fires = subject.values.fires()
    features = np.flatnonzero(fires >= max(query.min_documents, 1))
    found = subject.measured(features, fires[features])
    q = _adjusted(found.p)
    again = _again(session, parts[1][0], query, subject, features, found, q)
    strength = np.nan_to_num(np.abs(found.effect - subject.measure.about.none), nan=-1.0)
    order = np.lexsort((features, -strength))[: query.k]
    columns = {
        "feature": features,
        "effect": found.effect,
        "p_value": found.p,
        "q_value": q,
        "n_documents": fires[features],
        "ci_low": found.low,
        "ci_high": found.high,
        "confirmed_effect": again.effect,
        "confirmed_p_value": again.p,
        "confirmed_q_value": _adjusted(again.p),
    }
    chosen = {name: _nulled(values[order]) for name, values in columns.items()}
    chosen["label"] = labels_of(session, selected.collection).column(features[order])
    chosen["label"] = chosen["label"].dictionary_decode()
    chosen["category"] = subject.categories(found.category[order])
    answer = {name: chosen[name] for name in AssociateQuery.answer.names}
    table = pa.Table.from_pydict(answer, schema=AssociateQuery.answer)
    n_found, confirmed = int((q < SIGNIFICANT).sum()), _confirmed(subject, found, again)
    said: dict[str, object] = {**subject.said(), "n_tested": len(features)}
    notes = list(subject.notes())
    if query.confirm:
        said |= {"confirm_share": query.confirm_share, "n_found": n_found, "n_confirmed": confirmed}
        notes.append(_confirmation(query, n_found, confirmed))
    return table.replace_schema_metadata(metadata(notes=notes, **said))


def _nulled(values: Array) -> pa.Array:
    """A column in which what is not known is null, and never NaN."""
    return pa.array(values, mask=np.isnan(values) if values.dtype.kind == "f" else None)


def _adjusted(p: Array) -> Array:
    """The q-values of those that are known."""
    q, known = np.full(len(p), np.nan), ~np.isnan(p)
    q[known] = adjusted(p[known])
    return q


# -- The documents that are looked at, and how a feature's values are measured in them.


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The documents that have a value in the column and in what is controlled for, ascending."""

    session: Session
    selected: Selected
    query: AssociateQuery
    docs: Array
    columns: pa.Table
    units: RankUnits
    measure: AssociationMeasure
    controls: tuple[str, ...]
    n_valueless: int
    n_left_out: int
    n_alone: int

    @classmethod
    def of(
        cls,
        session: Session,
        selected: Selected,
        query: AssociateQuery,
        classes: tuple[str, ...] = (),
    ) -> "Subject":
        """Of a selection, with its own classes or with these.

        Raises `InvalidInput` for columns that cannot be looked at.
        """
        docs, columns = _known(selected, query.columns)
        others = [*query.control, *filter(None, [query.cluster_by])]
        named = [name for name in others if name not in (LENGTH, LENGTH_ONLY)]
        check_apart(selected.collection.documents, query.columns, named)
        known = is_encoded(session, selected)[docs]
        stratum, cluster = np.zeros(len(docs), np.int64), None
        controls: tuple[str, ...] = ()
        keep = known.copy()
        if query.control:
            made = strata(session, [selected], query.control, n_bins(int(known.sum())))
            stratum, controls = made.of[0][docs].astype(np.int64), made.controls
            keep &= stratum >= 0
        if query.cluster_by is not None:
            cluster = groups([selected], query.cluster_by).of[0][docs].astype(np.int64)
            alone = cluster < 0  # without a value: nothing says that they belong together
            cluster[alone] = len(docs) + np.arange(alone.sum())
        units = RankUnits(
            stratum=_renumbered(stratum[keep]),
            cluster=None if cluster is None else _renumbered(cluster[keep]),
        )
        columns = columns.filter(pa.array(keep))
        return cls(
            session=session,
            selected=selected,
            query=query,
            docs=docs[keep],
            columns=columns,
            units=units,
            measure=measured(columns, units, query.level, classes),
            controls=controls,
            n_valueless=n_encoded(session, selected) - int(known.sum()),
            n_left_out=int(known.sum() - keep.sum()),
            n_alone=0 if cluster is None else int((cluster[keep] >= len(docs)).sum()),
        )

    @cached_property
    def values(self) -> GatheredValues:
        """What reads the values of features in the documents."""
        return GatheredValues(
            session=self.session,
            selected=self.selected,
            docs=self.docs,
            pooling=self.query.pooling,
        )

    def measured(self, features: Array, fires: Array, category: Array | None = None) -> Associated:
        """What is measured of these features; of the class that is given for each, if it is."""
        work = _Associating(self.measure, category)
        parts = list(self.values.map(features, fires, work))
        return Associated(
            **{
                name: concatenate((getattr(p, name) for p in parts), np.dtype(kind))
                for name, kind in _KINDS.items()
            }
        )

    def categories(self, numbers: Array) -> pa.Array:
        """The names of classes by number, null for -1."""
        names = pa.array(self.measure.about.categories, pa.string())
        return names.take(pa.array(numbers, mask=numbers < 0))

    @cached_property
    def by_length(self) -> tuple[float, float, str | None]:
        """What the number of tokens alone has to do with the column, as if it were a feature.

        The effect, p, and of which class.
        """
        value = lengths(self.session, self.selected)[self.docs].astype(np.float32)
        row = np.flatnonzero(value)
        row = row[np.argsort(value[row], kind="stable")]
        feature = np.zeros(len(row), np.int64)
        values = Values(feature=feature, row=row, value=value[row], n=len(value), n_features=1)
        units = replace(self.units, stratum=np.zeros(len(value), np.int64))
        found = measured(self.columns, units, self.query.level)(values)
        category: str | None = self.categories(found.category)[0].as_py()
        return float(found.effect[0]), float(found.p[0]), category

    def said(self) -> dict[str, object]:
        """What an answer says of itself."""
        query, (effect, p, _) = self.query, self.by_length
        return {
            "statistic": self.measure.about.name,
            "n": len(self.docs),
            "unit": f"value of {query.cluster_by}" if query.cluster_by else "document",
            "n_units": self.units.n_clusters,
            "test": self.measure.about.test,
            "correction": self.measure.about.correction,
            "control": "; ".join(self.controls) or "none",
            "level": query.level,
            "length_effect": effect,
            "length_p_value": p,
        }

    def notes(self) -> Iterator[str]:
        """What whoever reads the answer must know."""
        n, silent = len(self.docs), self.measure.about.n_silent
        n_known = n + self.n_left_out
        valueless = f"value in {' and '.join(self.query.columns)}"
        yield from without(self.n_valueless, n_known + self.n_valueless, "", valueless)
        yield from without(self.n_left_out, n_known, "", "value in what is controlled for")
        if self.n_alone:
            have = plural(self.n_alone, "document has", "documents have")
            each = "it" if self.n_alone == 1 else "each"
            yield f"{have} no {self.query.cluster_by}: {each} is a unit of its own."
        yield from unencoded(self.session, self.selected)
        if silent == n:
            yield "Within strata the column never changes, so nothing can be compared."
        elif silent:
            are, say = ("is", "says") if silent == 1 else ("are", "say")
            yield (
                f"{silent:,} of {n:,} documents {are} in strata in which the column never changes, "
                f"and {say} nothing."
            )
        if not {LENGTH, LENGTH_ONLY} & set(self.query.control):
            yield from self._of_length()

    def _of_length(self) -> Iterator[str]:
        (effect, p, category), about = self.by_length, self.measure.about
        if not (p < SIGNIFICANT and abs(effect - about.none) >= about.telling):
            return
        said = (
            f"Length alone goes with it: {about.short} {effect:.2f} of the number of tokens"
            f"{f' for {category}' if category else ''}. "
            "Features may follow length"
        )
        if isinstance(self.measure, Moran):
            yield f"{said}, for which places cannot be controlled."
            return
        yield f"{said}; try control={length_control([self.selected])}."


@dataclass(frozen=True, slots=True)
class _Associating:
    """Measures the values of some features, each for its class of `category`, if that is given."""

    measure: AssociationMeasure
    category: Array | None

    def __call__(self, values: Values, part: slice) -> Associated:
        return self.measure(values, None if self.category is None else self.category[part])


_KINDS = {"effect": "f8", "p": "f8", "low": "f8", "high": "f8", "category": "i8"}


def _renumbered(numbers: Array) -> Array:
    return np.unique(numbers, return_inverse=True)[1]


# -- Documents that were held back: what was found is looked at again in these.


def _again(
    session: Session,
    held: Selected,
    query: AssociateQuery,
    subject: Subject,
    features: Array,
    found: Associated,
    q: Array,
) -> Associated:
    """The features of q < .05 again, each for the class of before; NaN for the others."""
    nothing = {name: np.full(len(features), np.nan) for name in _KINDS}
    chosen = np.flatnonzero(q < SIGNIFICANT)
    if query.confirm and len(chosen):
        other = Subject.of(session, held, query, subject.measure.about.categories)
        fires = other.values.fires()[features[chosen]]
        made = other.measured(features[chosen], fires, found.category[chosen])
        for name in _KINDS:
            nothing[name][chosen] = getattr(made, name)
    return Associated(**nothing)


def _confirmed(subject: Subject, found: Associated, again: Associated) -> int:
    """How many features are there again, in the direction that they had."""
    none = subject.measure.about.none
    same = np.sign(again.effect - none) == np.sign(found.effect - none)
    return int(((_adjusted(again.p) < SIGNIFICANT) & same).sum())


def _confirmation(query: AssociateQuery, n_found: int, n_again: int) -> str:
    kept = f"documents, by values of {query.cluster_by}," if query.cluster_by else "documents"
    return (
        f"{1 - query.confirm_share:.0%} of the {kept} chose "
        f"{plural(n_found, 'feature', 'features')} (q < .05); "
        f"{plural(n_again, 'of these goes', 'of these go')} with it likewise in the other "
        f"{query.confirm_share:.0%}."
    )


def _known(selected: Selected, columns: tuple[str, ...]) -> tuple[Array, pa.Table]:
    """The documents of the selection that have a value in every column, ascending; the columns."""
    documents = selected.collection.documents
    rows = read_columns(documents, columns)
    keep = np.all([_has_value(rows[column]) for column in columns], axis=0)
    doc = rows["doc"].to_numpy()
    if selected.mask is not None:
        keep &= selected.mask[doc]
    return doc[keep], rows.select(columns).filter(pa.array(keep))


def _has_value(column: pa.ChunkedArray) -> Array:
    """Where a column is not null, and finite."""
    known: Array = column.is_valid().to_numpy()
    return np.isfinite(column.to_numpy()) if pa.types.is_floating(column.type) else known
