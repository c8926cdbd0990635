"""What can be asked of a collection: one frozen value a question, the same on every face."""

from dataclasses import dataclass, fields
from typing import Literal, TypeAlias, get_args

from saelake.store.errors import InvalidInput

Per = Literal["document", "token"]
Order = Literal["top", "quantiles"]
FeatureOrder = Literal["documents", "tokens", "max", "mean", "feature"]
Request: TypeAlias = "TokensQuery | FeaturesQuery | DocumentQuery | ExportQuery"

LARGEST_NUMBER = 2**63 - 1  # of an int64, as numbers are stored and sent


def _check_values(request: Request) -> None:
    """Raise `InvalidInput` for a number or text that no face can carry."""
    for field in fields(request):
        given = getattr(request, field.name)
        for value in given if isinstance(given, tuple) else (given,):
            if isinstance(value, str):
                _check_text(field.name, value)
            elif value is not None and abs(value) > LARGEST_NUMBER:
                raise InvalidInput(f"{field.name} cannot be {value}: that is more than 64 bits.")


def _check_text(name: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:  # a lone surrogate: how Python keeps undecodable bytes
        raise InvalidInput(f"{name} is not text: {text!a} has bytes that are not UTF-8.") from error


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InvalidInput(f"{name} cannot be {value!r}; choose one of {', '.join(allowed)}.")


def _check_k(k: int | None) -> None:
    if k is not None and k < 1:
        raise InvalidInput(f"k must be at least 1, or left out for all, not {k}.", k=k)


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
        _check_values(self)
        _check_k(self.k)
        _check_choice("per", self.per, get_args(Per))
        _check_choice("order", self.order, get_args(Order))
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
        _check_values(self)
        _check_k(self.k)
        _check_choice("order", self.order, get_args(FeatureOrder))
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
        _check_values(self)
        if (self.id is None) == (self.doc is None):
            raise InvalidInput("Name a document by its id or by its doc number, one of the two.")
        if self.doc is not None and self.doc < 0:
            raise InvalidInput(f"Documents are numbered from 0, so {self.doc} is none.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportQuery:
    """All codes, or the SAE embeddings, of a collection or of the documents that `where` keeps."""

    collection: str
    where: str | None = None

    def __post_init__(self) -> None:
        _check_values(self)
