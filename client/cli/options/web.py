"""Options that say where a server shows its page and answers over HTTP."""

from typing import TYPE_CHECKING, Annotated

import typer

from saelake.store.errors import InvalidInput, extra
from saelake.store.wire.address import Address

if TYPE_CHECKING:
    from saelake.web.serving import WebDoor

PANEL = "In a browser"


def web_options(
    *,
    http: Annotated[
        str | None,
        typer.Option(
            metavar="[HOST:]PORT",
            help="Where a page is shown, and questions are answered over HTTP (HTTPS with --cert); "
            "without a host only on this machine.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    http_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A name by which browsers may call it, as that of a proxy. May be repeated.",
            rich_help_panel=PANEL,
        ),
    ] = None,
) -> "WebDoor | None":
    """The page beside a server, if one is wanted. Raises `InvalidInput`."""
    if http is None:
        if http_host:
            raise InvalidInput("--http-host is a name of the page: give --http too.")
        return None
    with extra("web", "The page"):
        from saelake.web.serving import WebDoor
    return WebDoor(address=Address.parse(http), hosts=tuple(http_host or ()))
