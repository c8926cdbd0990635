"""Answers as points of a plot: which templates draw as SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from saelake.answers.differences import Diff, Difference

LEAST = 1e-4  # share at the corner of the plot: axes are logarithmic, and have no 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A feature by how often it fires on both sides; `x` and `y` are shares of the plot."""

    row: Difference
    x: float
    y: float
    is_marked: bool


def points(diff: Diff, level: float) -> Sequence[Point]:
    """The features that could be compared, marked where q is below `level`."""
    return [
        Point(
            row=row,
            x=place(row.frequency_a),
            y=1 - place(row.frequency_b),
            is_marked=row.q_value is not None and row.q_value < level,
        )
        for row in diff
        if row.frequency_a is not None and row.frequency_b is not None
    ]


def place(share: float) -> float:
    """Where a share is on a logarithmic axis from `LEAST` to 1."""
    return 1 - math.log(max(share, LEAST)) / math.log(LEAST)
