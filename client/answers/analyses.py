"""What analyses answer: frozen values, and the sequences that they come in.

`pole` is + or - where the dictionary is signed, and tells which pole of the feature is meant; of
others it is None.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa

from saelake.answers.answer import Answer, aligned, described, named, one_line

TEXT_SHOWN = 60


def _metadata(table: pa.Table) -> Mapping[str, str]:
    said = table.schema.metadata or {}
    return {name.decode(): value.decode() for name, value in said.items()}


def _label(label: str | None) -> str:
    return one_line(label or "")


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
    the collection when its index was made; 1 is exact. The scores are exact in any case.
    """

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, FoundDocument.of)
        self.recall = float(_metadata(table).get("recall", "1"))

    def __repr__(self) -> str:
        rows = [
            (
                found.score,
                found.id,
                one_line(found.text)[:TEXT_SHOWN],
                ", ".join(str(named(s.feature, s.pole)) for s in found.shared_features),
                described(found.metadata),
            )
            for found in self
        ]
        return aligned(rows, ("score", "id", "text", "shared features", "metadata"))


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
    def marked(self) -> str:
        """The text in one line, with the token in << >>."""
        end = self.token_start + self.token_length
        parts = self.text[: self.token_start], self.text[self.token_start : end], self.text[end:]
        before, token, after = map(one_line, parts)
        return f"{before}<<{token}>>{after}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How often a feature fires on two sides.

    `relative` is the difference over the larger frequency; `log_odds` has half a document added
    to each count. `against` is the selection on the other side; `q_value` is Benjamini and
    Hochberg's over all features tested.
    """

    feature: int
    pole: str | None = None
    frequency_a: float
    frequency_b: float
    difference: float
    relative: float
    log_odds: float
    p_value: float
    q_value: float
    against: str
    label: str | None
    example_a: Example | None
    example_b: Example | None

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


class Diff(Answer[Difference]):
    """Features by how differently often they fire.

    `n_a` and `n_b` count documents, tokens or pairs (of several others the first); `n_tested`
    features were tested, by `test`.
    """

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, Difference.of)
        said = _metadata(table)
        self.n_a, self.n_b = int(said["n_a"]), int(said["n_b"])
        self.n_tested, self.test = int(said["n_tested"]), said["test"]

    def __repr__(self) -> str:
        rows = [
            (
                named(d.feature, d.pole),
                d.frequency_a,
                d.frequency_b,
                d.difference,
                d.q_value,
                _label(d.label),
            )
            for d in self
        ]
        head = f"{self.n_a:,} against {self.n_b:,}; {self.n_tested:,} features, {self.test}"
        header = ("feature", "frequency a", "frequency b", "difference", "q", "label")
        return f"{head}\n{aligned(rows, header)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """How strongly a feature goes with a column: an AUC, a rank correlation or Moran's I."""

    feature: int
    pole: str | None = None
    effect: float
    p_value: float
    q_value: float
    n_documents: int
    label: str | None


class Associations(Answer[Association]):
    """Features by how strongly they go with a column; `statistic` says what `effect` is."""

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, Association)
        said = _metadata(table)
        self.statistic = said["statistic"]
        self.n, self.n_tested = int(said["n"]), int(said["n_tested"])

    def __repr__(self) -> str:
        rows = [
            (named(a.feature, a.pole), a.effect, a.q_value, a.n_documents, _label(a.label))
            for a in self
        ]
        head = f"{self.statistic} over {self.n:,} documents; {self.n_tested:,} features"
        return f"{head}\n{aligned(rows, ('feature', 'effect', 'q', 'documents', 'label'))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """Two features that fire in the same documents.

    `n_a` and `n_b` documents have each, `n_both` both; `b_given_a` = n_both / n_a.
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


class Correlations(Answer[Correlation]):
    """Pairs of features by NPMI, over `n` documents."""

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, Correlation)
        self.n = int(_metadata(table)["n"])

    def __repr__(self) -> str:
        rows = [
            (
                named(c.feature_a, c.pole_a),
                named(c.feature_b, c.pole_b),
                c.npmi,
                c.n_both,
                c.n_a,
                c.n_b,
                _pair(c.label_a, c.label_b),
            )
            for c in self
        ]
        header = ("a", "b", "NPMI", "both", "in a", "in b", "labels")
        return f"over {self.n:,} documents\n{aligned(rows, header)}"


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
    """Clusters, largest first; `n_left_out` documents have none of the features compared."""

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, Cluster.of)
        said = _metadata(table)
        self.n, self.n_left_out = int(said["n"]), int(said["n_left_out"])

    def __repr__(self) -> str:
        rows = [
            (
                c.cluster,
                c.n_documents,
                "; ".join(_label(f.label) or str(named(f.feature, f.pole)) for f in c.features),
                one_line(c.central[0].text)[:TEXT_SHOWN],
            )
            for c in self
        ]
        return aligned(rows, ("cluster", "documents", "distinctive features", "most central"))


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

    def __repr__(self) -> str:
        rows = [
            (
                named(m.feature_a, m.pole_a),
                named(m.feature_b, m.pole_b),
                m.score,
                _pair(m.label_a, m.label_b),
            )
            for m in self
        ]
        return aligned(rows, ("a", "b", "score", "labels"))


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
    """Families of features, largest first."""

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, Family.of)

    def __repr__(self) -> str:
        rows = [
            (f.n_features, f.mean_npmi, ", ".join(map(str, f.names[:8])), _label(f.labels[0]))
            for f in self
        ]
        return aligned(rows, ("size", "mean NPMI", "features", "label of the first"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a feature is called, and who says so; `similarity` to the text asked for."""

    feature: int
    pole: str | None = None
    label: str
    explainer: str
    score: float | None
    similarity: float | None


class Labels(Answer[Label]):
    """Labels of features."""

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, Label)

    def __repr__(self) -> str:
        rows = [(named(r.feature, r.pole), _label(r.label), r.explainer) for r in self]
        return aligned(rows, ("feature", "label", "explainer"))


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

    def __repr__(self) -> str:
        rows = [(named(n.feature, n.pole), n.cosine, _label(n.label)) for n in self]
        return aligned(rows, ("feature", "cosine", "label"))
