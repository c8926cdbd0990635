"""The tools over HTTP: one address, behind the guard of the page."""

from functools import partial

from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import ASGIApp

from saelake.web.agents.protocol import speaking
from saelake.web.lakes import Lakes
from saelake.web.security import Guard
from saelake.web.serving import Application
from saelake.web.settings import WebSettings

PATH = "/mcp"


def application_for(*, changes: bool) -> Application:
    """What makes the tools for an ASGI server; with `changes` also those that change the lake."""
    return partial(_guarded, changes=changes)


def _guarded(lakes: Lakes, settings: WebSettings, *, changes: bool) -> ASGIApp:
    # The SDK's own checks of Host and Origin know neither other names nor HTTPS, and let the pages
    # of every other port of this machine ask.
    unchecked = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    protocol = speaking(lakes, changes=changes)
    served = protocol.streamable_http_app(
        streamable_http_path=PATH,
        transport_security=unchecked,
        max_request_body_size=settings.body_bytes,
    )
    return Guard(served, settings=settings)
