"""Answers as HTML for notebooks: firing tokens marked, the stronger the deeper."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from saelake.answers.lookups import Document, Hit

HUE = "255, 140, 0"  # an orange that reads on white and on black
MIN_ALPHA, MAX_ALPHA = 0.15, 0.75
STRONGEST = 5


def mark(text: str, strength: float, title: str = "") -> str:
    """The text on a ground whose depth is the strength in [0, 1]."""
    alpha = MIN_ALPHA + (MAX_ALPHA - MIN_ALPHA) * min(max(strength, 0.0), 1.0)
    hint = f' title="{escape(title)}"' if title else ""
    style = f"background: rgba({HUE}, {alpha:.2f}); border-radius: 3px; padding: 0 1px"
    return f'<mark style="{style}; color: inherit"{hint}>{escape(text)}</mark>'


def hits_html(hits: "Sequence[Hit]") -> str:
    """A table of hits."""
    largest = max((abs(hit.value) for hit in hits), default=1.0) or 1.0
    rows = "".join(_hit_row(hit, largest) for hit in hits)
    return f"<table><tr><th>value</th><th>id</th><th>text</th></tr>{rows}</table>"


def _hit_row(hit: "Hit", largest: float) -> str:
    before, token, after = hit.parts
    marked = mark(token, abs(hit.value) / largest, f"{hit.value:.4g}")
    text = f"{escape(before)}{marked}{escape(after)}"
    about = escape(", ".join(f"{k}={v}" for k, v in hit.metadata.items() if v is not None))
    return (
        f'<tr><td>{hit.value:.4g}</td><td title="{about}">{escape(hit.id)}</td>'
        f'<td style="text-align: left; white-space: pre-wrap">{text}</td></tr>'
    )


def document_html(document: "Document") -> str:
    """The document's text, with the tokens marked on which its strongest features fire."""
    strengths: dict[int, tuple[float, str]] = {}
    strongest = document.strongest(STRONGEST)
    largest = max((abs(a.max) for a in strongest), default=1.0) or 1.0
    for found in strongest:
        for position, value in zip(found.positions, np.abs(found.values), strict=True):
            strength = float(value) / largest
            if strength > strengths.get(int(position), (0.0, ""))[0]:
                strengths[int(position)] = (strength, f"feature {found.feature}: {value:.4g}")
    pieces, at = [], 0
    for position in sorted(strengths):
        token = document.tokens[position]
        if token.start < at:  # tokens of one character's bytes share its place
            continue
        strength, title = strengths[position]
        pieces += [escape(document.text[at : token.start]), mark(token.text, strength, title)]
        at = token.start + token.length
    pieces.append(escape(document.text[at:]))
    return f'<div style="white-space: pre-wrap">{"".join(pieces)}</div>'
