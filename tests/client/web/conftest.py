"""A small encoded lake, its page, and a browser to look at it with."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from saelake.store.service.changes import Allowed
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.texts import model_texts
from saelake.web.lakes import Lakes
from saelake.web.serving import WebServer
from saelake.web.settings import WebSettings
from tests.encoded import EncodedLake, make_encoded_lake

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
# Without them Chromium looks for its maker's hosts, at every start.
QUIETLY = (
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-unsafe-swiftshader",
)


@pytest.fixture(scope="package")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> EncodedLake:
    """A lake by a tiny model, whose collection is `words/sae`."""
    return make_encoded_lake(tmp_path_factory.mktemp("web"), n_documents=40)


@pytest.fixture(scope="package")
def server(encoded: EncodedLake) -> Iterator[BackgroundServer]:
    """Its server, which lets labels be written."""
    settings = ServerSettings(
        uri=encoded.lake.uri,
        address=Address(port=0),
        texts=model_texts(),
        allowed=Allowed(rights=frozenset({"label"})),
    )
    with BackgroundServer(settings) as running:
        yield running


@pytest.fixture(scope="package")
def web(server: BackgroundServer) -> Iterator[WebServer]:
    """The page of that server."""
    with WebServer(Lakes(server.target), WebSettings(address=Address(port=0))) as running:
        yield running


@pytest.fixture(scope="module")  # its event loop stands in the way of other tests' own
def chromium() -> Iterator[Any]:
    """A headless browser; skips where there is none."""
    if BROWSER is None:
        pytest.skip("needs Chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=list(QUIETLY))
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any, web: WebServer) -> Iterator[Any]:
    """A new page of the browser, at the start of the lake; fails on an error of a script."""
    context = chromium.new_context(base_url=web.url)
    context.set_default_timeout(15_000)
    page, failed = context.new_page(), []
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.on("console", lambda said: failed.append(said.text) if said.type == "error" else None)
    page.goto("/")
    yield page
    context.close()
    assert not failed
