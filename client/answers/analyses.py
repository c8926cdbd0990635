"""What analyses answer: frozen values, and the sequences that they come in.

`pole` is + or - where the dictionary is signed, and tells which pole of the feature is meant; of
others it is None.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pyarrow as pa

from saelake.answers import about
from saelake.answers.answer import Answer
from saelake.answers.text import described, named, one_line
from saelake.answers.view import Cell, Passage, Proportion, View

TEXT_SHOWN = 60


def _metadata(table: pa.Table) -> Mapping[str, str]:
    said = table.schema.metadata or {}
    return {name.decode(): value.decode() for name, value in said.items()}


def _plain(name: str, value: str) -> Any:
    """A value of the metadata of a diff, as the number or the sentences that it is."""
    if name == "notes":
        return json.loads(value)
    if name.startswith("n_"):
        return int(value)
    numbers = ("level", "length_a", "length_b", "length_auc", "confirm_share")
    return float(value) if name in numbers else value


def _label(label: str | None) -> str:
    return one_line(label or "")


def _shared(shared: "SharedFeature") -> str:
    called, label = named(shared.feature, shared.pole), _label(shared.label)
    return f"{called} ({label})" if label else str(called)


def _proportion(value: float | None) -> Cell:
    return None if value is None else Proportion(value)


def _passage(example: "Example | None") -> Cell:
    return None if example is None else Passage(*example.parts, 1.0, f"{example.value:.4g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenFeature:
    """A feature that stands for a phrase: how much it counts, by which label, made of which corpus.

    `similarity` is that of the label and the phrase; `score` the label's own.
    """

    feature: int
    label: str
    explainer: str
    corpus: str | None
    score: float | None
    similarity: float
    weight: float
    pole: str | None = None


def _chosen(table: pa.Table) -> tuple[ChosenFeature, ...]:
    """The features that stand for the phrase asked about, nearest first; none without a phrase."""
    return tuple(ChosenFeature(**row) for row in json.loads(_metadata(table).get("chosen", "[]")))


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedFeature:
    """A feature that makes `share` of a document's score; `value` is the document's."""

    feature: int
    pole: str | None = None
    label: str | None
    share: float
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundDocument:
    """A document that an analysis found; `text` is how it begins."""

    doc: int
    id: str
    score: float
    text: str
    metadata: Mapping[str, Any]
    shared_features: tuple[SharedFeature, ...]

    @classmethod
    def of(cls, *, shared_features: Sequence[Mapping[str, Any]], **row: Any) -> Self:
        """The document of a row."""
        shared = tuple(SharedFeature(**feature) for feature in shared_features)
        return cls(shared_features=shared, **row)


class FoundDocuments(Answer[FoundDocument]):
    """Documents, best first.

    `recall` is the share of the best documents that such a search finds, measured on documents of
    the collection when its index was made; 1 is exact. The scores are exact in any case. `chosen`
    are the features that stand for the phrase, where one was asked about.
    """

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, FoundDocument.of)
        self.recall = float(_metadata(table).get("recall", "1"))
        self.chosen = _chosen(table)

    def _view(self, rows: Sequence[FoundDocument]) -> View:
        return View(
            said=[] if self.recall == 1 else [f"approximate: recall {self.recall:.4g}"],
            header=("score", "id", "text", "shared features", "metadata"),
            rows=[
                (
                    found.score,
                    found.id,
                    one_line(found.text)[:TEXT_SHOWN],
                    ", ".join(map(_shared, found.shared_features)),
                    described(found.metadata),
                )
                for found in rows
            ],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A feature's strongest token, with the text around it (see `Hit`)."""

    doc: int
    id: str
    position: int
    value: float
    token: str
    text: str
    token_start: int
    token_length: int

    @property
    def parts(self) -> tuple[str, str, str]:
        """The text before the token, the token, and the text after it."""
        end = self.token_start + self.token_length
        return self.text[: self.token_start], self.text[self.token_start : end], self.text[end:]

    @property
    def marked(self) -> str:
        """The text in one line, with the token in << >>."""
        return str(Passage(*self.parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How often a feature fires on two sides.

    `relative` is the difference over the larger frequency; `log_odds` has half a document added to
    each count. `against` is the selection on the other side; `q_value` is Benjamini and Hochberg's
    over all features tested. The interval of the difference is `ci_low` to `ci_high`.
    `raw_frequency_a` and `raw_frequency_b` are of all documents, where the frequencies are of those
    that were aligned, or of strata. `confirmed_` values are of the documents held back, and None
    for features that were not tested again. What could not be compared is None.
    """

    feature: int
    pole: str | None = None
    frequency_a: float | None
    frequency_b: float | None
    difference: float | None
    relative: float | None
    log_odds: float | None
    p_value: float | None
    q_value: float | None
    ci_low: float | None = None
    ci_high: float | None = None
    raw_frequency_a: float | None = None
    raw_frequency_b: float | None = None
    confirmed_difference: float | None = None
    confirmed_p_value: float | None = None
    confirmed_q_value: float | None = None
    against: str
    label: str | None
    example_a: Example | None
    example_b: Example | None

    @property
    def example(self) -> "Example | None":
        """The example of the side where the feature is more frequent."""
        more = self.difference
        if more is None:  # nothing was compared within strata
            more = (self.raw_frequency_a or 0) - (self.raw_frequency_b or 0)
        return self.example_a if more > 0 else self.example_b

    @classmethod
    def of(
        cls,
        *,
        example_a: Mapping[str, Any] | None,
        example_b: Mapping[str, Any] | None,
        **row: Any,
    ) -> Self:
        """The difference of a row."""
        a, b = (None if e is None else Example(**e) for e in (example_a, example_b))
        return cls(example_a=a, example_b=b, **row)

    @property
    def interval(self) -> str:
        """The interval of the difference in percentage points, as text; empty if unknown."""
        if self.ci_low is None or self.ci_high is None:
            return ""
        return f"{100 * self.ci_low:+.1f} to {100 * self.ci_high:+.1f}"


class Diff(Answer[Difference]):
    """Features by how differently often they fire.

    `n_a` and `n_b` count the documents or tokens that were compared (of several others the first);
    `n_tested` features were tested, by `test`. `notes` are sentences that must be read with the
    numbers, and `about` has all that is said of the whole answer.
    """

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, Difference.of)
        said = _metadata(table)
        self.n_a, self.n_b = int(said["n_a"]), int(said["n_b"])
        self.n_tested, self.test = int(said["n_tested"]), said["test"]
        self.unit, self.level = said.get("unit", "document"), float(said.get("level", "0.95"))
        self.notes: tuple[str, ...] = tuple(json.loads(said.get("notes", "[]")))

    @property
    def about(self) -> dict[str, Any]:
        """What the whole answer says: the test, its unit, counts, lengths, and notes."""
        said = _metadata(self._table)
        return {name: _plain(name, value) for name, value in said.items()}

    @property
    def head(self) -> str:
        """In a line, what was compared and how."""
        unit = {"document": "documents", "token": "tokens"}.get(self.unit, self.unit)
        said = self.about
        lengths = ""
        if "length_a" in said:
            a, b = said["length_a"], said["length_b"]
            lengths = f"; median length {a:,.0f} against {b:,.0f} tokens"
        return (
            f"{self.n_a:,} {unit} against {self.n_b:,}{lengths}; "
            f"{self.n_tested:,} features tested: {one_line(self.test)}; q: Benjamini-Hochberg"
        )

    def _view(self, rows: Sequence[Difference]) -> View:
        again = "confirm_share" in self.about
        numbers = ("frequency a", "frequency b", "difference", f"{self.level:.0%} interval", "q")
        return View(
            said=[self.head, *self.notes],
            header=("feature", *numbers, *(["q again"] if again else []), "label", "example"),
            rows=[
                (
                    named(d.feature, d.pole),
                    _proportion(d.frequency_a),
                    _proportion(d.frequency_b),
                    d.difference,
                    d.interval,
                    d.q_value,
                    *([d.confirmed_q_value] if again else []),
                    _label(d.label),
                    _passage(d.example),
                )
                for d in rows
            ],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """How strongly a feature goes with a column: an AUC, a rank correlation or Moran's I.

    Of several classes it is that of `category` against the rest. The interval of the effect is
    `ci_low` to `ci_high`. `confirmed_` values are of the documents held back, and None for features
    that were not tested again. What could not be compared is None.
    """

    feature: int
    pole: str | None = None
    effect: float | None
    p_value: float | None
    q_value: float | None
    n_documents: int
    label: str | None
    category: str | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    confirmed_effect: float | None = None
    confirmed_p_value: float | None = None
    confirmed_q_value: float | None = None


class Associations(Answer[Association]):
    """Features by how strongly they go with a column; `statistic` says what `effect` is.

    `notes` are sentences that must be read with the numbers, and `about` has all that is said of
    the whole answer.
    """

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, Association)
        self.about = about.said(table)
        self.statistic: str = self.about["statistic"]
        self.n: int = self.about["n"]
        self.n_tested: int = self.about["n_tested"]
        self.notes: tuple[str, ...] = self.about.get("notes", ())

    @property
    def head(self) -> str:
        """In a line, what was measured and how."""
        said = f"{self.statistic} over {self.n:,} documents"
        if str(self.about.get("unit", "document")) != "document":
            said += f" of {self.about['n_units']:,} {self.about['unit'].replace('value', 'values')}"
        return f"{said}{about.tested(self.about, 'features') or self._counted}"

    @property
    def _counted(self) -> str:
        return f"; {self.n_tested:,} features"

    def _view(self, rows: Sequence[Association]) -> View:
        return View(
            said=[self.head, *self.notes],
            header=("feature", "effect", "from", "to", "q", "documents", "class", "label"),
            rows=[
                (
                    named(a.feature, a.pole),
                    a.effect,
                    a.ci_low,
                    a.ci_high,
                    a.q_value,
                    a.n_documents,
                    a.category,
                    _label(a.label),
                )
                for a in rows
            ],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """Two features that fire in the same documents.

    `n_a` and `n_b` documents have each, `n_both` both; `b_given_a` is the share of the documents
    with a that have b. Of aligned texts they are values that have such documents, and shares are
    means over values. With a control, `expected` documents have both by what is controlled for,
    `controlled_npmi` is against these, and p and q are of the difference; else all are None.
    """

    feature_a: int
    pole_a: str | None = None
    feature_b: int
    pole_b: str | None = None
    npmi: float
    n_a: int
    n_b: int
    n_both: int
    b_given_a: float
    a_given_b: float
    label_similarity: float | None
    label_a: str | None
    label_b: str | None
    controlled_npmi: float | None = None
    expected: float | None = None
    p_value: float | None = None
    q_value: float | None = None


class Correlations(Answer[Correlation]):
    """Pairs of features by NPMI, over `n` documents or values that align them.

    `notes` are sentences that must be read with the numbers, and `about` has all that is said of
    the whole answer.
    """

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, Correlation)
        self.about = about.said(table)
        self.n: int = self.about["n"]
        self.notes: tuple[str, ...] = self.about.get("notes", ())

    @property
    def is_controlled(self) -> bool:
        """Whether something was controlled for."""
        return str(self.about.get("control", "none")) != "none"

    @property
    def head(self) -> str:
        """In a line, over what pairs were counted, and how they were tested."""
        return f"over {about.units(self.about)}{about.tested(self.about, 'pairs')}"

    def _view(self, rows: Sequence[Correlation]) -> View:
        more = ("controlled", "q") if self.is_controlled else ()
        return View(
            said=[self.head, *self.notes],
            header=("a", "b", "NPMI", *more, "both", "in a", "in b", "labels"),
            rows=[
                (
                    named(c.feature_a, c.pole_a),
                    named(c.feature_b, c.pole_b),
                    c.npmi,
                    *((c.controlled_npmi, c.q_value) if more else ()),
                    c.n_both,
                    c.n_a,
                    c.n_b,
                    _pair(c.label_a, c.label_b),
                )
                for c in rows
            ],
        )


def _pair(a: str | None, b: str | None) -> str:
    return f"{_label(a)} | {_label(b)}" if a or b else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DistinctiveFeature:
    """A feature that fires more often in a cluster than out of it."""

    feature: int
    pole: str | None = None
    label: str | None
    frequency_in: float
    frequency_out: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CentralDocument:
    """A document that is like the others of its cluster."""

    doc: int
    id: str
    centrality: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Documents alike: `docs` are their numbers, ascending, and `centrality` of each."""

    cluster: int
    n_documents: int
    features: tuple[DistinctiveFeature, ...]
    central: tuple[CentralDocument, ...]
    docs: tuple[int, ...]
    centrality: tuple[float, ...]

    @classmethod
    def of(
        cls,
        *,
        features: Sequence[Mapping[str, Any]],
        central: Sequence[Mapping[str, Any]],
        docs: Sequence[int],
        centrality: Sequence[float],
        **row: Any,
    ) -> Self:
        """The cluster of a row."""
        return cls(
            features=tuple(DistinctiveFeature(**feature) for feature in features),
            central=tuple(CentralDocument(**document) for document in central),
            docs=tuple(docs),
            centrality=tuple(centrality),
            **row,
        )


class Clusters(Answer[Cluster]):
    """Clusters, largest first; `n_left_out` documents have none of the features compared.

    `chosen` are the features that stand for the phrase, where one was asked about.
    """

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, Cluster.of)
        said = _metadata(table)
        self.n, self.n_left_out = int(said["n"]), int(said["n_left_out"])
        self.chosen = _chosen(table)

    def _view(self, rows: Sequence[Cluster]) -> View:
        left_out = f"{self.n_left_out:,} documents have none of the features"
        return View(
            said=[left_out] if self.n_left_out else [],
            header=("cluster", "documents", "distinctive features", "most central"),
            rows=[
                (
                    c.cluster,
                    c.n_documents,
                    "; ".join(_label(f.label) or str(named(f.feature, f.pole)) for f in c.features),
                    one_line(c.central[0].text)[:TEXT_SHOWN],
                )
                for c in rows
            ],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A feature of a, and one of b that does the same; counts are of tokens."""

    feature_a: int
    pole_a: str | None = None
    feature_b: int
    pole_b: str | None = None
    score: float
    n_a: int | None
    n_b: int | None
    n_both: int | None
    label_a: str | None
    label_b: str | None


class Matches(Answer[Match]):
    """Features of one dictionary and those of another that do the same."""

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, Match)

    def _view(self, rows: Sequence[Match]) -> View:
        return View(
            header=("a", "b", "score", "labels"),
            rows=[
                (
                    named(m.feature_a, m.pole_a),
                    named(m.feature_b, m.pole_b),
                    m.score,
                    _pair(m.label_a, m.label_b),
                )
                for m in rows
            ],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Features that fire in the same documents, the most frequent first.

    `poles` tell which pole of each is meant, where the dictionary is signed.
    """

    family: int
    n_features: int
    n_pairs: int
    mean_npmi: float
    features: tuple[int, ...]
    poles: tuple[str, ...] | None = None
    labels: tuple[str | None, ...]

    @classmethod
    def of(
        cls,
        *,
        features: Sequence[int],
        poles: Sequence[str] | None = None,
        labels: Sequence[str | None],
        **row: Any,
    ) -> Self:
        """The family of a row."""
        signs = None if poles is None else tuple(poles)
        return cls(features=tuple(features), poles=signs, labels=tuple(labels), **row)

    @property
    def names(self) -> tuple[int | str, ...]:
        """What the features are called: numbers, or those of their poles."""
        signs = self.poles or (None,) * len(self.features)
        return tuple(map(named, self.features, signs))


class Families(Answer[Family]):
    """Families of features, largest first.

    `notes` are sentences that must be read with the numbers, and `about` has all that is said of
    the whole answer.
    """

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, Family.of)
        self.about = about.said(table)
        self.notes: tuple[str, ...] = self.about.get("notes", ())

    @property
    def head(self) -> str:
        """In a line, over what pairs were counted, and what was controlled for."""
        return f"over {about.units(self.about)}{about.tested(self.about, 'pairs')}"

    def _view(self, rows: Sequence[Family]) -> View:
        return View(
            said=[*([self.head] if "n" in self.about else []), *self.notes],
            header=("size", "mean NPMI", "features", "label of the first"),
            rows=[
                (
                    f.n_features,
                    f.mean_npmi,
                    ", ".join(map(str, f.names[:8])),
                    _label(f.labels[0]),
                )
                for f in rows
            ],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a feature is called, and who says so; `similarity` to the text asked for.

    `corpus` is the one that it was made from (None: imported), and `coverage` the share of the
    feature's activation there that is on its words. `score` says how well its words predict where
    the feature fires, in documents of `scored_on` that it was not made of: the area under the ROC
    curve (.5 is a guess) and its 95 % interval, over `n_positive` documents in which the feature
    fires and `n_negative` others. An imported score (`scored_on` None) is what its maker says.
    """

    feature: int
    pole: str | None = None
    label: str
    explainer: str
    score: float | None
    similarity: float | None
    corpus: str | None = None
    coverage: float | None = None
    score_low: float | None = None
    score_high: float | None = None
    n_positive: int | None = None
    n_negative: int | None = None
    scored_on: str | None = None


class Labels(Answer[Label]):
    """Labels of features; `answering` made those that were compared with the text asked for."""

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, Label)
        self.answering = _metadata(table).get("answering")

    def median(self, column: str) -> float | None:
        """The median of a column of numbers, as `score` or `coverage`; None of none."""
        known = self.to_arrow()[column].drop_null().to_numpy()
        return float(np.median(known)) if len(known) else None

    def _view(self, rows: Sequence[Label]) -> View:
        return View(
            header=("feature", "score", "label", "explainer"),
            rows=[(named(r.feature, r.pole), r.score, _label(r.label), r.explainer) for r in rows],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbor:
    """A feature whose decoder direction is near."""

    feature: int
    pole: str | None = None
    cosine: float
    label: str | None


class Neighbors(Answer[Neighbor]):
    """Features with near decoder directions, nearest first."""

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, Neighbor)

    def _view(self, rows: Sequence[Neighbor]) -> View:
        return View(
            header=("feature", "cosine", "label"),
            rows=[(named(n.feature, n.pole), n.cosine, _label(n.label)) for n in rows],
        )
