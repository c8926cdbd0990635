"""An area of a map, as a text: its corners, `x y` with commas between them."""

import math
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saelake.store.errors import InvalidInput

Floats = npt.NDArray[np.floating]
MOST_CORNERS = 128
_CORNER = re.compile(r"\s*([+-]?[\d.]+(?:[eE][+-]?\d+)?)\s+([+-]?[\d.]+(?:[eE][+-]?\d+)?)\s*")


@dataclass(frozen=True, slots=True)
class Polygon:
    """An area with these corners, in their order; the last is joined to the first.

    Where the outline crosses itself, a point is inside if a line from it crosses an odd number of
    edges. A point on an edge is on one side of it, the same of two areas that share the edge.
    """

    corners: tuple[tuple[float, float], ...]

    @classmethod
    def parse(cls, text: str) -> "Polygon":
        """The area that a text says. Raises `InvalidInput`."""
        found = [_CORNER.fullmatch(corner) for corner in text.split(",")]
        if not 3 <= len(found) <= MOST_CORNERS or None in found:
            raise _no_area(text)
        try:
            corners = tuple((float(each[1]), float(each[2])) for each in found if each)
        except ValueError as error:  # 1.2.3
            raise _no_area(text) from error
        if not all(math.isfinite(number) for corner in corners for number in corner):
            raise _no_area(text)
        return cls(corners)

    def contains(self, x: Floats, y: Floats) -> npt.NDArray[np.bool_]:
        """Which of the points (n,) are inside, bool (n,).

        The rule of even and odd crossings (Shimrat 1962), an edge without its upper end.
        """
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        inside = np.zeros(len(x), np.bool_)
        for (x1, y1), (x2, y2) in zip(self.corners, self._next, strict=True):
            if y1 != y2:
                at = x1 + (y - y1) * ((x2 - x1) / (y2 - y1))
                inside ^= ((y1 > y) != (y2 > y)) & (x < at)
        return inside

    @property
    def _next(self) -> tuple[tuple[float, float], ...]:
        return (*self.corners[1:], self.corners[0])

    def __str__(self) -> str:
        return ", ".join(f"{x:g} {y:g}" for x, y in self.corners)


def _no_area(text: str) -> InvalidInput:
    return InvalidInput(
        f"{text[:80]!r} is no area of a map: give 3 to {MOST_CORNERS} corners, as '0 0, 0.5 0, "
        "0.5 0.5'."
    )
