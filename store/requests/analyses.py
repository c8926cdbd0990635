"""Questions about documents and features as wholes: one frozen value a question."""

from dataclasses import dataclass
from typing import Literal, get_args

from saelake.store.errors import InvalidInput
from saelake.store.requests.checks import (
    Pooling,
    Selection,
    Weight,
    check_choice,
    check_k,
    check_positive,
    check_share,
    check_values,
)

Measure = Literal["cosine", "dot", "jaccard"]
Method = Literal["sae", "dense", "hybrid"]
Unit = Literal["document", "token"]
DiffOrder = Literal["difference", "relative", "log_odds"]
Adjacent = Literal["keep", "drop"]
Clustering = Literal["spectral", "jaccard"]
MatchBy = Literal["activation", "jaccard", "decoder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarQuery:
    """Which documents are like a text, some documents, or some features with weights.

    Give one of `text` (encoded by the collection's model), `ids` or `docs` (documents of the
    collection: the mean of their embeddings, each of length 1) and `features` (a vector). The
    documents asked about are not among the hits.

    `within` restricts the comparison to these features, `about` to those whose labels match a
    phrase; `weights` multiplies the values of features (others: 1). `method` `dense` compares
    the documents' dense embeddings instead, and `hybrid` ranks by both. `exact` rules out
    approximation.
    """

    collection: str
    where: str | None = None
    text: str | None = None
    ids: tuple[str, ...] = ()
    docs: tuple[int, ...] = ()
    features: tuple[Weight, ...] = ()
    k: int | None = 10
    pooling: Pooling = "max"
    measure: Measure = "cosine"
    idf: bool = False
    within: tuple[int, ...] = ()
    about: str | None = None
    weights: tuple[Weight, ...] = ()
    method: Method = "sae"
    exact: bool = False

    def __post_init__(self) -> None:
        check_values(self)
        check_k(self.k)
        check_choice("pooling", self.pooling, get_args(Pooling))
        check_choice("measure", self.measure, get_args(Measure))
        check_choice("method", self.method, get_args(Method))
        given = (self.text is not None, bool(self.ids or self.docs), bool(self.features))
        if sum(given) != 1:
            raise InvalidInput("Ask for what is similar to one thing: a text, documents, features.")
        if self.text is not None and not self.text.strip():
            raise InvalidInput("The text to compare with is empty.")
        if self.within and self.about is not None:
            raise InvalidInput(
                "Give either the features to compare within, or a phrase about them."
            )
        if self.features and self.method != "sae":
            raise InvalidInput(
                f"Features are no dense embedding: method {self.method!r} needs text."
            )
        if any(weight.weight < 0 for weight in self.weights):
            raise InvalidInput("The weight of a feature cannot be negative.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrieveQuery:
    """Which documents have a property that a phrase names, through the labels of features.

    The `n_features` features whose labels are nearest the phrase are weighed by rank (see
    `query.retrieve`). `hybrid` also ranks by the dense embeddings' similarity to the phrase.
    """

    collection: str
    phrase: str
    where: str | None = None
    k: int | None = 10
    method: Method = "hybrid"
    n_features: int = 100
    temperature: float = 0.2

    def __post_init__(self) -> None:
        check_values(self)
        check_k(self.k)
        check_choice("method", self.method, get_args(Method))
        check_positive("n_features", self.n_features)
        check_positive("temperature", self.temperature)
        if not self.phrase.strip():
            raise InvalidInput("The phrase is empty: name a property, as in 'sarcastic praise'.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectQuery:
    """The documents of `pool` nearest, in SAE space, to the documents of `target`."""

    pool: Selection
    target: Selection
    k: int | None = 10
    pooling: Pooling = "max"
    idf: bool = True

    def __post_init__(self) -> None:
        check_values(self)
        check_k(self.k)
        check_choice("pooling", self.pooling, get_args(Pooling))


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffQuery:
    """How often each feature fires in selection `a`, against the `others`.

    A feature fires in a document (or token) where its largest value is above `threshold`.
    Against several others, each feature is compared with that one of them in which it is most
    frequent. Features are left out where the smaller frequency is under `min_coverage`, or the
    larger above `max_coverage`. `align` names a metadata column: documents that have the same
    value in it are compared in pairs.
    """

    a: Selection
    others: tuple[Selection, ...]
    unit: Unit = "document"
    threshold: float = 0.0
    min_coverage: float = 0.0
    max_coverage: float = 1.0
    order: DiffOrder = "difference"
    k: int | None = 20
    align: str | None = None
    examples: bool = True

    def __post_init__(self) -> None:
        check_values(self)
        check_k(self.k)
        check_choice("unit", self.unit, get_args(Unit))
        check_choice("order", self.order, get_args(DiffOrder))
        check_share("min_coverage", self.min_coverage)
        check_share("max_coverage", self.max_coverage)
        if not self.others:
            raise InvalidInput("A diff needs something to compare with: give a second selection.")
        if self.align is not None and (self.unit != "document" or len(self.others) > 1):
            raise InvalidInput("Pairs are of documents, and of two selections: leave out align.")


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociateQuery:
    """Which features go with a metadata column: two classes, numbers, or two coordinates."""

    collection: str
    columns: tuple[str, ...]
    where: str | None = None
    pooling: Pooling = "max"
    min_documents: int = 5
    k: int | None = 20

    def __post_init__(self) -> None:
        check_values(self)
        check_k(self.k)
        check_choice("pooling", self.pooling, get_args(Pooling))
        if len(self.columns) not in (1, 2):
            raise InvalidInput("Name one column, or the two columns of a coordinate.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrelationsQuery:
    """Which features fire in the same documents, by normalised pointwise mutual information.

    With `b`, features of `a`'s documents against features of `b`'s: two texts of one thing, as a
    prompt and its response, that have the same value in the column `align`. Features that fire in
    more than `max_coverage` of the documents are left out: what fires nearly everywhere does so
    together with everything. `max_label_similarity` keeps pairs whose labels have embeddings no
    more alike than that, by cosine; `adjacent` `drop` leaves out pairs that mostly fire on the same
    or neighbouring tokens.
    """

    a: Selection
    b: Selection | None = None
    align: str | None = None
    features: tuple[int, ...] = ()
    min_npmi: float = 0.6
    min_documents: int = 10
    max_coverage: float = 0.5
    max_label_similarity: float | None = None
    adjacent: Adjacent = "keep"
    k: int | None = 50

    def __post_init__(self) -> None:
        check_values(self)
        check_k(self.k)
        check_choice("adjacent", self.adjacent, get_args(Adjacent))
        if not -1 <= self.min_npmi <= 1:
            raise InvalidInput(f"NPMI is from -1 to 1, so min_npmi cannot be {self.min_npmi}.")
        check_positive("min_documents", self.min_documents)
        check_share("max_coverage", self.max_coverage)
        if (self.b is None) != (self.align is None):
            raise InvalidInput("Two texts need a column that aligns them: give both b and align.")
        if self.b is not None and self.adjacent == "drop":
            raise InvalidInput("Tokens of two texts are never adjacent: leave out adjacent.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClustersQuery:
    """Groups of documents alike in SAE space, in all features or in some.

    `about` takes the `n_labels` features whose labels are nearest a phrase. `spectral` scales to
    any number of documents; `jaccard` is the published way, for some thousands.
    """

    collection: str
    where: str | None = None
    n_clusters: int = 8
    features: tuple[int, ...] = ()
    about: str | None = None
    n_labels: int = 100
    method: Clustering = "spectral"
    seed: int = 0

    def __post_init__(self) -> None:
        check_values(self)
        check_choice("method", self.method, get_args(Clustering))
        check_positive("n_labels", self.n_labels)
        if self.n_clusters < 2:
            raise InvalidInput(f"n_clusters must be at least 2, not {self.n_clusters}.")
        if self.features and self.about is not None:
            raise InvalidInput("Give either features, or a phrase about them.")


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchQuery:
    """Which features of collection `b` do what features of collection `a` do, `k` for each.

    `activation`: Pearson correlation over the tokens of one corpus, encoded by two dictionaries.
    `jaccard`: tokens where both fire, of those where either does. `decoder`: cosine of decoder
    directions, for which nothing is read of the corpus: `a` and `b` may then be dictionaries.
    """

    a: str
    b: str
    features: tuple[int, ...] = ()
    where: str | None = None
    by: MatchBy = "activation"
    k: int = 1

    def __post_init__(self) -> None:
        check_values(self)
        check_k(self.k)
        check_choice("by", self.by, get_args(MatchBy))


@dataclass(frozen=True, slots=True, kw_only=True)
class FamiliesQuery:
    """Groups of features that fire in the same documents: parts of a graph of NPMI."""

    collection: str
    where: str | None = None
    min_npmi: float = 0.6
    min_documents: int = 10
    max_coverage: float = 0.5
    k: int | None = 20

    def __post_init__(self) -> None:
        check_values(self)
        check_k(self.k)
        check_share("max_coverage", self.max_coverage)
        if not -1 <= self.min_npmi <= 1:
            raise InvalidInput(f"NPMI is from -1 to 1, so min_npmi cannot be {self.min_npmi}.")
        check_positive("min_documents", self.min_documents)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelsQuery:
    """Labels of a dictionary's features: those nearest a text, those of some features, or all."""

    dictionary: str
    text: str | None = None
    features: tuple[int, ...] = ()
    k: int | None = 20

    def __post_init__(self) -> None:
        check_values(self)
        check_k(self.k)
        if self.text is not None and self.features:
            raise InvalidInput("Give either a text or features, not both.")
        if self.text is not None and not self.text.strip():
            raise InvalidInput("The text to look for is empty.")


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighborsQuery:
    """The features of a dictionary whose decoder directions are nearest to that of a feature."""

    dictionary: str
    feature: int
    k: int = 10

    def __post_init__(self) -> None:
        check_values(self)
        check_k(self.k)
