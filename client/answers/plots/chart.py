"""What the charts have in common: colours, what stands above, and how axes look.

Colours are of middle depth, so that they read on light grounds and dark ones. No chart has a
configuration or a ground of its own: such charts could not be put beside each other.
"""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt

from saelake.answers.text import one_line

Chart = Any  # an `alt.Chart` or `alt.LayerChart`: what Altair's own methods return is less exact

ACCENT, COLD = "#ff8c00", "#3c82dc"  # the page's, of activation and of negative poles
INK, FAINT, LINE = "#807a70", "#a39c91", "#a39c9155"
# Hues of groups, the largest first, then of all others; shades of values, the least first.
HUES = (
    "#e07b1a",
    "#3f86d0",
    "#3f9e57",
    "#bd5aa6",
    "#b8930f",
    "#259da3",
    "#8d70c9",
    "#d3655c",
    "#83913a",
    "#66799a",
    "#8f6a52",
)
SHADES = (
    "#c2ab83",
    "#cfa664",
    "#dba04a",
    "#e39532",
    "#e6821c",
    "#dd6a10",
    "#c9500a",
    "#a83a06",
)
WIDTH = 460
LETTERS = 96  # in a line above a chart of that width
Row = Mapping[str, Any]


def data(rows: Sequence[Row]) -> alt.InlineData:
    """Rows in the chart itself: Altair's limit of 5,000 is of data frames, and not of these."""
    return alt.InlineData(values=list(rows))


def heading(title: str, said: Iterable[str]) -> alt.TitleParams:
    """What stands above: what is shown, and in lines all that must be known with it."""
    lines = [part for line in said for part in _wrapped(line, LETTERS)]
    return alt.TitleParams(
        text=_wrapped(title, LETTERS - 20),
        subtitle=lines,
        anchor="start",
        color=INK,
        subtitleColor=INK,
        subtitleFontSize=11,
        offset=12,
    )


def _wrapped(text: str, letters: int) -> list[str]:
    return textwrap.wrap(one_line(text), letters, break_on_hyphens=False)


def axis(title: str | None, **more: Any) -> alt.Axis:
    """An axis in colours that read on every ground."""
    return alt.Axis(
        title=title,
        labelColor=INK,
        titleColor=INK,
        titleFontWeight="normal",
        gridColor=LINE,
        domainColor=FAINT,
        tickColor=FAINT,
        **more,
    )


def legend(title: str | None, **more: Any) -> alt.Legend:
    """A legend in such colours."""
    return alt.Legend(title=title, labelColor=INK, titleColor=INK, labelLimit=280, **more)


def ground() -> alt.ViewBackground:
    """Nothing behind the chart, and a thin line around it."""
    return alt.ViewBackground(fill=None, stroke=LINE)
