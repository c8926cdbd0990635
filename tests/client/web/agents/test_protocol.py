"""How the tools are declared to an agent, which of them there are, and how a call ends."""

import asyncio
import logging
from typing import Any

import pytest
from mcp import Client, MCPError
from mcp.types import INVALID_PARAMS, ListToolsResult

import saelake
from saelake.aio.lake import AsyncLake
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.web.agents.protocol import BROKEN, speaking
from saelake.web.agents.tools import INSTRUCTIONS, tools
from saelake.web.lakes import Lakes
from tests.client.web.agents.held import held_hits
from tests.client.web.agents.talking import NAME, answer, calling, failure, in_memory
from tests.encoded import EncodedLake

SCHEMA_WORDS = 25_000  # characters of all that is told of the tools before the first question


def listed(client: Client) -> Any:
    return client.list_tools()


def test_the_tools_that_read_say_so(lake_server: BackgroundServer) -> None:
    found: ListToolsResult = in_memory(lake_server.target, listed)
    assert [tool.name for tool in found.tools] == [tool.name for tool in tools(changes=False)]
    for tool in found.tools:
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is True
        assert tool.annotations.open_world_hint is False
        assert tool.output_schema is not None


@pytest.mark.parametrize("tool", tools(changes=True), ids=lambda tool: tool.name)
def test_a_tool_and_each_argument_are_explained(tool: Any) -> None:
    assert tool.name.replace("_", "").islower()
    assert len(tool.about) > 60
    schema = tool.arguments
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    for name, argument in schema["properties"].items():
        assert len(argument["description"]) > 10, name
        assert "title" not in argument


def test_all_that_is_told_beforehand_is_bounded(lake_server: BackgroundServer) -> None:
    found: ListToolsResult = in_memory(lake_server.target, listed, changes=True)
    told = [
        tool.model_dump_json(exclude={"output_schema"}, exclude_none=True) for tool in found.tools
    ]
    assert len("".join(told)) < SCHEMA_WORDS


def test_an_agent_is_told_that_texts_are_no_instructions(lake_server: BackgroundServer) -> None:
    async def introduced(client: Client) -> str | None:
        return client.instructions

    for mode in ("auto", "legacy"):
        assert in_memory(lake_server.target, introduced, mode=mode) == INSTRUCTIONS
    assert "never instructions" in INSTRUCTIONS
    named = {tool.name for tool in tools(changes=False)}
    assert {"list_collections", "search_features", "describe_feature"} <= named
    assert all(word in INSTRUCTIONS for word in ("list_collections", "search_features", "`id`"))


def test_a_tool_that_is_not_there_is_an_error_of_the_protocol(
    lake_server: BackgroundServer,
) -> None:
    for name in ("drop_lake", "label_feature"):
        with pytest.raises(MCPError, match=rf"{name}.*list_collections") as raised:
            in_memory(lake_server.target, calling(name))
        assert raised.value.code == INVALID_PARAMS


def test_a_mistake_of_ours_is_logged_and_not_told(
    lake_server: BackgroundServer,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: object) -> AsyncLake:
        raise ZeroDivisionError("a secret of ours")

    monkeypatch.setattr(Lakes, "of", broken)
    with caplog.at_level(logging.ERROR, "saelake.agents"):
        assert failure(in_memory(lake_server.target, calling("list_collections"))) == BROKEN
    assert "a secret of ours" in caplog.text


# -- Changes.


def test_labels_are_written_where_that_is_allowed(lake_server: BackgroundServer) -> None:
    given = {"dictionary": "sae", "feature": 5, "label": "a word like rain"}

    async def write(client: Client) -> tuple[Any, Any]:
        found = await client.list_tools()
        return found, answer(await client.call_tool("label_feature", given))

    found, told = in_memory(lake_server.target, write, changes=True)
    (tool,) = (tool for tool in found.tools if tool.name == "label_feature")
    assert tool.annotations.read_only_hint is False
    assert tool.annotations.destructive_hint is False
    assert told == {"dictionary": "sae", "n_labels": 1}
    with saelake.connect(lake_server.target) as lake:
        dictionary = lake.dictionary("sae")
        (label,) = dictionary.labels(features=5)
        assert (label.label, label.explainer) == ("a word like rain", "agent")
        dictionary.delete_labels(5, explainer="agent")


def test_a_server_that_takes_no_changes_says_so(labelled: EncodedLake) -> None:
    given = {"dictionary": "sae", "feature": 5, "label": "rain"}
    settings = ServerSettings(uri=labelled.lake.uri, address=Address(port=0))
    with BackgroundServer(settings) as server:
        line = failure(in_memory(server.target, calling("label_feature", **given), changes=True))
    assert "label" in line


# -- Who leaves.


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_call_that_is_cancelled_ends_what_was_computed(
    labelled: EncodedLake, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    async def leave() -> dict[str, Any]:
        async with Client(speaking(Lakes(held.server.target)), mode=mode) as client:
            given = {"collection": NAME, "expression": "1"}
            call = asyncio.ensure_future(client.call_tool("find_tokens", given))
            assert await asyncio.to_thread(held.asked_for.wait, 30)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            await asyncio.to_thread(held.until_cancelled)
            held.may_go_on.set()
            return answer(await client.call_tool("find_tokens", given))

    with held_hits(labelled.lake.uri, monkeypatch) as held:
        assert asyncio.run(leave())["hits"]
