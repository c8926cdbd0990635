"""Pieces of a feature's page as HTML: values as bars, text as it stands, shaded by value.

Colours are translucent or of middle depth, so that they read in light and dark.
"""

from collections.abc import Iterable, Sequence
from html import escape

from saelake.answers.charts import bars
from saelake.answers.markup import marked
from saelake.answers.shaded import Shaded, ShadedPiece
from saelake.store.format.visible import HIDDEN

WIDTH, HEIGHT = 320, 88  # of a histogram, in pixels
POLES = {1: "rgb(255, 140, 0)", -1: "rgb(60, 130, 220)"}
COLD = 1  # the hue of values below 0
MARK = "border: 1px solid; border-radius: 3px; padding: 0 2px; font-size: 0.7em; opacity: 0.7"
CHIP = "border: 1px solid rgba(128, 128, 128, 0.5); border-radius: 99px; padding: 0 8px"
TEXT = "white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: isolate; line-height: 1.5"


def heading(text: str) -> str:
    """A line that stands out."""
    return f'<div style="font-weight: 600; margin-top: 0.7em">{escape(text)}</div>'


def quiet(text: str) -> str:
    """Text that stands back."""
    return f'<span style="opacity: 0.7; font-size: 0.9em">{escape(text)}</span>'


def facts(named: Iterable[tuple[str, str]]) -> str:
    """Numbers in a line, each with its name."""
    said = (f"{escape(value)} {quiet(name)}" for name, value in named if value)
    return f"<div>{' &nbsp; '.join(said)}</div>"


def chips(counted: Iterable[tuple[str, int]]) -> str:
    """Words in a row, each with how often it was found."""
    return " ".join(
        f'<span style="{CHIP}; white-space: pre">{escape(word)} {quiet(f"{n:,}")}</span>'
        for word, n in counted
    )


def histogram(counts: Sequence[int], sign: int = 1) -> str:
    """Counts of values in half octaves (see `Feature.histogram`); hovering says each."""
    found = bars(counts, sign)
    if not found:
        return ""
    drawn = "".join(
        f'<rect x="{bar.x * WIDTH:.2f}" y="{HEIGHT - tall:.2f}" '
        f'width="{max(bar.width * WIDTH - 1, 1):.2f}" height="{tall:.2f}">'
        f"<title>{bar.low:.3g} to {bar.high:.3g}: {bar.count:,}</title></rect>"
        for bar in found
        for tall in [bar.height * (HEIGHT - 2) + (bar.count > 0)]
    )
    ends = f"values from {found[0].low:.3g} to {found[-1].high:.3g}, in half octaves"
    return (
        f'<div><svg width="{WIDTH}" height="{HEIGHT}" fill="{POLES[sign]}">{drawn}</svg></div>'
        f"<div>{quiet(f'{sum(counts):,} {ends}')}</div>"
    )


def shaded_html(text: Shaded, largest: float) -> str:
    """A text in which what fires is marked, by its share of the largest value; hovering says it."""
    pieces = "".join(_piece(piece, largest) for piece in text.pieces)
    before, after = (quiet("…") if more else "" for more in (text.before, text.after))
    return f'<div style="{TEXT}">{before}{pieces}{after}</div>'


def _piece(piece: ShadedPiece, largest: float) -> str:
    if piece.value is None:
        return _seen(piece.text)
    text = _seen(piece.text.replace("\n", "↵\n").replace("\t", "⇥\t"))
    hue = COLD if piece.value < 0 else 0
    strength = abs(piece.value) / (largest or 1.0)
    found = marked(text, strength, f"{piece.value:.4g}", hue)
    return f'<span style="font-weight: 700">{found}</span>' if piece.is_peak else found


def _seen(text: str) -> str:
    """The text as HTML, in which characters without a look of their own are drawn as marks."""
    pieces, at = [], 0
    for found in HIDDEN.finditer(text):
        pieces += [
            escape(text[at : found.start()]),
            f'<span style="{MARK}">{ord(found[0]):04X}</span>',
        ]
        at = found.end()
    return "".join([*pieces, escape(text[at:])])
