"""Signing in with a token: where it is kept, and where one comes to afterwards."""

import logging
from collections.abc import Iterator
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from saelake.store.service.access.protection import Access
from saelake.store.service.limits import Limits
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.web.lakes import Lakes
from saelake.web.pages.sign_in import local
from saelake.web.serving import WebDoor, WebServer
from saelake.web.settings import WebSettings
from tests.client.web.calling import FORM, Answered, call
from tests.encoded import EncodedLake

TOKEN = "a token; with, marks=% and more"
HOSTILE = [
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/a\r\nSet-Cookie: x=1",
    "https://evil.example/",
    "http:evil.example",
    "javascript:alert(1)",
    "evil.example",
    "/a\\..\\b",
    "/\x00",
    "//[",
    "",
]


@pytest.fixture(scope="module")
def guarded(encoded: EncodedLake) -> Iterator[BackgroundServer]:
    """A server that needs a token, with its page as a door."""
    settings = ServerSettings(
        uri=encoded.lake.uri,
        address=Address(port=0),
        access=Access(token=TOKEN),
        doors=(WebDoor(address=Address(port=0)),),
    )
    with BackgroundServer(settings) as running:
        yield running


@pytest.fixture(scope="module")
def url(guarded: BackgroundServer) -> str:
    (address,) = guarded.door_addresses
    return f"http://{address}/"


def signed_in(url: str, token: str, to: str = "/") -> Answered:
    body = urlencode({"token": token, "to": to})
    return call(url, "/sign-in", method="POST", body=body, **FORM)


def cookie_of(answered: Answered) -> Any:
    (kept,) = SimpleCookie(answered.headers["set-cookie"]).values()
    return kept


def test_who_has_no_token_is_asked_for_it_and_comes_back(url: str) -> None:
    sent = call(url, "/?of=a%20b&to=c")
    assert sent.status == 303
    assert sent.headers["location"] == f"/sign-in?to={quote('/?of=a%20b&to=c', safe='')}"
    form = call(url, sent.headers["location"]).text
    assert 'value="/?of=a%20b&amp;to=c"' in form
    back = signed_in(url, TOKEN, "/?of=a%20b&to=c")
    assert (back.status, back.headers["location"]) == (303, "/?of=a%20b&to=c")


def test_the_token_is_kept_where_only_this_page_gets_it(url: str) -> None:
    kept = cookie_of(signed_in(url, TOKEN))
    assert (kept["httponly"], kept["samesite"], kept["path"]) == (True, "strict", "/")
    assert kept["secure"] == ""  # it would not be sent without TLS
    assert call(url, "/", Cookie=f"{kept.key}={kept.value}").status == 200
    assert call(url, "/api/v1/info", Cookie=f"{kept.key}={kept.value}").status == 200
    port = url.rstrip("/").rpartition(":")[2]
    assert port in kept.key  # browsers send it to every port of the host


def test_programs_send_it_as_a_header(url: str) -> None:
    assert call(url, "/api/v1/info", Authorization=f"Bearer {TOKEN}").status == 200
    for wrong in ("", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN} more"):
        refused = call(url, "/api/v1/info", Authorization=wrong)
        assert (refused.status, refused.json["error"]) == (401, "AccessDenied")
        assert refused.headers["www-authenticate"] == "Bearer"


def test_a_part_of_a_page_has_the_whole_of_it_sign_in(url: str) -> None:
    here = f"{url}c/words/sae?q=rain"
    part = call(url, "/", HX_Request="true", HX_Current_URL=here)
    assert part.status == 401
    assert part.headers["hx-redirect"] == f"/sign-in?to={quote('/c/words/sae?q=rain', safe='')}"


@pytest.mark.parametrize("token", ["", "  ", "no-such-token", "über", "a\nb", "x" * 5000])
def test_what_is_no_good_is_said_beside_the_form(url: str, token: str) -> None:
    refused = signed_in(url, token, "/there")
    assert refused.status in (400, 401)
    assert 'role="alert"' in refused.text
    assert 'value="/there"' in refused.text
    assert "set-cookie" not in refused.headers
    assert not token.strip() or token not in refused.text


