"""The tools over HTTP, at one address: by themselves behind the guard, or beside the page."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial

from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from saelake.web.agents.protocol import Speaking, speaking
from saelake.web.lakes import Lakes
from saelake.web.security import Guard
from saelake.web.settings import WebSettings

PATH = "/mcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRoutes:
    """The tools as a part of an application, which enters `running` for as long as it lives."""

    routes: tuple[BaseRoute, ...]
    running: Callable[[], AbstractAsyncContextManager[None]]


def routes_for(lakes: Lakes, settings: WebSettings) -> ToolRoutes:
    """The tools that read, for an application that has a guard."""
    protocol = speaking(lakes)
    served = _served(protocol, settings)
    return ToolRoutes(routes=tuple(served.routes), running=protocol.session_manager.run)


def application_for(*, changes: bool) -> Callable[[Lakes, WebSettings], ASGIApp]:
    """What makes the tools for an ASGI server; with `changes` also those that change the lake."""
    return partial(_guarded, changes=changes)


def _guarded(lakes: Lakes, settings: WebSettings, *, changes: bool) -> ASGIApp:
    return Guard(_served(speaking(lakes, changes=changes), settings), settings=settings)


def _served(protocol: Speaking, settings: WebSettings) -> Starlette:
    # The SDK's own checks of Host and Origin know neither other names nor HTTPS, and let the pages
    # of every other port of this machine ask: the guard is stricter.
    unchecked = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    return protocol.streamable_http_app(
        streamable_http_path=PATH,
        transport_security=unchecked,
        max_request_body_size=settings.body_bytes,
    )
