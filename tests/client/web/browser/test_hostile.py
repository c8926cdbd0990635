"""A corpus that would act does nothing: its texts, ids and metadata are only seen."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

import saelake
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.texts import model_texts
from saelake.web.lakes import Lakes
from saelake.web.serving import WebServer
from saelake.web.settings import WebSettings
from tests.encoded import EncodedLake, make_encoded_lake

PLACE = "/c/words/sae"
SCRIPT = "<script>window.acted = true</script>"
IMAGE = '"><img src=x onerror="window.acted = true">'
TURNED = "safe \u202e gnp.exe \u2066 hidden \u200b\x1b[2J \x00 end"
LINE = "w5 " * 350_000  # more than 1 MB
TEMPLATE = "{{ 7 * 7 }} {% raw %} ${1}"
TEXTS = [SCRIPT, IMAGE, TURNED, "w5 \ud800 w6", LINE, TEMPLATE, "مرحبا w7 世界"]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> EncodedLake:
    """A lake of such a corpus."""
    folder = tmp_path_factory.mktemp("hostile")
    rows = [
        {"id": f"d{i} {IMAGE}", "text": f"w5 {text} w6", "label": SCRIPT}
        for i, text in enumerate(TEXTS)
    ]
    corpus = folder / "hostile.jsonl"
    corpus.write_text("\n".join(map(json.dumps, rows)))
    return make_encoded_lake(folder, corpus=corpus)


@pytest.fixture(scope="module")
def looked_at(hostile: EncodedLake) -> Iterator[WebServer]:
    """Its page."""
    settings = ServerSettings(uri=hostile.lake.uri, address=Address(port=0), texts=model_texts())
    with (
        BackgroundServer(settings) as server,
        WebServer(Lakes(server.target), WebSettings(address=Address(port=0))) as web,
    ):
        yield web


@pytest.fixture
def wary(chromium: Any, looked_at: WebServer) -> Iterator[Any]:
    """A page of the browser that fails where anything acts, or asks elsewhere."""
    context = chromium.new_context(base_url=looked_at.url)
    page, wrong = context.new_page(), []
    page.set_default_timeout(60_000)
    page.on("dialog", lambda dialog: wrong.append(dialog.message))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda asked: wrong.append(asked.url) if not own(asked.url) else None)

    def own(url: str) -> bool:
        return url.startswith((looked_at.url, "data:"))

    yield page
    context.close()
    assert not wrong


def test_nothing_of_a_corpus_acts(wary: Any, hostile: EncodedLake) -> None:
    collection = saelake.connect(hostile.lake.uri)["words/sae"]
    feature = collection.tokens(str(collection.features(k=1)[0].feature), 10)
    names = [hit.id for hit in feature]
    assert any(IMAGE in name for name in names)
    addresses = [
        PLACE,
        f"{PLACE}/features",
        f"{PLACE}/features/{collection.features(k=1)[0].feature}?context=2000",
        f"{PLACE}/tokens?expression={collection.features(k=1)[0].feature}&where={quote(IMAGE)}",
        f"{PLACE}/documents?text={quote(SCRIPT)}",
        f"{PLACE}/encode?text={quote(TURNED.replace(chr(0), ''))}&feature={quote(SCRIPT)}",
        f"{PLACE}/compare?a={quote(SCRIPT)}",
        f"{PLACE}/list?title={quote(SCRIPT)}&items=1%20{quote(IMAGE)}",
        *(f"{PLACE}/documents/{quote(name, safe='')}" for name in names),
    ]
    for address in addresses:
        wary.goto(address)
        wary.wait_for_load_state("networkidle")
        assert wary.evaluate("window.acted") is None, address
        assert wary.locator("main script, main img").count() == 0, address


def test_what_turns_and_hides_is_drawn(wary: Any) -> None:
    name = quote(f"d2 {IMAGE}", safe="")
    wary.goto(f"{PLACE}/documents/{name}")
    drawn = wary.locator(".text .hidden-character").all_inner_texts()
    assert {"202E", "2066", "200B", "001B"} <= set(drawn)


def test_a_line_of_a_megabyte_is_shown_in_part(wary: Any) -> None:
    name = quote(f"d4 {IMAGE}", safe="")
    wary.goto(f"{PLACE}/documents/{name}")
    assert len(wary.locator(".text").first.inner_text()) < 100_000