@pytest.mark.parametrize("to", HOSTILE)
def test_nobody_is_led_elsewhere(url: str, to: str) -> None:
    assert local(to) == "/"
    assert signed_in(url, TOKEN, to).headers["location"] == "/"
    assert "evil" not in call(url, f"/sign-in?to={quote(to, safe='')}").text


def test_signing_out_forgets_it(url: str) -> None:
    kept = cookie_of(signed_in(url, TOKEN))
    assert "Sign out" in call(url, "/", Cookie=f"{kept.key}={kept.value}").text
    assert "Sign out" not in call(url, "/sign-in").text
    left = call(url, "/sign-out", method="POST", body="", **FORM)
    assert (left.status, left.headers["location"]) == (303, "/sign-in")
    gone = cookie_of(left)
    assert (gone.value, gone["max-age"]) == ("", "0")
    assert call(url, "/sign-out").status == 405  # no link signs out


def test_the_token_is_in_no_address_and_no_log(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        answers = [signed_in(url, TOKEN), signed_in(url, "wrong-token-0123456789")]
        kept = cookie_of(answers[0])
        answers.append(call(url, "/", Cookie=f"{kept.key}={kept.value}"))
        answers.append(call(url, "/none", Cookie=f"{kept.key}={kept.value}"))
    for secret in (TOKEN, quote(TOKEN, safe=""), "wrong-token-0123456789"):
        assert secret not in caplog.text
        for answered in answers:
            assert secret not in answered.text
            assert secret not in answered.headers.get("location", "")


def test_a_token_of_the_server_is_not_lent_to_who_has_none(
    url: str, guarded: BackgroundServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variable that a server may have its own token from, which clients read as well."""
    monkeypatch.setenv("SAELAKE_TOKEN", TOKEN)
    assert call(url, "/api/v1/info").status == 401
    with WebServer(Lakes(guarded.target), WebSettings(address=Address(port=0))) as web:
        assert call(web.url, "/api/v1/info").status == 401


def test_a_page_that_somebody_began_for_himself_has_his_token(guarded: BackgroundServer) -> None:
    mine = Lakes(guarded.target, token=TOKEN)
    with WebServer(mine, WebSettings(address=Address(port=0))) as web:
        assert call(web.url, "/api/v1/info").status == 200
        assert call(web.url, "/api/v1/info", Authorization="Bearer another").status == 401


def test_callers_who_say_no_name_share_a_place(encoded: EncodedLake) -> None:
    """And who has a name has a rate of his own, by this door as by gRPC."""
    settings = ServerSettings(
        uri=encoded.lake.uri,
        address=Address(port=0),
        access=Access(token=TOKEN),
        limits=Limits(calls_per_s=0.01, burst_calls=3),
        doors=(WebDoor(address=Address(port=0)),),
    )
    with BackgroundServer(settings) as running:
        here = f"http://{running.door_addresses[0]}/"
        tried = [call(here, "/api/v1/version").status for _ in range(6)]
        assert tried[0] == 401
        assert tried[-1] == 429
        mine = [call(here, "/api/v1/version", Authorization=f"Bearer {TOKEN}") for _ in range(6)]
        assert (mine[0].status, mine[-1].status) == (200, 429)
        assert int(mine[-1].headers["retry-after"]) > 0


def test_a_person_signs_in_and_out(url: str, chromium: Any) -> None:
    context = chromium.new_context(base_url=url)
    page = context.new_page()
    page.goto("/?of=here")
    page.get_by_label("Token").fill("no-such-token")
    page.get_by_role("button", name="Sign in").click()
    assert "wrong" in page.get_by_role("alert").inner_text()
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()
    assert page.url == f"{url}?of=here"
    page.get_by_role("heading", name="Collections").wait_for()
    assert page.evaluate("document.cookie") == ""
    page.get_by_role("button", name="Sign out").click()
    page.goto("/")
    assert page.url.startswith(f"{url}sign-in")
    context.close()
