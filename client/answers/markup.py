"""Answers as HTML for notebooks: tables, bars, and firing tokens marked, the stronger the deeper.

Colours are translucent over the page's own, so that they read in light and dark.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from saelake.answers.view import Cell, Histogram, Passage, Proportion, View, shown

HUES = ("255, 140, 0", "30, 136, 229", "67, 160, 71", "171, 71, 188", "194, 160, 0")
MIN_ALPHA, MAX_ALPHA = 0.15, 0.75
BAR_WIDTH, BAR_HEIGHT = 5, 18  # of a histogram, in pixels
PADDING = "padding: 2px 8px; vertical-align: top"
TEXT = f"{PADDING}; text-align: left; white-space: pre-wrap; overflow-wrap: break-word"
NUMBER = f"{PADDING}; text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Characters of a text that are marked, how deeply in [0, 1], and what is said of them."""

    start: int
    length: int
    strength: float
    title: str
    hue: int = 0


def mark(text: str, strength: float, title: str = "", hue: int = 0) -> str:
    """The text on a ground whose depth is the strength in [0, 1]."""
    return marked(escape(text), strength, title, hue)


def marked(html: str, strength: float, title: str = "", hue: int = 0) -> str:
    """A piece of HTML on such a ground."""
    alpha = MIN_ALPHA + (MAX_ALPHA - MIN_ALPHA) * min(max(strength, 0.0), 1.0)
    hint = f' title="{escape(title)}"' if title else ""
    ground = f"rgba({HUES[hue % len(HUES)]}, {alpha:.2f})"
    style = f"background: {ground}; border-radius: 3px; padding: 0 1px; color: inherit"
    return f'<mark style="{style}"{hint}>{html}</mark>'


def view_html(view: View) -> str:
    """A view as a table, with what is said of it above."""
    said = "".join(f"<div>{escape(line)}</div>" for line in view.said)
    more = f"<div>{escape(view.more)}</div>" if view.more else ""
    table = _table(view) if view.header or view.rows else ""
    return f"<div>{said}{table}{more}</div>"


def _table(view: View) -> str:
    styles = [NUMBER if is_number else TEXT for is_number in view.numeric]
    names = (
        f'<th style="{style}">{escape(name)}</th>'
        for name, style in zip(view.header, styles, strict=False)
    )
    head = f"<thead><tr>{''.join(names)}</tr></thead>" if view.header else ""
    rows = (
        "".join(
            f'<td style="{style}">{_cell(cell)}</td>'
            for cell, style in zip(row, styles, strict=True)
        )
        for row in view.rows
    )
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table>{head}<tbody>{body}</tbody></table>"


def _cell(cell: Cell) -> str:
    match cell:
        case Passage():
            marked = mark(cell.token, cell.strength, cell.title)
            return f"{escape(cell.before)}{marked}{escape(cell.after)}"
        case Proportion():
            return _with_bar(cell)
        case Histogram():
            return _bars(cell.bars)
    return escape(shown(cell))


def _with_bar(share: Proportion) -> str:
    """The share in per cent on a ground that is filled as far."""
    filled = f"{100 * min(max(share.value, 0.0), 1.0):.1f}%"
    color = f"rgba({HUES[0]}, 0.35)"
    ground = f"linear-gradient(to right, {color} {filled}, transparent {filled})"
    style = f"display: inline-block; min-width: 5em; padding: 0 2px; background: {ground}"
    return f'<span style="{style}">{share.value:.2%}</span>'


def _bars(counts: Sequence[int]) -> str:
    """A histogram as an image of bars in the colour of the text; hovering says the counts."""
    tallest, width = max(counts, default=1), BAR_WIDTH * len(counts)
    heights = [max(round(BAR_HEIGHT * count / tallest), int(count > 0)) for count in counts]
    bars = "".join(
        f'<rect x="{BAR_WIDTH * i}" y="{BAR_HEIGHT - height}" width="{BAR_WIDTH - 1}" '
        f'height="{height}"><title>{count:,}</title></rect>'
        for i, (height, count) in enumerate(zip(heights, counts, strict=True))
    )
    return f'<svg width="{width}" height="{BAR_HEIGHT}" fill="currentColor">{bars}</svg>'


def marked_html(text: str, marks: Iterable[Mark]) -> str:
    """A text with some of its characters marked; `marks` ascend by where they start."""
    pieces, at = [], 0
    for place in marks:
        if place.start < at:  # tokens of one character's bytes share its place
            continue
        end = place.start + place.length
        pieces.append(escape(text[at : place.start]))
        pieces.append(mark(text[place.start : end], place.strength, place.title, place.hue))
        at = end
    pieces.append(escape(text[at:]))
    return f'<div style="white-space: pre-wrap">{"".join(pieces)}</div>'


def legend(names: Sequence[str]) -> str:
    """What each hue stands for, in the order of `HUES`."""
    marks = (mark(name, 1.0, hue=hue) for hue, name in enumerate(names))
    return f"<div>{' '.join(marks)}</div>"
