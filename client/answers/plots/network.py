"""Pairs of features as a graph: linked features are near each other."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import altair as alt
import pyarrow as pa

from saelake.answers.plots.chart import (
    ACCENT,
    COLD,
    FAINT,
    INK,
    Chart,
    Row,
    axis,
    data,
    ground,
    heading,
    legend,
)
from saelake.answers.plots.forces import Place, laid_out
from saelake.answers.plots.sampled import strongest
from saelake.answers.text import labelled, named, several

WIDE, HIGH = 680, 440
LETTERS, FEWER = 22, 14  # of a label that stands beside its feature; where there are many
MANY = 50
SIDES = ("in a", "in b")  # of aligned texts: a number in both is of two texts


def network(table: pa.Table, about: Mapping[str, Any], head: str, *, most: int) -> Chart:
    """Features as circles, by how many documents they fire in, and the pairs of them as lines.

    `table` and `about` are those of `Correlations`. The pairs of an answer are the strongest, so
    that two features without a line may go together too, only less.
    """
    every = table.to_pylist()
    chosen = strongest(len(every), most, "pairs")
    rows = [every[i] for i in chosen.rows]
    controlled = any(row.get("controlled_npmi") is not None for row in rows)
    aligned = str(about.get("unit", "document")) != "document"
    ends = [(_name(row, "a", aligned), _name(row, "b", aligned)) for row in rows]
    letters = LETTERS if len({name for pair in ends for name in pair}) <= MANY else FEWER
    linked = [*zip(rows, ends, strict=True)]
    nodes = {name: end for row, pair in linked for name, end in _nodes(row, pair, letters)}
    pulls = [(a, b, max(row["npmi"], 0.0)) for row, (a, b) in linked]
    at = laid_out(list(nodes), pulls)
    said = [
        *([head] if ";" in head else []),  # else the title has it all
        *chosen.said,
        f"A thicker line is a larger {'controlled ' * controlled}NPMI; features without one may go "
        "together too, but less.",
        *about.get("notes", ()),
    ]
    of = f"{len(rows):,} of " if chosen.said else ""
    title = f"{of}{several(len(every), 'pair')} of features {head.partition(';')[0]}"
    larger = max(1.0, math.sqrt(len(nodes) / 45))
    return _chart(
        [_link(row, pair, at) for row, pair in linked],
        _placed(nodes, at, ends),
        aligned=aligned,
    ).properties(
        width=round(WIDE * larger),
        height=round(HIGH * larger),
        title=heading(title, said),
        view=ground(),
    )


def _name(row: Row, end: str, aligned: bool) -> str:
    name = str(named(row[f"feature_{end}"], row.get(f"pole_{end}")))
    return f"{name} {SIDES['ab'.index(end)]}" if aligned else name


def _nodes(row: Row, pair: tuple[str, str], letters: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """The features of a pair, each by its name."""
    for name, end in zip(pair, "ab", strict=True):
        label = labelled(row[f"label_{end}"])
        first = label.removeprefix("fires on ").partition(";")[0]
        short = first if len(first) <= letters else f"{first[: letters - 1]}…"
        yield (
            name,
            {
                "feature": name,
                "label": label,
                "fires in": row[f"n_{end}"],
                "beside": f"{name} {short}".strip(),
                "side": SIDES["ab".index(end)],
            },
        )


def _placed(
    nodes: Mapping[str, Row], at: Mapping[str, Place], ends: Sequence[tuple[str, str]]
) -> Sequence[Row]:
    """The features at their places; words stand on the side where no linked feature is."""
    linked: dict[str, list[str]] = {name: [] for name in nodes}
    for a, b in ends:
        linked[a].append(b)
        linked[b].append(a)
    placed = []
    for name, node in nodes.items():
        x, y = at[name]
        middle = sum(at[other][0] for other in linked[name]) / len(linked[name])
        is_left = x < middle or (x == middle and name < min(linked[name]))
        placed.append({**node, "x": x, "y": y, "words": "left" if is_left else "right"})
    return placed


def _link(row: Row, pair: tuple[str, str], at: Mapping[str, Place]) -> Row:
    (x, y), (x2, y2) = (at[name] for name in pair)
    controlled = row.get("controlled_npmi")
    more = (
        {}
        if controlled is None
        else {
            "controlled NPMI": f"{controlled:.3f}",
            "expected": f"{row['expected']:.1f}",
            "q": f"{row['q_value']:.3g}",
        }
    )
    return {
        "x": x,
        "y": y,
        "x2": x2,
        "y2": y2,
        "strength": abs(row["npmi"] if controlled is None else controlled),
        "sign": "together" if row["npmi"] >= 0 else "apart",
        "pair": " | ".join(pair),
        "labels": f"{labelled(row['label_a'])} | {labelled(row['label_b'])}",
        "NPMI": f"{row['npmi']:.3f}",
        "both": f"{row['n_both']:,}",
        "a": f"{row['n_a']:,}, of which {row['b_given_a']:.1%} have b",
        "b": f"{row['n_b']:,}, of which {row['a_given_b']:.1%} have a",
        **more,
    }


def _chart(links: Sequence[Row], nodes: Sequence[Row], *, aligned: bool) -> Chart:
    bare = {"labels": False, "ticks": False, "grid": False, "domain": False}
    # Words stand beside their features: the outermost need room.
    x = alt.X("x:Q", axis=axis(None, **bare), scale=alt.Scale(domain=[-0.27, 1.27]))
    y = alt.Y("y:Q", axis=axis(None, **bare), scale=alt.Scale(domain=[-0.06, 1.06]))
    unseen = ("x", "y", "x2", "y2", "strength", "sign")
    tips = [key for key in (links[0] if links else ()) if key not in unseen]
    signs = alt.Scale(domain=["together", "apart"], range=[INK, COLD])
    lines = (
        alt.Chart(data(links))
        .mark_rule(opacity=0.55)
        .encode(
            x=x,
            y=y,
            x2="x2:Q",
            y2="y2:Q",
            size=alt.Size("strength:Q", scale=alt.Scale(range=[1, 5], zero=False), legend=None),
            stroke=alt.Stroke("sign:N", scale=signs, legend=None),
            tooltip=[alt.Tooltip(f"{key}:N") for key in tips],
        )
    )
    return alt.layer(lines, *_circles(nodes, x, y, aligned)).resolve_scale(size="independent")


def _circles(nodes: Sequence[Row], x: alt.X, y: alt.Y, aligned: bool) -> Iterator[alt.Chart]:
    """The features, and what they are called."""
    base = alt.Chart(data(nodes)).encode(x=x, y=y)
    tips = [alt.Tooltip(f"{key}:N") for key in ("feature", "label", "fires in")]
    sides = alt.Scale(domain=list(SIDES), range=[ACCENT, COLD])
    circles = base.mark_circle(color=ACCENT, opacity=1).encode(
        size=alt.Size(
            "fires in:Q",
            scale=alt.Scale(type="sqrt", range=[20, 200]),
            legend=legend("documents", symbolFillColor=FAINT, symbolStrokeColor=FAINT),
        ),
        tooltip=tips,
    )
    if aligned:
        circles = circles.encode(
            color=alt.Color("side:N", scale=sides, legend=legend(None, orient="bottom"))
        )
    yield circles
    for side, dx in (("left", -8), ("right", 8)):
        beside = alt.Chart(data([node for node in nodes if node["words"] == side]))
        words = beside.mark_text(align="right" if dx < 0 else "left", dx=dx, fontSize=10, color=INK)
        yield words.encode(x=x, y=y, text="beside:N")
