"""A text that is typed: what fires on each of its tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from saelake.answers.encoded import EncodedToken, TokenFeature
from saelake.answers.shades import shade
from saelake.answers.text import named
from saelake.store.errors import SaelakeError
from saelake.web.asking import AskedCollection, tried
from saelake.web.look.templates import page
from saelake.web.statuses import status_of

router = APIRouter()
PER_TOKEN = 12
STRONGEST = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownToken:
    """A token, the text between it and the one before, and its shade for what is looked at."""

    before: str
    token: EncodedToken
    shade: str


@router.get("/c/{corpus}/{dictionary}/encode", name="encode")
async def encode(
    request: Request,
    found: AskedCollection,
    text: str = "",
    token: int | None = None,
    feature: str = "",
) -> Response:
    """The form; the text in tokens, of which one is looked into, or one feature shaded."""
    encoded: Sequence[EncodedToken] | None = None
    shaded: Sequence[EncodedToken] | None = None
    error: SaelakeError | None = None
    if text.strip():
        encoded, error = await tried(request, found.encode(text, PER_TOKEN))
    if text.strip() and feature and error is None:  # also where others are stronger
        shaded, error = await tried(request, found.encode(text, features=[feature]))
    encoded, shaded = encoded or (), shaded or encoded or ()
    chosen = next((t for t in encoded if t.position == token), None)
    return page(
        request,
        "encode.html",
        status_code=status_of(error),
        collection=found.name,
        section="encode",
        text=text,
        tokens=_shown(text, shaded),
        chosen=chosen,
        feature=feature,
        strongest=_strongest(encoded),
        error=error,
    )


def _shown(text: str, tokens: Sequence[EncodedToken]) -> list[ShownToken]:
    """The tokens, shaded by the strongest feature of those that were asked for on each."""
    values = [token.features[0].value if token.features else 0.0 for token in tokens]
    largest = max(map(abs, values), default=0.0)
    shown, at = [], 0
    for token, value in zip(tokens, values, strict=True):
        shown.append(
            ShownToken(before=text[at : token.start], token=token, shade=shade(value, largest))
        )
        at = max(at, token.start + token.length)
    return shown


def _strongest(tokens: Sequence[EncodedToken]) -> list[TokenFeature]:
    """The features of the text, each by its strongest token, the strongest first."""
    best: dict[int | str, TokenFeature] = {}
    for fired in (feature for token in tokens for feature in token.features):
        name = named(fired.feature, fired.pole)
        if name not in best or abs(fired.value) > abs(best[name].value):
            best[name] = fired
    return sorted(best.values(), key=lambda fired: -abs(fired.value))[:STRONGEST]
