"""What keeps other pages from acting here."""

import socket
from urllib.parse import urlsplit

import pytest

from saelake.store.service.serve import Address, BackgroundServer
from saelake.web.lakes import Lakes
from saelake.web.security import HEADERS, POLICY
from saelake.web.serving import WebServer
from saelake.web.settings import WebSettings
from tests.client.web.calling import FORM, call

CHANGE = "/api/v1/changes/set-labels"
JSON = {"Content_Type": "application/json"}


def raw(web: WebServer, request: bytes) -> bytes:
    """The answer to what no library would send."""
    with socket.create_connection((web.address.host, web.address.port), timeout=20) as sent:
        sent.sendall(request)
        return sent.recv(65_536)


@pytest.mark.parametrize("path", ["/", "/api", "/api/v1/info", "/static/saelake.css", "/none"])
def test_every_answer_has_the_headers(web: WebServer, path: str) -> None:
    headers = call(web.url, path).headers
    assert {name.lower(): value for name, value in HEADERS.items()}.items() <= headers.items()
    assert "server" not in headers
    kept = "private, no-cache" if not path.startswith("/static/") else None
    assert headers.get("cache-control") == kept


def test_the_policy_allows_nothing_inline_and_nothing_foreign() -> None:
    assert "unsafe" not in POLICY
    assert "http" not in POLICY
    assert POLICY.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in POLICY


@pytest.mark.parametrize(
    "name", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost.evil", "[::"]
)
def test_a_foreign_name_that_leads_here_is_refused(web: WebServer, name: str) -> None:
    """DNS rebinding: the browser takes the foreign page and this one for the same."""
    page, api = call(web.url, "/", Host=name), call(web.url, "/api/v1/info", Host=name)
    assert (page.status, api.status) == (403, 403)
    assert "--http-host" in page.text
    assert api.json["error"] == "PermissionDenied"


@pytest.mark.parametrize("name", ["localhost", "localhost:1", "LOCALHOST", "127.0.0.1", "[::1]"])
def test_this_machines_own_names_are_taken(web: WebServer, name: str) -> None:
    assert call(web.url, "/api/v1/info", Host=name).status == 200


def test_no_name_and_several_are_refused(web: WebServer) -> None:
    none = raw(web, b"GET /api/v1/info HTTP/1.0\r\n\r\n")
    two = raw(web, b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
    assert none.split()[1] in (b"403", b"400")
    assert two.split()[1] in (b"403", b"400")


def test_a_page_at_every_address_goes_by_addresses_and_by_names_that_are_given(
    server: BackgroundServer,
) -> None:
    everywhere = WebSettings(address=Address(host="0.0.0.0", port=0), hosts=("Lake.example",))
    with WebServer(Lakes(server.target), everywhere) as web:
        here = f"http://127.0.0.1:{web.address.port}/"
        for name in ("10.1.2.3", "lake.example", "LAKE.example:443", "[fe80::1]"):
            assert call(here, "/api/v1/version", Host=name).status == 200
        assert call(here, "/api/v1/version", Host="evil.example").status == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},  # another port of this machine
        {"Origin": "file://"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_a_change_from_another_page_is_refused(web: WebServer, headers: dict[str, str]) -> None:
    answered = call(web.url, CHANGE, method="POST", body="{}", **JSON, **headers)
    assert (answered.status, answered.json["error"]) == (403, "PermissionDenied")
    signing = call(web.url, "/sign-out", method="POST", body="", **FORM, **headers)
    assert signing.status == 403


def test_a_change_from_this_page_goes_through(web: WebServer) -> None:
    own = {"Origin": web.url.rstrip("/"), "Sec_Fetch_Site": "same-origin"}
    assert call(web.url, CHANGE, method="POST", body="{}", **JSON, **own).status == 400
    assert call(web.url, CHANGE, method="POST", body="{}", **JSON).status == 400  # a program


def test_another_page_may_link_here_but_not_ask_in_the_background(web: WebServer) -> None:
    foreign = {"Sec_Fetch_Site": "cross-site"}
    link = {**foreign, "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    assert call(web.url, "/", **link).status == 200
    for mode, dest in (("no-cors", "image"), ("cors", "empty"), ("navigate", "iframe")):
        fetched = {**foreign, "Sec_Fetch_Mode": mode, "Sec_Fetch_Dest": dest}
        assert call(web.url, "/api/v1/info", **fetched).status == 403
    own = {"Sec_Fetch_Site": "same-origin", "Sec_Fetch_Mode": "cors", "Sec_Fetch_Dest": "empty"}
    assert call(web.url, "/api/v1/info", **own).status == 200


def test_no_page_may_read_answers_from_elsewhere(web: WebServer) -> None:
    asked = call(web.url, CHANGE, method="OPTIONS", Origin="http://evil.example")
    assert not [name for name in asked.headers if name.startswith("access-control")]


def test_a_long_body_is_refused_before_it_is_read(server: BackgroundServer) -> None:
    little = WebSettings(address=Address(port=0), body_bytes=1000)
    with WebServer(Lakes(server.target), little) as web:
        said = call(web.url, CHANGE, method="POST", body=b" " * 1001, **JSON)
        assert (said.status, said.json["error"]) == (413, "LimitExceeded")
        assert call(web.url, CHANGE, method="POST", body=b" " * 1000, **JSON).status == 400
        form = call(web.url, "/sign-in", method="POST", body=b"token=" + b"x" * 1000, **FORM)
        assert form.status == 413
        head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        unsaid = (
            head + b"Transfer-Encoding: chunked\r\n\r\n7d0\r\n" + b" " * 2000 + b"\r\n0\r\n\r\n"
        )
        assert raw(web, unsaid % CHANGE.encode()).split()[1] == b"413"
        false = head + b"Content-Length: -1\r\n\r\n"
        assert raw(web, false % CHANGE.encode()).split()[1] in (b"400", b"413")


def test_a_failure_says_nothing_of_the_machine(web: WebServer) -> None:
    said = call(web.url, "/api/v1/tokens?collection=no/where&expression=1").text
    assert "Traceback" not in said
    assert urlsplit(web.url).netloc not in said
