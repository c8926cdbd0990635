"""The tools over HTTP: with the token of each caller, behind the guard of the page."""

import asyncio
import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from saelake.store.service.access.protection import Access
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.texts import model_texts
from saelake.web.agents.http import application_for
from saelake.web.lakes import Lakes
from saelake.web.serving import WebServer
from saelake.web.settings import WebSettings
from tests.client.web.agents.held import held_hits
from tests.client.web.agents.scripted import check_as_printed, five_questions
from tests.client.web.agents.talking import NAME, Talk, answer, calling, failure, talk, talked
from tests.client.web.calling import Answered, call
from tests.client.web.test_serving import running
from tests.encoded import EncodedLake
from tests.store.service.access.serving import issue

JSON = {"Content_Type": "application/json", "Accept": "application/json, text/event-stream"}
READING = application_for(changes=False)
PING = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"})


@pytest.fixture(scope="module")
def at_http(lake_server: BackgroundServer) -> Iterator[WebServer]:
    """The tools of a server without tokens."""
    settings = WebSettings(address=Address(port=0), body_bytes=100_000)
    with WebServer(Lakes(lake_server.target), settings, READING) as web:
        yield web


def with_token(url: str, token: str | None, work: Talk, **given: Any) -> Any:
    """A talk over HTTP of who has this token."""

    async def connected() -> Any:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
            transport = streamable_http_client(f"{url}mcp", http_client=http)
            return await talked(lambda: transport, work, **given)

    return asyncio.run(connected())


@contextmanager
def protected(labelled: EncodedLake, tokens: Path) -> Iterator[str]:
    """Where the tools are of a server that takes the tokens of a file."""
    settings = ServerSettings(
        uri=labelled.lake.uri,
        address=Address(port=0),
        texts=model_texts(),
        access=Access(tokens=tokens),
    )
    with (
        BackgroundServer(settings) as server,
        WebServer(Lakes(server.target), WebSettings(address=Address(port=0)), READING) as web,
    ):
        yield web.url


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_five_questions_of_who_has_a_token(
    labelled: EncodedLake, tmp_path: Path, mode: str
) -> None:
    """Each is asked with its own, by one connection to the server."""
    tokens = tmp_path / "tokens.json"
    token, other = issue(tokens, "ana", "read"), issue(tokens, "bo", "read", "other")
    ask = calling("find_tokens", collection=NAME, expression="1")
    with protected(labelled, tokens) as url:
        answers = with_token(url, token, five_questions, mode=mode)
        check_as_printed(answers, labelled.lake.uri)
        assert "token" in failure(with_token(url, None, ask, mode=mode))
        assert "token" in failure(with_token(url, "x" * 30, ask, mode=mode))
        assert "words" in failure(with_token(url, other, ask, mode=mode))
        assert answer(with_token(url, token, ask, mode=mode))["hits"]


def test_a_session_is_asked_with_the_token_of_each_call(
    labelled: EncodedLake, tmp_path: Path
) -> None:
    """Who knows the number of another's session has not his rights."""
    token = issue(tmp_path / "tokens.json", "ana", "read")
    with protected(labelled, tmp_path / "tokens.json") as url:
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}}
        hello |= {"clientInfo": {"name": "test", "version": "1"}}
        mine = {**JSON, "Authorization": f"Bearer {token}"}
        begun = rpc(url, "initialize", hello, **mine)
        session = {"Mcp_Session_Id": begun.headers["mcp-session-id"]}
        question = {"name": "list_collections", "arguments": {}}
        assert '"isError":false' in rpc(url, "tools/call", question, **mine, **session).text
        assert '"isError":true' in rpc(url, "tools/call", question, **JSON, **session).text


def test_nobody_waits_for_what_the_tools_would_say_by_themselves(at_http: WebServer) -> None:
    waiting = call(at_http.url, "/mcp", Accept="text/event-stream")
    assert (waiting.status, set(waiting.headers["allow"].split(", "))) == (405, {"POST", "DELETE"})


def rpc(url: str, method: str, params: dict[str, Any], **headers: str) -> Answered:
    """One message, as no client of the SDK would send it."""
    body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
    return call(url, "/mcp", method="POST", body=body, **headers)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 403),
        ({"Host": "127.0.0.1.evil.example:80"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://localhost:1"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
    ],
)
def test_another_page_may_not_ask(at_http: WebServer, headers: dict[str, str], status: int) -> None:
    refused = call(at_http.url, "/mcp", method="POST", body=PING, **{**JSON, **headers})
    assert refused.status == status


def test_a_form_of_another_page_is_no_question(at_http: WebServer) -> None:
    plain = {**JSON, "Content_Type": "text/plain"}
    assert call(at_http.url, "/mcp", method="POST", body=PING, **plain).status == 400


def test_a_request_is_not_too_long(at_http: WebServer) -> None:
    body = json.dumps({"text": "x" * 100_000})
    assert call(at_http.url, "/mcp", method="POST", body=body, **JSON).status == 413


def test_there_is_nothing_beside_the_tools(at_http: WebServer) -> None:
    for path in ("/", "/api/v1/info", "/openapi.json"):
        assert call(at_http.url, path).status == 404


def test_the_page_has_the_tools_too(labelled: EncodedLake, lake_server: BackgroundServer) -> None:
    settings = WebSettings(address=Address(port=0))
    with WebServer(Lakes(lake_server.target), settings) as web:
        check_as_printed(talk(f"{web.url}mcp", five_questions), labelled.lake.uri)
        assert call(web.url, "/api/v1/info").status == 200
        foreign = {**JSON, "Origin": "http://evil.example"}
        assert call(web.url, "/mcp", method="POST", body=PING, **foreign).status == 403


def test_a_page_without_the_sdk_has_no_tools(
    lake_server: BackgroundServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saelake.web.app.find_spec", lambda _: None)
    with WebServer(Lakes(lake_server.target), WebSettings(address=Address(port=0))) as web:
        assert call(web.url, "/mcp", method="POST", body=PING, **JSON).status == 404
        assert call(web.url, "/api/v1/info").status == 200


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_the_program_says_where_it_is_and_ends(labelled: EncodedLake, number: int) -> None:
    with running("mcp", "--lake", labelled.lake.uri, "--http", "0") as shown:
        found = re.search(r"http://127\.0\.0\.1:\d+/mcp\b", shown.said[0])
        assert found is not None, shown.said
        told = answer(talk(found[0], calling("list_collections")))
        assert [row["dictionary"] for row in told["collections"]] == ["sae"]
        assert shown.ended(number) == (0, "")


def test_the_program_asks_a_server(lake_server: BackgroundServer) -> None:
    with running("mcp", "--server", str(lake_server.address), "--http", "0") as shown:
        found = re.search(r"http://\S+/mcp", shown.said[0])
        assert found is not None, shown.said
        assert answer(talk(found[0], calling("list_collections")))["collections"]
        assert shown.ended(signal.SIGTERM) == (0, "")


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_agent_that_leaves_ends_what_was_computed_for_it(
    labelled: EncodedLake, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    async def leave(client: Client) -> None:
        given = {"collection": NAME, "expression": "1"}
        waiting = asyncio.ensure_future(client.call_tool("find_tokens", given))
        assert await asyncio.to_thread(held.asked_for.wait, 30)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.to_thread(held.until_cancelled)

    settings = WebSettings(address=Address(port=0))
    with (
        held_hits(labelled.lake.uri, monkeypatch) as held,
        WebServer(Lakes(held.server.target), settings, READING) as web,
    ):
        talk(f"{web.url}mcp", leave, mode=mode)
