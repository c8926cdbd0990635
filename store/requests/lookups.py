"""Questions about what is stored: tokens, features, documents, exports, and the lake itself."""

from dataclasses import dataclass
from typing import Literal, get_args

from saelake.store.errors import InvalidInput
from saelake.store.requests.checks import Pooling, check_choice, check_k, check_values

Per = Literal["document", "token"]
Order = Literal["top", "quantiles"]
FeatureOrder = Literal["documents", "tokens", "max", "mean", "feature"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokensQuery:
    """Which tokens fire a feature (or an expression of features).

    `expression` is a feature number or an expression such as `12 & 34 & !56` or `12 > 3.0`;
    `scope` says where its features must meet: `token`, `document` or `window:N` (within N tokens
    of each other). `per` gives each document's best token, or every token by itself. `order`
    `top` is strongest first; `quantiles` takes `k` hits evenly spaced from the strongest to the
    weakest. `k` None is all. `context` is the number of characters shown on each side.
    """

    collection: str
    expression: str
    k: int | None = 20
    per: Per = "document"
    where: str | None = None
    order: Order = "top"
    scope: str = "token"
    context: int = 60

    def __post_init__(self) -> None:
        check_values(self)
        check_k(self.k)
        check_choice("per", self.per, get_args(Per))
        check_choice("order", self.order, get_args(Order))
        if self.order == "quantiles" and self.k is None:
            raise InvalidInput("order='quantiles' needs k, the number of hits to spread out.")
        if self.context < 0:
            raise InvalidInput(f"context must be 0 or more characters, not {self.context}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturesQuery:
    """Statistics of features: those numbered in `features`, or the first `k` by `order`.

    `token` keeps the features that have this text among their top tokens (case ignored, white
    space trimmed), those on which most of their strongest documents peak first.
    """

    collection: str
    features: tuple[int, ...] | None = None
    token: str | None = None
    k: int | None = 20
    order: FeatureOrder = "documents"

    def __post_init__(self) -> None:
        check_values(self)
        check_k(self.k)
        check_choice("order", self.order, get_args(FeatureOrder))
        if self.features is not None and self.token is not None:
            raise InvalidInput("Give either features or a token, not both.")


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentQuery:
    """One document with its codes, found by the user's `id` or by `doc` number.

    `features` keeps only the activations of these features (None: all).
    """

    collection: str
    id: str | None = None
    doc: int | None = None
    features: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        check_values(self)
        if (self.id is None) == (self.doc is None):
            raise InvalidInput("Name a document by its id or by its doc number, one of the two.")
        if self.doc is not None and self.doc < 0:
            raise InvalidInput(f"Documents are numbered from 0, so {self.doc} is none.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CodesQuery:
    """Every code of a collection, or of the documents that `where` keeps."""

    collection: str
    where: str | None = None

    def __post_init__(self) -> None:
        check_values(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingsQuery:
    """The SAE embeddings of a collection, or of the documents that `where` keeps."""

    collection: str
    where: str | None = None
    pooling: Pooling = "max"

    def __post_init__(self) -> None:
        check_values(self)
        check_choice("pooling", self.pooling, get_args(Pooling))


@dataclass(frozen=True, slots=True, kw_only=True)
class InfoQuery:
    """What is in the lake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyQuery:
    """Whether the tables of one collection, or of the whole lake, agree with each other."""

    collection: str | None = None

    def __post_init__(self) -> None:
        check_values(self)
