"""Agents as tests play them: with the SDK's own client."""

import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult

from saelake.web.agents.protocol import speaking
from saelake.web.lakes import Lakes
from tests.client.cli.command import asked

NAME = "words/sae"

Talk = Callable[[Client], Coroutine[Any, Any, Any]]


def talk(server: Any, work: Talk, **given: Any) -> Any:
    """What comes of a talk of the SDK's client with a server."""
    return asyncio.run(talked(lambda: server, work, **given))


def in_memory(target: str, work: Talk, *, changes: bool = False, **given: Any) -> Any:
    """A talk about the lake of a server, without a transport."""
    return asyncio.run(talked(lambda: speaking(Lakes(target), changes=changes), work, **given))


async def talked(server: Callable[[], Any], work: Talk, **given: Any) -> Any:
    """The talk's result; what it raises is raised as it is, and not as a group of one."""
    async with Client(server(), **given) as client:
        talking = asyncio.ensure_future(work(client))
        await asyncio.wait((talking,), timeout=120)
    return talking.result()


def program(*arguments: str) -> StdioServerParameters:
    """The command, as a host of agents starts it."""
    found = {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "PYTHONWARNINGS": "error"}
    return StdioServerParameters(
        command=sys.executable, args=["-m", "saelake", "mcp", *arguments], env=found
    )


def calling(name: str, **given: Any) -> Talk:
    """A talk of one call."""
    return lambda client: client.call_tool(name, given)


def said(result: CallToolResult) -> str:
    """The text that a model is shown."""
    (text,) = result.content
    assert text.type == "text"
    return text.text


def answer(result: CallToolResult) -> dict[str, Any]:
    """The values that an agent's program gets, which are those that the model is shown."""
    assert not result.is_error, said(result)
    found: dict[str, Any] = result.structured_content
    assert json.loads(said(result)) == found
    return found


def failure(result: CallToolResult) -> str:
    """The one line that says what is wrong."""
    assert result.is_error
    assert result.structured_content is None
    assert "\n" not in said(result)
    return said(result)


def printed(uri: str, *arguments: str) -> Any:
    """The document that the command line prints."""
    return json.loads(asked(*arguments, "--lake", uri, "--format", "json"))
