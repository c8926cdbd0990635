"""Screenshots of every page, of the lake that `saelake demo` makes: `make screens`.

They are written into docs/screens/, at a desk and on a phone, in the light and in the dark.
"""

import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import sync_playwright

import saelake
from saelake.cli.demo.run import COLLECTION
from saelake.cli.demo.tour import first_feature
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.texts import model_texts
from saelake.web.lakes import Lakes
from saelake.web.serving import WebServer
from saelake.web.settings import WebSettings

FOLDER = Path(__file__).parent / "screens"
SIZES = {"desk": (1440, 900), "phone": (390, 844)}
LIGHTS = ("light", "dark")
QUALITY = 72
AREA = "-1 -1, -0.1 -1, -0.1 1, -1 1"
WHERE = "package = 'asyncio'"


def views(lake: str) -> Mapping[str, str]:
    """The address of every page, with something to see on it."""
    collection = saelake.connect(lake)[COLLECTION]
    feature = first_feature(collection)
    hit = collection.tokens(feature, 1)[0]
    of = f"/c/{COLLECTION}"

    def at(path: str, **fields: object) -> str:
        return f"{of}/{path}?{urlencode(fields)}"

    return {
        "lake": "/",
        "collection": of,
        "features": at("features", token="fast", k=12),
        "feature": at(f"features/{feature}"),
        "label": at(f"features/{feature}/label"),
        "tokens": at("tokens", expression=feature, k=12),
        "documents": at("documents", text="sort a list in place"),
        "document": at(f"documents/{hit.id}", features=feature),
        "encode": at("encode", text="How to sort a list in place, and how fast that is", token=3),
        "compare": at("compare", a=WHERE),
        "correlations": at("correlations"),
        "clusters": at("clusters", n=6),
        "map": at("map", area=AREA),
        "problem": at("tokens", expression=f"{feature} &", where=WHERE),
        "api": "/api",
    }


@contextmanager
def page_of(lake: str) -> Iterator[str]:
    """The page of a lake whose labels may be written."""
    settings = ServerSettings(uri=lake, address=Address(port=0), texts=model_texts())
    with (
        BackgroundServer(settings) as server,
        WebServer(Lakes(server.target), WebSettings(address=Address(port=0))) as web,
    ):
        yield web.url


def screen(browser: Any, url: str, size: str, light: str, path: Path) -> None:
    """Look at an address, and keep what is seen."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=light, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(url)
    page.wait_for_load_state("networkidle", timeout=120_000)
    page.screenshot(path=path, type="jpeg", quality=QUALITY)
    context.close()


def main(lake: str = "demo-lake") -> None:
    """Make all of them."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("A browser is needed: install Chromium.")
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as driver, page_of(lake) as url:
        browser = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--enable-unsafe-swiftshader"]
        )
        for name, address in views(lake).items():
            for size in SIZES:
                for light in LIGHTS:
                    path = FOLDER / f"{name}-{size}-{light}.jpg"
                    screen(browser, url.rstrip("/") + address, size, light, path)
                    print(path.name)
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
