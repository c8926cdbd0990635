"""The tools in the Model Context Protocol, by its official SDK."""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from mcp import MCPError, types
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server as Protocol

from saelake.answers.plain import as_json
from saelake.store.errors import SaelakeError
from saelake.store.format.visible import on_one_line
from saelake.store.wire.versions import own_version
from saelake.web.agents.tool import AgentTool
from saelake.web.agents.tools import INSTRUCTIONS, tools
from saelake.web.lakes import Lakes
from saelake.web.security import bearer_of

log = logging.getLogger("saelake.agents")

BROKEN = "The tool failed at this; the log of the program that serves it says more."

Asked: TypeAlias = ServerRequestContext[Lakes, Any]
Speaking: TypeAlias = Protocol[Lakes]


def speaking(lakes: Lakes, *, changes: bool = False) -> Speaking:
    """What speaks the protocol for a lake, which it lets go of when it ends.

    With `changes` there are tools that change the lake; who may use them is the server's to say.
    """
    offered = {tool.name: tool for tool in tools(changes=changes)}

    async def listed(_: Asked, __: types.PaginatedRequestParams | None) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[declared(tool) for tool in offered.values()])

    async def called(asked: Asked, given: types.CallToolRequestParams) -> types.CallToolResult:
        tool = offered.get(given.name)
        if tool is None:
            raise MCPError(types.INVALID_PARAMS, _unknown(given.name, list(offered)))
        return await _result(asked, tool, given.arguments or {})

    @asynccontextmanager
    async def living(_: Speaking) -> AsyncIterator[Lakes]:
        try:
            yield lakes
        finally:
            await lakes.close()

    return Protocol(
        "saelake",
        version=own_version(),
        title="saelake",
        instructions=INSTRUCTIONS,
        lifespan=living,
        get_tool_input_schema=lambda name: offered[name].arguments if name in offered else None,
        on_list_tools=listed,
        on_call_tool=called,
    )


def declared(tool: AgentTool) -> types.Tool:
    """A tool as the protocol lists it."""
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.about,
        input_schema=tool.arguments,
        output_schema=tool.schema,
        annotations=types.ToolAnnotations(
            title=tool.title,
            read_only_hint=not tool.changes,
            destructive_hint=False if tool.changes else None,
            idempotent_hint=True if tool.changes else None,
            open_world_hint=False,
        ),
    )


async def _result(asked: Asked, tool: AgentTool, given: Mapping[str, Any]) -> types.CallToolResult:
    """What a tool answers, or in one line why it does not, from which an agent can go on.

    An agent that does not wait any more ends the task, and with it what the server computes.
    """
    try:
        lake = await asked.lifespan_context.of(_token_of(asked))
        answer = await tool.call(lake, given)
    except SaelakeError as error:
        return _failed(error.message)
    except Exception:  # a mistake of ours, of which the SDK would tell the agent nothing
        log.exception("The tool %s failed.", tool.name)
        return _failed(BROKEN)
    return types.CallToolResult(content=[_text(as_json(answer))], structured_content=answer)


def _token_of(asked: Asked) -> str | None:
    """The token of this very call; over pipes there is none."""
    return None if asked.request is None else bearer_of(asked.request.headers)


def _failed(message: str) -> types.CallToolResult:
    return types.CallToolResult(content=[_text(on_one_line(message))], is_error=True)


def _text(text: str) -> types.TextContent:
    return types.TextContent(type="text", text=text)


def _unknown(name: str, offered: Sequence[str]) -> str:
    return f"There is no tool {name!a}; there are {', '.join(offered)}."
