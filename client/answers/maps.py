"""Points of a map, and by what they are coloured."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from saelake.answers.about import said
from saelake.answers.answer import Answer
from saelake.answers.drawing import MOST
from saelake.answers.found import TEXT_SHOWN
from saelake.answers.text import one_line, several
from saelake.answers.view import View
from saelake.store.errors import extra

MOST_CATEGORIES = 10  # that have a colour of their own; the others share one
SHADES = 8  # of values, from the least to the largest


@dataclass(frozen=True, slots=True, kw_only=True)
class MapPoint:
    """A document or a feature on a map; `row` is its number."""

    row: int
    id: str | None
    x: float
    y: float
    cluster: int
    value: float | None
    category: str | None
    text: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Colours:
    """What points are coloured by: of each its colour int64 (n,), and what each colour means.

    `are_shades` where they are of values, the least first; else they are of groups, the largest
    first. -1 is a point that has neither.
    """

    index: tuple[int, ...]
    names: tuple[str, ...]
    are_shades: bool


class MapPoints(Answer[MapPoint]):
    """Points of a map, by number; `about` says how it was made, of how many, and what is shown."""

    called = "points"

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, MapPoint)
        self.about = said(table)
        self.n, self.n_shown = int(self.about["n"]), int(self.about["n_shown"])

    def _head(self) -> Mapping[str, Any]:
        return self.about

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to say of the points: of which sample they are, and what came since."""
        notes: tuple[str, ...] = self.about["notes"]
        return notes

    @property
    def columns(self) -> tuple[str, ...]:
        """The metadata columns by which documents can be coloured."""
        columns: tuple[str, ...] = self.about["columns"]
        return columns

    @property
    def made(self) -> str:
        """In a line, how the map was made."""
        about = self.about
        return (
            f"{int(about['n_map']):,} {about['of']} by {about['method']}, seed {about['seed']}, "
            f"{str(about['made']).replace('T', ' ').partition('+')[0]} UTC"
        )

    @cached_property
    def colours(self) -> Colours:
        """By values where there are any, else by categories, else by clusters."""
        table = self.to_arrow()
        if table["value"].null_count < len(table):
            return _shades(table["value"].to_numpy(zero_copy_only=False).astype(np.float64))
        if table["category"].null_count < len(table):
            return _groups(table["category"].to_pylist())
        clusters = table["cluster"].to_pylist()
        return _groups([f"cluster {cluster}" for cluster in clusters])

    def plot(self, *, most: int = MOST, seed: int = 0) -> Any:
        """An `altair.Chart` of the points, coloured as `colours` says; it is dragged and zoomed.

        Points without a value or group are grey, and counted in the title. Of more than `most`
        points so many are drawn by chance, by `seed`, and the title says so: also where the answer
        itself is of some of the map's points. Raises `InvalidInput`, and `MissingExtra` without
        Altair.
        """
        with extra("plots", "A plot"):
            from saelake.answers.plots.places import places
            from saelake.answers.plots.sampled import drawn
        of = f"{self.n_shown:,} of " if self.n_shown < self.n else ""
        chosen, colours = drawn(len(self), most, seed, "points", ()), self.colours
        rows = [
            _drawn(point, colour)
            for point, colour in zip(
                self.to_arrow().take(chosen.rows).to_pylist(),
                (colours.index[i] for i in chosen.rows),
                strict=True,
            )
        ]
        return places(
            rows,
            colours.names,
            are_shades=colours.are_shades,
            neither="0, or no value" if colours.are_shades else "no value",
            title=f"Map of {of}{self.n:,} {self.about['of']}",
            said=[f"Map: {self.made}.", *chosen.said, *self._colourless, *self.notes],
            tips=TIPS,
            coloured_by=self._coloured_by,
        )

    @property
    def _coloured_by(self) -> str | None:
        """What values or categories are; clusters say it by their names."""
        if self.colours.are_shades:
            return "value" if self.about["of"] == "documents" else "documents a feature fires in"
        return None

    @property
    def _colourless(self) -> list[str]:
        """How many points have no value, of those that could."""
        table = self.to_arrow()
        for name in ("value", "category"):
            if (missing := table[name].null_count) < len(table):
                return [f"Without a value: {several(missing, 'point')}."] if missing else []
        return []

    def _view(self, rows: Sequence[MapPoint]) -> View:
        return View(
            said=[self.made, *self.notes],
            header=("row", "x", "y", "cluster", "value", "text"),
            rows=[
                (
                    p.row if p.id is None else p.id,
                    f"{p.x:.3f}",
                    f"{p.y:.3f}",
                    p.cluster,
                    p.category if p.value is None else f"{p.value:.4g}",
                    one_line(p.text or "")[:TEXT_SHOWN],
                )
                for p in rows
            ],
        )


TIPS = {"name": "id", "value": "value", "cluster": "cluster", "text": "text"}


def _drawn(point: Mapping[str, Any], colour: int) -> dict[str, Any]:
    """A point as a chart has it; what hovering says is text of one line."""
    value = point["category"] if point["value"] is None else f"{point['value']:.4g}"
    return {
        "x": point["x"],
        "y": point["y"],
        "colour": colour,
        "name": one_line(str(point["row"] if point["id"] is None else point["id"])),
        "value": one_line(value or ""),
        "cluster": str(point["cluster"]),
        "text": one_line(point["text"] or ""),
    }


def _shades(values: np.ndarray) -> Colours:
    """Shades of equal width between the least and the largest value."""
    known = ~np.isnan(values)
    low, high = float(values[known].min()), float(values[known].max())
    if low >= 0 and high > 0:
        low = 0.0
    width = (high - low) / SHADES or 1.0
    shade = np.clip((np.nan_to_num(values) - low) / width, 0, SHADES - 1).astype(np.int64)
    if low == 0.0:  # nothing is not a little
        shade[values == 0] = -1
    shade[~known] = -1
    edges = [_short(low + i * width) for i in range(SHADES + 1)]
    names = tuple(f"{edges[i]} to {edges[i + 1]}" for i in range(SHADES))
    return Colours(index=tuple(shade.tolist()), names=names, are_shades=True)


def _short(value: float) -> str:
    """A number in few characters, without an exponent where it has none to save."""
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.3g}"


def _groups(groups: Sequence[str | None]) -> Colours:
    """The largest groups, ties by name, and one for the others."""
    sizes = Counter(group for group in groups if group is not None)
    names = sorted(sizes, key=lambda name: (-sizes[name], name))
    number = {name: min(i, MOST_CATEGORIES) for i, name in enumerate(names)}
    shown = names[:MOST_CATEGORIES]
    if len(names) > MOST_CATEGORIES:
        shown.append(f"{len(names) - MOST_CATEGORIES:,} others")
    index = tuple(-1 if group is None else number[group] for group in groups)
    return Colours(index=index, names=tuple(shown), are_shades=False)
