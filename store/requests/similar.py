"""Documents like a text, documents, or features."""

from dataclasses import dataclass
from typing import Literal

from saelake.store.errors import InvalidInput
from saelake.store.requests.checks import Method, Pooling, Weight, check_share
from saelake.store.requests.columns import FOUND
from saelake.store.requests.request import Request

Measure = Literal["cosine", "dot", "jaccard"]


@dataclass(frozen=True, kw_only=True)
class SimilarQuery(Request, cost="quick", answer=FOUND):
    """Which documents are like a text, some documents, or some features with weights.

    Give one of `text` (encoded by the collection's model), `ids` or `docs` (documents of the
    collection: the mean of their embeddings, each of length 1) and `features` (a vector). The
    documents asked about are not among the hits.

    `within` restricts the comparison to these features, `about` to those whose labels match a
    phrase (with `min_score`: of labels with at least this score); `weights` multiplies the values
    of features (others: 1). `method` `dense` compares the documents' dense embeddings instead, and
    `hybrid` ranks by both. `exact` rules out approximation.
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
    min_score: float | None = None

    @property
    def tells(self) -> bool:
        """Whether who listens is told: where a model reads a text, which it does in turns."""
        return self.text is not None

    def check(self) -> None:
        """See `Request`."""
        check_share("min_score", self.min_score)
        if self.min_score is not None and self.about is None:
            raise InvalidInput(
                "A least score is of the labels that a phrase finds: give about too."
            )
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
