"""The map in a browser: points that are hovered over and clicked, a lasso that is compared."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import saelake
from saelake.web.serving import WebServer
from tests.client.web.lassoing import lasso_left_half, place, plotted
from tests.encoded import EncodedLake

MAP = "/c/words/sae/map"
AREA = "-1.1 -1.1, 0 -1.1, 0 1.1, -1.1 1.1"


@pytest.fixture(scope="module", autouse=True)
def collection(encoded: EncodedLake) -> saelake.Collection:
    """The collection, of whose documents there is a map."""
    lake = saelake.connect(encoded.lake.uri)
    lake.project("words/sae")
    return lake["words/sae"]


def shown(page: Any, address: str = MAP) -> Any:
    """The plot of an address, when it is there."""
    page.goto(address)
    return plotted(page)


def test_a_lasso_is_a_selection_to_compare(page: Any, collection: saelake.Collection) -> None:
    shown(page)
    lasso_left_half(page)
    area = parse_qs(urlsplit(page.url).query)["area"][0]
    n = len(collection.map(inside=area))
    assert 0 < n < len(collection.map())
    assert page.locator("aside").inner_text().count(f"{n} of {len(collection.map())}") == 1
    link = page.get_by_role("link", name="Compare them with the rest").get_attribute("href")
    sides = parse_qs(urlsplit(link).query)
    assert link.startswith("/c/words/sae/compare?")
    a, b = (collection.map(where=sides[name][0]) for name in "ab")
    assert len(a) == n
    assert {p.row for p in a} | {p.row for p in b} == {p.row for p in collection.map()}
    page.go_back()
    assert page.get_by_role("link", name="Compare them with the rest").count() == 0


def test_a_link_holds_the_area_and_the_view(page: Any) -> None:
    shown(page, f"{MAP}?area={AREA}#0.1,0.2,3")
    before = page.locator(".map-over polygon").get_attribute("points")
    assert len(before.split()) == 4
    page.reload()
    page.wait_for_selector('.map[data-ready="true"]')
    assert page.locator(".map-over polygon").get_attribute("points") == before
    page.get_by_role("button", name="Show all").click()
    page.wait_for_url(re.compile("^[^#]*$"))


def test_points_say_what_they_are_and_are_opened(page: Any, collection: saelake.Collection) -> None:
    box = shown(page)
    point = max(collection.map(), key=lambda each: each.x)  # the outermost, which has none beside
    page.mouse.move(*place(box, point.x, point.y))
    page.locator(".map-card:not([hidden])").wait_for()
    assert str(point.id) in page.locator(".map-card").inner_text()
    page.route("**/map/open/*", lambda route: route.fulfill(body="there"))
    page.mouse.click(*place(box, point.x, point.y))
    page.wait_for_url(f"**{MAP}/open/{point.row}?of=documents")
    answer = page.request.get(f"{MAP}/open/{point.row}", max_redirects=0)
    assert answer.status == 303
    assert answer.headers["location"] == f"/c/words/sae/documents/{point.id}"


def test_keys_move_the_map_and_zoom(page: Any) -> None:
    shown(page)
    canvas = page.locator(".map canvas")
    canvas.press("+")
    page.wait_for_url("**#0.000,0.000,1.50")
    canvas.press("ArrowRight")
    page.wait_for_url("**#0.133,0.000,1.50")
    canvas.press("0")
    page.wait_for_url(re.compile("^[^#]*$"))


def test_points_are_coloured_by_what_is_asked(page: Any, collection: saelake.Collection) -> None:
    shown(page, f"{MAP}?colour=label")
    assert page.locator("aside h2").first.inner_text() == "label"
    names = page.locator(".legend li").all_inner_texts()
    assert [name.strip() for name in names] == list(collection.map(column="label").colours.names)
    shown(page, f"{MAP}?features=3")
    assert page.locator("aside h2").first.inner_text() == "features 3"


def test_without_scripts_there_is_a_picture(chromium: Any, web: WebServer) -> None:
    context = chromium.new_context(base_url=web.url, java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{MAP}?area={AREA}")
    assert page.locator(".map-still circle").count() > 20
    assert page.locator(".map-still polygon").count() == 1
    assert page.get_by_text("Without WebGL and scripts").is_visible()
    assert page.get_by_role("link", name="Compare them with the rest").count() == 1
    context.close()


def test_without_webgl_there_is_a_picture(page: Any) -> None:
    page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    page.goto(MAP)
    page.wait_for_load_state("networkidle")
    assert page.locator(".map-still").is_visible()
    assert page.get_by_text("Without WebGL and scripts").is_visible()


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("?of=features", 404, "saelake project words/sae --of features"),
        ("?area=1 1", 400, "no area of a map"),
        ("?where=nothing = 1", 400, "nothing"),
        ("?features=1e9", 400, "no feature"),
    ],
)
def test_mistakes_are_said_beside_the_form(
    chromium: Any, web: WebServer, query: str, status: int, said: str
) -> None:
    context = chromium.new_context(base_url=web.url)
    page = context.new_page()
    assert page.goto(MAP + query).status == status
    assert said in page.get_by_role("alert").inner_text()
    assert page.locator("#map-asks").count() == 1
    context.close()


def test_lines_are_simplified_to_the_corners_that_matter(page: Any, web: WebServer) -> None:
    simplified: Callable[[str], Any] = lambda line: page.evaluate(  # noqa: E731
        f"import('/static/map.js').catch(() => null).then((m) => m.simplified({line}, 48))"
    )
    shown(page)
    square = "[[0,0],[.5,0],[1,0],[1,.5],[1,1],[.5,1],[0,1],[0,.5],[0,0.1]]"
    assert simplified(square) == [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0.1]]
