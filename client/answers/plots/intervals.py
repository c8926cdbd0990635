"""Estimates with their intervals, a feature a line."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import altair as alt
import pyarrow as pa

from saelake.answers.plots.chart import (
    ACCENT,
    FAINT,
    INK,
    WIDTH,
    Chart,
    Row,
    axis,
    data,
    ground,
    legend,
)
from saelake.answers.plots.chart import heading as headed
from saelake.answers.plots.sampled import strongest
from saelake.answers.text import labelled, named, one_line, several

LINE = 17  # pixels of a feature
LETTERS, CLASS = 44, 16  # of a feature's name and label, and of its class


def intervals(
    table: pa.Table, about: Mapping[str, Any], head: str, *, level: float, most: int
) -> Chart:
    """Features by how strongly they go with a column, and where nothing would be.

    `table` and `about` are those of `Associations`.
    """
    every = table.to_pylist()
    known = [row for row in every if row["effect"] is not None]
    chosen = strongest(len(known), most, "features")
    rows = [_row(known[i], level) for i in chosen.rows]
    said = [head, *chosen.said, *_said(known, len(every), about), *about.get("notes", ())]
    title = f"{about['statistic']}, {several(about['n'], 'document')}"
    return _chart(rows, about, level).properties(
        width=WIDTH,
        height=max(len(rows), 1) * LINE,
        title=headed(title, said),
        view=ground(),
    )


def nothing(about: Mapping[str, Any]) -> float:
    """The statistic where a feature does not go with the column: of Moran's I, -1 / (n - 1)."""
    if about["statistic"].startswith("AUC"):
        return 0.5
    return -1 / max(about["n"] - 1, 1) if about["statistic"].startswith("Moran") else 0.0


def _row(row: Row, level: float) -> Row:
    of = "" if row["category"] is None else f"{one_line(row['category'])[:CLASS]}: "
    words = labelled(row["label"]).removeprefix("fires on ")
    name = f"{of}{named(row['feature'], row.get('pole'))} {words}".strip()
    known = {"low": row.get("ci_low"), "high": row.get("ci_high")}
    sure = row["q_value"] is not None and row["q_value"] < level
    interval: dict[str, str] = {}
    if None not in known.values():
        interval = {"interval": f"{row['ci_low']:.3f} to {row['ci_high']:.3f}"}
    again = row.get("confirmed_q_value")
    return {
        "name": name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…",
        "effect": row["effect"],
        **({} if not interval else known),
        "feature": str(named(row["feature"], row.get("pole"))),
        "label": labelled(row["label"]),
        "estimate": f"{row['effect']:.4f}",
        **interval,
        "q": "" if row["q_value"] is None else f"{row['q_value']:.3g}",
        **({} if again is None else {"q again": f"{again:.3g}"}),
        "fires in": several(row["n_documents"], "document"),
        **({} if row["category"] is None else {"class": one_line(row["category"])}),
        "group": f"q < {level:g}" if sure else f"q ≥ {level:g}, or not tested",
    }


def _said(rows: Sequence[Row], n_rows: int, about: Mapping[str, Any]) -> Iterator[str]:
    if any(row.get("ci_low") is not None for row in rows):
        yield f"Lines are {about.get('level', 0.95):.0%} intervals of the estimate."
    if without := sum(row.get("ci_low") is None or row.get("ci_high") is None for row in rows):
        yield f"Without an interval: {several(without, 'feature')}."
    if n_rows > len(rows):
        yield f"Not drawn: {several(n_rows - len(rows), 'feature')} that could not be compared."
    yield f"The dashed line is where a feature says nothing of it: {nothing(about):.3g}."


def _chart(rows: Sequence[Row], about: Mapping[str, Any], level: float) -> Chart:
    tips = [
        key
        for key in dict.fromkeys(key for row in rows for key in row)
        if key not in ("name", "effect", "low", "high", "group")
    ]
    y = alt.Y("name:N", sort=None, axis=axis(None, labelLimit=380, grid=False))
    x = alt.X(
        "effect:Q", scale=alt.Scale(zero=False), axis=axis(_short(about["statistic"]), tickCount=8)
    )
    classes = [f"q < {level:g}", f"q ≥ {level:g}, or not tested"]
    colour = alt.Color(
        "group:N",
        scale=alt.Scale(domain=classes, range=[ACCENT, FAINT]),
        legend=legend(None, orient="bottom"),
    )
    shown = [alt.Tooltip(f"{key}:N") for key in tips]
    base = alt.Chart(data(rows))
    lines = base.transform_filter("isValid(datum.low)").mark_rule(strokeWidth=2, opacity=0.6)
    at = alt.Chart(data([{"effect": nothing(about)}])).mark_rule(color=INK, strokeDash=[3, 3])
    return alt.layer(
        at.encode(x=x),
        lines.encode(x=alt.X("low:Q"), x2="high:Q", y=y, color=colour, tooltip=shown),
        base.mark_point(filled=True, size=60, opacity=1).encode(
            x=x, y=y, color=colour, tooltip=shown
        ),
    )


def _short(statistic: str) -> str:
    return one_line(statistic)[:80]
