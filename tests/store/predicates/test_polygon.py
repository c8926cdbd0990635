"""Areas of a map, against crossings counted one by one in exact fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saelake.store.errors import InvalidInput
from saelake.store.predicates.polygon import MOST_CORNERS, Polygon

coordinates = st.integers(-8, 8).map(lambda n: n / 4)  # so that points fall on corners and edges
corners = st.tuples(coordinates, coordinates)
areas = st.lists(corners, min_size=3, max_size=9).map(lambda found: Polygon(tuple(found)))


def crossed(area: Polygon, x: float, y: float) -> bool:
    """Whether a line to the right crosses an odd number of edges."""
    px, py = Fraction(x), Fraction(y)
    n = 0
    for i, (ax, ay) in enumerate(area.corners):
        bx, by = area.corners[(i + 1) % len(area.corners)]
        (x1, y1), (x2, y2) = (Fraction(ax), Fraction(ay)), (Fraction(bx), Fraction(by))
        if (y1 > py) != (y2 > py):
            n += px < x1 + (py - y1) * (x2 - x1) / (y2 - y1)
    return n % 2 == 1


@given(areas, st.lists(st.tuples(st.floats(-2.5, 2.5, width=32), coordinates), min_size=1))
def test_points_are_inside_as_crossings_say(
    area: Polygon, points: list[tuple[float, float]]
) -> None:
    x, y = np.array(points).T
    clear = [_is_clear(area, px, py) for px, py in points]
    found = area.contains(x, y)
    for inside, is_clear, (px, py) in zip(found, clear, points, strict=True):
        if is_clear:
            assert inside == crossed(area, px, py)


def _is_clear(area: Polygon, x: float, y: float) -> bool:
    """Whether rounding cannot put a point on the other side of an edge."""
    for i, (x1, y1) in enumerate(area.corners):
        x2, y2 = area.corners[(i + 1) % len(area.corners)]
        if (y1 > y) != (y2 > y):
            at = x1 + (y - y1) * (x2 - x1) / (y2 - y1)
            if 0 < abs(x - at) < 1e-9:
                return False
    return True


@given(areas)
def test_an_area_is_what_its_text_says(area: Polygon) -> None:
    assert Polygon.parse(str(area)) == area


@given(st.lists(corners, min_size=1))
def test_two_halves_of_a_square_hold_each_point_once(points: list[tuple[float, float]]) -> None:
    x, y = np.array(points).T
    upper = Polygon(((-2, -2), (2, -2), (2, 2))).contains(x, y)
    lower = Polygon(((-2, -2), (2, 2), (-2, 2))).contains(x, y)
    whole = Polygon(((-2, -2), (2, -2), (2, 2), (-2, 2))).contains(x, y)
    assert not (upper & lower).any()
    assert ((upper | lower) == whole).all()


@pytest.mark.parametrize(
    "text",
    ["", "0 0, 1 1", "0 0, 1 1, x y", "0 0, 1 1, 1.2.3 0", "0 0, 1 1, 1e999 0", "0 0; 1 1; 2 2"],
)
def test_what_is_no_area_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="no area of a map"):
        Polygon.parse(text)


def test_an_area_has_no_more_corners_than_it_may() -> None:
    most = ", ".join(f"{i} {i * i}" for i in range(MOST_CORNERS))
    assert len(Polygon.parse(most).corners) == MOST_CORNERS
    with pytest.raises(InvalidInput, match="no area"):
        Polygon.parse(f"{most}, 0 0")
