"""How often features fire on two sides, each feature a point."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import altair as alt
import pyarrow as pa

from saelake.answers.plots.chart import (
    ACCENT,
    FAINT,
    WIDTH,
    Chart,
    Row,
    axis,
    data,
    ground,
    heading,
    legend,
)
from saelake.answers.plots.sampled import drawn
from saelake.answers.text import labelled, named, one_line, several

UNKNOWN = "not tested"


def sides(
    table: pa.Table, about: Mapping[str, Any], head: str, *, level: float, most: int, seed: int
) -> Chart:
    """Features by how often they fire in a and in b, on logarithmic axes, with the diagonal.

    `table` and `about` are those of a `Diff`. Where a feature never fires it stands at 0, apart.
    """
    rows = table.select([name for name in table.schema.names if "example" not in name]).to_pylist()
    known = [r for r in rows if r["frequency_a"] is not None and r["frequency_b"] is not None]
    sure = [r["q_value"] is not None and r["q_value"] < level for r in known]
    chosen = drawn(len(known), most, seed, "features", sure, f"with q < {level:g}")
    scale = _ShareAxis([f for r in known for f in (r["frequency_a"], r["frequency_b"])])
    classes = _classes(known, level)
    order = sorted(chosen.rows.tolist(), key=lambda i: sure[i])  # what is marked lies above
    points = [_point(known[i], about, scale, classes[_class(known[i], level)]) for i in order]
    said = [head, *chosen.said, *_said(known, len(rows), scale), *about.get("notes", ())]
    title = f"{_units(about, about['n_a'])} in A against {about['n_b']:,} in B"
    return _chart(points, scale, about, list(classes.values())).properties(
        width=WIDTH, height=WIDTH, title=heading(title, said), view=ground()
    )


class _ShareAxis:
    """A logarithmic axis of shares from a power of ten upward, and below it a place for 0."""

    def __init__(self, shares: Sequence[float]) -> None:
        some = [share for share in shares if share > 0] or [1.0]
        self.low = 10.0 ** math.floor(math.log10(min(some)) + 1e-9)
        self.high = min(10.0 ** math.ceil(math.log10(max(some)) - 1e-9), 1.0)
        self.low = min(self.low, self.high / 10)
        self.has_zeros = len(some) < len(shares)
        apart = 10 ** max(0.3, 0.09 * math.log10(self.high / self.low))  # as far as a tick's words
        self.zero, self.edge = self.low / apart, self.low / math.sqrt(apart)

    def place(self, share: float) -> float:
        """Where a share stands: itself, but for 0, which no logarithm has."""
        return share if share > 0 else self.zero

    @property
    def domain(self) -> list[float]:
        """From where to where the axis goes."""
        return [self.zero / 1.3 if self.has_zeros else self.low, self.high * 1.1]

    @property
    def ticks(self) -> list[float]:
        """Powers of ten, and the place of 0 where it is needed."""
        n = round(math.log10(self.high / self.low))
        powers = [self.low * 10.0**i for i in range(n + 1)]
        return [self.zero, *powers] if self.has_zeros else powers

    def axis(self, title: str) -> alt.Axis:
        """The axis, in per cent."""
        words = f"datum.value < {self.edge} ? '0' : format(datum.value, '~%')"
        return axis(title, values=self.ticks, labelExpr=words)


def _class(row: Row, level: float) -> str:
    if row["q_value"] is None:
        return UNKNOWN
    return f"q < {level:g}" if row["q_value"] < level else f"q ≥ {level:g}"


def _classes(rows: Sequence[Row], level: float) -> dict[str, str]:
    """The classes of significance, with how many features of the answer are in each."""
    found = Counter(_class(row, level) for row in rows)
    order = (f"q < {level:g}", f"q ≥ {level:g}", UNKNOWN)
    return {name: f"{name} ({found[name]:,})" for name in order if found[name] or name != UNKNOWN}


def _point(row: Row, about: Mapping[str, Any], scale: _ShareAxis, group: str) -> Row:
    a, b = row["frequency_a"], row["frequency_b"]
    again = row.get("confirmed_q_value")
    return {
        "x": scale.place(a),
        "y": scale.place(b),
        "group": group,
        "feature": str(named(row["feature"], row.get("pole"))),
        "label": labelled(row["label"]),
        "in A": _share(row, "a", about),
        "in B": _share(row, "b", about),
        "q": "" if row["q_value"] is None else f"{row['q_value']:.3g}",
        "difference": f"{100 * row['difference']:+.2f} points{_interval(row, about)}",
        **({} if again is None else {"q again": f"{again:.3g}"}),
        **({"B": one_line(row["against"])} if len(about.get("others", ())) > 1 else {}),
    }


def _interval(row: Row, about: Mapping[str, Any]) -> str:
    if row.get("ci_low") is None or row.get("ci_high") is None:
        return ""
    return (
        f" ({about.get('level', 0.95):.0%} interval {100 * row['ci_low']:+.2f} to "
        f"{100 * row['ci_high']:+.2f})"
    )


def _share(row: Row, side: str, about: Mapping[str, Any]) -> str:
    """A frequency, with the count that it is where it is of one: not where sides were aligned."""
    share, n = row[f"frequency_{side}"], about[f"n_{side}"]
    raw, count = row.get(f"raw_frequency_{side}"), round(share * n)
    plain = (raw is None or raw == share) and len(about.get("others", ())) < 2
    if plain and abs(share * n - count) < 1e-6 * max(n, 1):
        return f"{share:.3%} ({count:,} of {n:,})"
    return f"{share:.3%}"


def _said(rows: Sequence[Row], n_rows: int, scale: _ShareAxis) -> Iterator[str]:
    """What is not where one would look for it."""
    if scale.has_zeros:
        in_a, in_b = (sum(row[f"frequency_{side}"] == 0 for row in rows) for side in "ab")
        yield (
            f"At 0, beyond the dashed line: features that never fire in A ({in_a:,}) or in B "
            f"({in_b:,})."
        )
    if n_rows > len(rows):
        yield f"Not drawn: {several(n_rows - len(rows), 'feature')} that could not be compared."


def _units(about: Mapping[str, Any], n: int) -> str:
    return several(n, str(about.get("unit", "document")))


def _chart(
    points: Sequence[Row], scale: _ShareAxis, about: Mapping[str, Any], classes: Sequence[str]
) -> Chart:
    unit, others = about.get("unit", "document"), about.get("others", ())
    name = one_line(others[0])[:70] if len(others) == 1 else "the other that hovering names"
    share = alt.Scale(type="log", domain=scale.domain, nice=False)
    x = alt.X("x:Q", scale=share, axis=scale.axis(f"A: share of {unit}s in which a feature fires"))
    y = alt.Y("y:Q", scale=share, axis=scale.axis(f"B: {name}"))
    colours = [ACCENT, FAINT, FAINT][: len(classes)]
    shown = list(dict.fromkeys(key for point in points for key in point if len(key) > 1))
    tips = [key for key in [*shown, "q", "B"] if key != "group" and any(key in p for p in points)]
    dots = (
        alt.Chart(data(points))
        .mark_point(filled=True, size=max(14.0, min(34.0, 20_000 / max(len(points), 1))))
        .encode(
            x=x,
            y=y,
            color=alt.Color(
                "group:N",
                scale=alt.Scale(domain=classes, range=colours),
                legend=legend(None, orient="bottom"),
            ),
            shape=alt.Shape(
                "group:N",
                scale=alt.Scale(domain=classes, range=["circle", "circle", "cross"]),
                legend=None,
            ),
            opacity=alt.condition(
                alt.FieldEqualPredicate(field="group", equal=classes[0]),
                alt.value(0.85),
                alt.value(0.45),
            ),
            tooltip=[alt.Tooltip(f"{key}:N") for key in tips],
        )
    )
    return alt.layer(*_lines(scale, x, y), dots)


def _lines(scale: _ShareAxis, x: alt.X, y: alt.Y) -> Iterator[alt.Chart]:
    """The diagonal, and where the logarithmic part of each axis ends."""
    ends = [{"x": share, "y": share} for share in (scale.low, scale.high)]
    yield alt.Chart(data(ends)).mark_line(color=FAINT, strokeWidth=1).encode(x=x, y=y)
    if scale.has_zeros:
        edge = alt.Chart(data([{"x": scale.edge, "y": scale.edge}]))
        dashed = edge.mark_rule(color=FAINT, strokeDash=[3, 3])
        yield dashed.encode(x=x)
        yield dashed.encode(y=y)
