"""Tokens of texts that were encoded now, and what fires on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from saelake.answers.answer import Answer
from saelake.answers.text import named
from saelake.answers.view import View

SHOWN_FEATURES = 3  # of a token, in a repr


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFeature:
    """A feature that fires on a token, how strongly, and what it is called, where it has a label.

    `pole` is + or - where the dictionary is signed; of a negative one the value is below 0.
    """

    feature: int
    pole: str | None = None
    value: float
    label: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedToken:
    """A token of a text, and its strongest features, the strongest first.

    `text` says of which of the texts it is, from 0; the token is the characters
    [start, start + length) of it, which `token` has.
    """

    text: int
    position: int
    token_id: int
    token: str
    start: int
    length: int
    features: tuple[TokenFeature, ...]

    @classmethod
    def of(
        cls,
        *,
        token_start: int,
        token_length: int,
        features: Sequence[int],
        values: Sequence[float],
        labels: Sequence[str | None],
        poles: Sequence[str] | None = None,
        **row: Any,
    ) -> "EncodedToken":
        """The token of a row of the answer."""
        signs: Sequence[str | None] = poles or [None] * len(features)
        fired = tuple(
            TokenFeature(feature=feature, pole=pole, value=value, label=label)
            for feature, pole, value, label in zip(features, signs, values, labels, strict=True)
        )
        return cls(start=token_start, length=token_length, features=fired, **row)


class EncodedTokens(Answer[EncodedToken]):
    """The tokens of texts, by text and position; `texts` are those that were encoded."""

    called = "tokens"

    def __init__(self, table: pa.Table, *, texts: Sequence[str]) -> None:
        super().__init__(table, EncodedToken.of)
        self.texts = tuple(texts)

    def _head(self) -> Mapping[str, Any]:
        return {"texts": self.texts}

    def _view(self, rows: Sequence[EncodedToken]) -> View:
        return View(
            said=[f"{len(self)} tokens"],
            header=("text", "position", "token", "features"),
            rows=[(t.text, t.position, t.token, fired(t, SHOWN_FEATURES)) for t in rows],
        )


def fired(token: EncodedToken, most: int) -> str:
    """The token's strongest features with their values, as `12 3.4, 7 0.25`."""
    return ", ".join(f"{named(f.feature, f.pole)} {f.value:.3g}" for f in token.features[:most])
