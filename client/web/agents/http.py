"""The tools over HTTP, at one address: by themselves behind the guard, or beside the page."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial

from mcp.server.streamable_http_manager import (
    StreamableHTTPASGIApp,
    StreamableHTTPSessionManager,
)
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import ASGIApp

from saelake.web.agents.protocol import Speaking, speaking
from saelake.web.lakes import Lakes
from saelake.web.security import Guard
from saelake.web.settings import WebSettings

PATH = "/mcp"
# Not GET, by which a client waits for what a server says by itself: these tools say nothing, and a
# server that stops would wait for whoever waits there.
METHODS = ("POST", "DELETE")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRoutes:
    """The tools as a part of an application, which enters `running` for as long as it lives."""

    routes: tuple[Route, ...]
    running: Callable[[], AbstractAsyncContextManager[None]]


def routes_for(lakes: Lakes, settings: WebSettings) -> ToolRoutes:
    """The tools that read, for an application that has a guard."""
    return _routes(speaking(lakes), settings)


def application_for(*, changes: bool) -> Callable[[Lakes, WebSettings], ASGIApp]:
    """What makes the tools for an ASGI server; with `changes` also those that change the lake."""
    return partial(_guarded, changes=changes)


def _guarded(lakes: Lakes, settings: WebSettings, *, changes: bool) -> ASGIApp:
    tools = _routes(speaking(lakes, changes=changes), settings)
    served = Starlette(routes=tools.routes, lifespan=lambda _: tools.running())
    return Guard(served, settings=settings)


def _routes(protocol: Speaking, settings: WebSettings) -> ToolRoutes:
    # The SDK's own checks of Host and Origin know neither other names nor HTTPS, and let the pages
    # of every other port of this machine ask: the guard is stricter.
    manager = StreamableHTTPSessionManager(
        protocol,
        security_settings=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        max_request_body_size=settings.body_bytes,
    )
    route = Route(PATH, endpoint=StreamableHTTPASGIApp(manager), methods=METHODS)
    return ToolRoutes(routes=(route,), running=manager.run)
