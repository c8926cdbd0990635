"""Pages as those see them who use a keyboard, a screen reader, a phone, or the dark."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

import saelake
from saelake.web.serving import WebServer
from tests.encoded import EncodedLake

PLACE = "/c/words/sae"
GRAVE = ("serious", "critical")


@pytest.fixture(scope="module")
def views(encoded: EncodedLake) -> dict[str, str]:
    """The address of every page, each with something on it."""
    lake = saelake.connect(encoded.lake.uri)
    lake.project("words/sae")
    collection = lake["words/sae"]
    feature = collection.features(k=1)[0].feature
    text = quote(encoded.texts[0])
    return {
        "lake": "/",
        "collection": PLACE,
        "features": f"{PLACE}/features",
        "feature": f"{PLACE}/features/{feature}",
        "label": f"{PLACE}/features/{feature}/label",
        "tokens": f"{PLACE}/tokens?expression={feature}",
        "documents": f"{PLACE}/documents?text={text}",
        "document": f"{PLACE}/documents/d0",
        "encode": f"{PLACE}/encode?text={text}&token=1",
        "compare": f"{PLACE}/compare?a=id+%3C+%27d2%27",
        "values": f"{PLACE}/values?field=a&back={PLACE}/compare",
        "correlations": f"{PLACE}/correlations?min_npmi=0&min_documents=1",
        "clusters": f"{PLACE}/clusters?n=2",
        "map": f"{PLACE}/map",
        "api": "/api",
    }


@pytest.fixture(params=[(1440, "light"), (390, "dark")], ids=["desk", "phone in the dark"])
def screen(request: pytest.FixtureRequest, chromium: Any, web: WebServer) -> Iterator[Any]:
    """A page of a browser of some size, in some light."""
    width, scheme = request.param
    size = {"width": width, "height": 900}
    context = chromium.new_context(base_url=web.url, viewport=size, color_scheme=scheme)
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


def test_nothing_is_in_the_way_of_anybody(screen: Any, views: dict[str, str]) -> None:
    """Axe finds nothing grave, and only tables and plots are wider than the screen."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    found = {}
    for name, address in views.items():
        screen.goto(address)
        screen.wait_for_load_state("networkidle")
        said = axe.run(screen).response["violations"]
        grave = [(one["id"], one["nodes"][0]["html"]) for one in said if one["impact"] in GRAVE]
        width = screen.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        if grave or width > 0:
            found[name] = (grave, width)
    assert found == {}


def test_what_a_filter_is_chosen_from_is_in_nobodys_way(screen: Any, views: dict[str, str]) -> None:
    """Axe finds nothing grave while it lies over the page, which becomes no wider."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for name in ("compare", "feature"):
        screen.goto(views[name])
        screen.locator("[data-chooser] summary").first.click()
        screen.locator(".counts li").first.wait_for()
        said = axe.run(screen).response["violations"]
        assert [(one["id"], one["nodes"]) for one in said if one["impact"] in GRAVE] == []
        assert screen.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


def test_the_keyboard_reaches_what_a_page_is_for(screen: Any, views: dict[str, str]) -> None:
    """The first key skips what all pages have; the focus is seen."""
    screen.goto(views["features"])
    screen.keyboard.press("Tab")
    assert screen.evaluate("document.activeElement.getAttribute('href')") == "#content"
    screen.keyboard.press("Enter")
    screen.keyboard.press("Tab")
    assert screen.evaluate("document.querySelector('main').contains(document.activeElement)")
    assert screen.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
