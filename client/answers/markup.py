"""Answers as HTML for notebooks: firing tokens marked, the stronger the deeper."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

HUE = "255, 140, 0"  # an orange that reads on white and on black
MIN_ALPHA, MAX_ALPHA = 0.15, 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Characters of a text that are marked, how deeply in [0, 1], and what is said of them."""

    start: int
    length: int
    strength: float
    title: str


def mark(text: str, strength: float, title: str = "") -> str:
    """The text on a ground whose depth is the strength in [0, 1]."""
    alpha = MIN_ALPHA + (MAX_ALPHA - MIN_ALPHA) * min(max(strength, 0.0), 1.0)
    hint = f' title="{escape(title)}"' if title else ""
    style = f"background: rgba({HUE}, {alpha:.2f}); border-radius: 3px; padding: 0 1px"
    return f'<mark style="{style}; color: inherit"{hint}>{escape(text)}</mark>'


def table_html(header: Iterable[str], rows: Iterable[str]) -> str:
    """A table, of rows that are HTML already."""
    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def hit_row(
    value: float,
    name: str,
    parts: tuple[str, str, str],
    metadata: Mapping[str, Any],
    strength: float,
) -> str:
    """A row with a value, a document's id, and a text with its middle part marked."""
    before, token, after = parts
    text = f"{escape(before)}{mark(token, strength, f'{value:.4g}')}{escape(after)}"
    about = escape(", ".join(f"{k}={v}" for k, v in metadata.items() if v is not None))
    return (
        f'<tr><td>{value:.4g}</td><td title="{about}">{escape(name)}</td>'
        f'<td style="text-align: left; white-space: pre-wrap">{text}</td></tr>'
    )


def marked_html(text: str, marks: Iterable[Mark]) -> str:
    """A text with some of its characters marked; `marks` ascend by where they start."""
    pieces, at = [], 0
    for place in marks:
        if place.start < at:  # tokens of one character's bytes share its place
            continue
        end = place.start + place.length
        pieces.append(escape(text[at : place.start]))
        pieces.append(mark(text[place.start : end], place.strength, place.title))
        at = end
    pieces.append(escape(text[at:]))
    return f'<div style="white-space: pre-wrap">{"".join(pieces)}</div>'
