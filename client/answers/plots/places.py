"""Points of a map, coloured by groups or by shades of values."""

from collections.abc import Mapping, Sequence
from zlib import crc32

import altair as alt

from saelake.answers.plots.chart import (
    FAINT,
    HUES,
    SHADES,
    WIDTH,
    Chart,
    Row,
    axis,
    data,
    ground,
    heading,
    legend,
)
from saelake.answers.text import one_line

LETTERS = 48  # of a name in the legend
NEITHER = -1  # a point without a group or a shade


def places(
    points: Sequence[Row],
    names: Sequence[str],
    *,
    are_shades: bool,
    neither: str,
    title: str,
    said: Sequence[str],
    tips: Mapping[str, str],
    coloured_by: str | None = None,
) -> Chart:
    """Points at their places, which a mouse drags and zooms.

    Each has `x`, `y`, and the number of its colour in `names`, or `NEITHER`, which is drawn below
    the others and called `neither`. `tips` are what hovering says: fields, and what they are.
    """
    *domain, neither = distinct([*names, neither])
    rows = [
        {**p, "colour": neither if p["colour"] == NEITHER else domain[p["colour"]]}
        for p in sorted(points, key=lambda p: _above(p["colour"], are_shades))
    ]
    hues = [*(SHADES if are_shades else HUES)][: len(domain)]
    if rows and rows[0]["colour"] == neither:
        domain, hues = [*domain, neither], [*hues, FAINT]
    colour = alt.Color(
        "colour:N",
        scale=alt.Scale(domain=domain, range=hues),
        legend=legend(coloured_by, symbolOpacity=1, symbolSize=70, orient="right"),
    )
    # A map has no units: only who is near whom is meant.
    bare = {"labels": False, "ticks": False, "grid": False, "domain": False}
    around = alt.Scale(zero=False, nice=False, padding=12)
    # Charts beside each other are moved alone, for which each needs a name.
    name = f"moved_{crc32(repr((title, said, domain)).encode()):x}"
    return (
        alt.Chart(data(rows))
        .mark_circle(size=_size(len(rows)))
        .encode(
            x=alt.X("x:Q", axis=axis(None, **bare), scale=around),
            y=alt.Y("y:Q", axis=axis(None, **bare), scale=around),
            color=colour,
            opacity=alt.condition(
                alt.FieldEqualPredicate(field="colour", equal=neither),
                alt.value(0.35),
                alt.value(0.8),
            ),
            tooltip=[alt.Tooltip(f"{field}:N", title=name) for field, name in tips.items()],
        )
        .properties(width=WIDTH, height=WIDTH, title=heading(title, said), view=ground())
        .interactive(name=name)
    )


def distinct(names: Sequence[str]) -> list[str]:
    """The names in one line, of which none is there twice: of such a legend would make one."""
    short = [one_line(name)[:LETTERS] for name in names]
    return [
        name if short.count(name) == 1 else f"{name} ({number})"
        for number, name in enumerate(short, 1)
    ]


def _above(colour: int, are_shades: bool) -> int:
    """What lies above what: points with a colour above others, larger values above smaller."""
    return colour if are_shades else min(colour, 0)


def _size(n: int) -> float:
    """The area of a point in square pixels: of many points each is smaller."""
    return max(8.0, min(60.0, 30_000 / max(n, 1)))
