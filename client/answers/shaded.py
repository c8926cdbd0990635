"""Text in pieces: what fires on each, as a shade and in words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from saelake.answers.lookups import Document, FeatureCodes
from saelake.answers.shades import shade

MOST_CHARACTERS = 20_000  # of a document that is shown whole


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadedPiece:
    """Characters of a text: with a value where something fires on them, else None."""

    text: str
    shade: str = ""
    value: float | None = None
    position: int | None = None
    is_peak: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shaded:
    """A part of a text in pieces, and whether there is more before and after it."""

    pieces: tuple[ShadedPiece, ...]
    before: bool = False
    after: bool = False


def values_of(found: Iterable[FeatureCodes]) -> dict[int, float]:
    """The positions at which one of the features fires, of each the value farthest from 0."""
    values: dict[int, float] = {}
    for codes in found:
        for position, value in zip(codes.positions.tolist(), codes.values.tolist(), strict=True):
            if abs(value) > abs(values.get(position, 0.0)):
                values[position] = value
    return values


def shaded(
    document: Document,
    values: Mapping[int, float],
    largest: float,
    *,
    around: int | None = None,
    context: int = MOST_CHARACTERS,
) -> Shaded:
    """A document's text, or the `context` characters on each side of a token of it.

    `values` are those of the positions at which something fires, shaded by their share of the
    `largest`.
    """
    text = document.text
    begin, end = 0, min(len(text), MOST_CHARACTERS)
    if around is not None and around < document.n_tokens:
        peak = document.token(around)
        begin = max(peak.start - context, 0)
        end = min(peak.start + peak.length + context, len(text))
    pieces, at = [], begin
    for position in sorted(values):
        token = document.token(position)
        start, stop = max(token.start, at), min(token.start + token.length, end)
        if start >= stop:
            continue
        if start > at:
            pieces.append(ShadedPiece(text=text[at:start]))
        value = values[position]
        pieces.append(
            ShadedPiece(
                text=text[start:stop],
                shade=shade(value, largest),
                value=value,
                position=position,
                is_peak=position == around,
            )
        )
        at = stop
    if at < end:
        pieces.append(ShadedPiece(text=text[at:end]))
    return Shaded(pieces=tuple(pieces), before=begin > 0, after=end < len(text))
