"""The map of a page in a browser: where things are on it, and a lasso around some."""

from typing import Any


def plotted(page: Any) -> Any:
    """The rectangle of the plot on the screen, when it is there."""
    page.wait_for_selector('.map[data-ready="true"]')
    return page.locator(".map canvas").bounding_box()


def place(box: Any, x: float, y: float) -> tuple[float, float]:
    """Where on the screen a place of the map is, before it was moved."""
    unit = min(box["width"], box["height"]) / 2.08
    return box["x"] + box["width"] / 2 + x * unit, box["y"] + box["height"] / 2 + y * unit


def lasso_left_half(page: Any) -> None:
    """Draw around the left half, and wait until the address says so."""
    box = plotted(page)
    page.get_by_role("button", name="Lasso").click()
    corners = [(-1.02, -1.02), (0.01, -1.02), (0.01, 1.02), (-1.02, 1.02)]
    page.mouse.move(*place(box, *corners[0]))
    page.mouse.down()
    for x, y in (*corners[1:], corners[0]):
        page.mouse.move(*place(box, x, y), steps=8)
    with page.expect_navigation():
        page.mouse.up()
