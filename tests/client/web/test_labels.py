"""Labels are changed on the page, and nobody's is written over unseen."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

import saelake
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.web.lakes import Lakes
from saelake.web.serving import WebServer
from saelake.web.settings import WebSettings
from tests.encoded import EncodedLake

NAME = "words/sae"


def path(feature: int) -> str:
    """Where the feature's label is changed."""
    return f"c/{NAME}/features/{feature}/label"


def called(server: BackgroundServer, feature: int) -> list[str]:
    """What the server says that the feature is called."""
    with saelake.connect(server.target) as lake:
        return [label.label for label in lake[NAME].dictionary.labels(features=feature)]


@pytest.fixture
def unchanging(encoded: EncodedLake) -> Iterator[WebServer]:
    """The page of a server that lets nothing be changed."""
    settings = ServerSettings(uri=encoded.lake.uri, address=Address(port=0))
    with BackgroundServer(settings) as server:
        page = WebServer(Lakes(server.target), WebSettings(address=Address(port=0)))
        with page as running:
            yield running


def test_a_label_that_is_saved_is_there_after_a_reload(page: Any, server: BackgroundServer) -> None:
    page.goto(path(1))
    page.get_by_label("Call it").fill("<b>rain</b> & snow")
    page.get_by_role("button", name="Save the label").click()
    page.get_by_text("by hand").wait_for()
    page.reload()
    assert page.locator("section strong").inner_text() == "<b>rain</b> & snow"
    assert page.get_by_label("Call it").input_value() == "<b>rain</b> & snow"
    assert called(server, 1) == ["<b>rain</b> & snow"]


def test_a_label_that_changed_meanwhile_is_shown_and_not_written_over(
    web: WebServer, server: BackgroundServer
) -> None:
    with saelake.connect(server.target) as lake:
        lake[NAME].dictionary.label(2, "theirs")
    answer = httpx2.post(web.url + path(2), data={"label": "mine", "expect": ""})
    assert answer.status_code == 409
    assert 'role="alert"' in answer.text
    assert 'value="mine"' in answer.text  # what was written is kept
    assert 'name="expect" value="theirs"' in answer.text  # and saving again is of what is seen now
    assert called(server, 2) == ["theirs"]
    again = httpx2.post(web.url + path(2), data={"label": "mine", "expect": "theirs"})
    assert again.status_code == 303
    assert called(server, 2) == ["mine"]


def test_without_the_right_the_form_says_so(
    unchanging: WebServer, server: BackgroundServer
) -> None:
    before = called(server, 3)
    answer = httpx2.post(unchanging.url + path(3), data={"label": "mine"})
    assert answer.status_code == 403
    assert 'role="alert"' in answer.text
    assert 'value="mine"' in answer.text
    assert called(server, 3) == before


def test_an_empty_label_is_refused_beside_the_form(web: WebServer) -> None:
    answer = httpx2.post(web.url + path(3), data={"label": " "})
    assert answer.status_code == 400
    assert "An empty label says nothing" in answer.text


def test_another_page_cannot_change_a_label(web: WebServer, server: BackgroundServer) -> None:
    before, elsewhere = called(server, 3), {"Origin": "http://elsewhere.example"}
    answer = httpx2.post(web.url + path(3), data={"label": "mine"}, headers=elsewhere)
    assert answer.status_code == 403
    assert called(server, 3) == before
