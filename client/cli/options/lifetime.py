"""Options that say when a server is ready, and how it stops."""

from typing import Annotated

import typer

from saelake.store.service.lifetime import GRACE_S, Lifetime
from saelake.store.wire.address import Address

PANEL = "Its beginning and its end"


def lifetime_options(
    *,
    preload: Annotated[
        list[str] | None,
        typer.Option(
            help="A collection whose model is loaded before the server is ready; repeatable.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    health: Annotated[
        str | None,
        typer.Option(
            metavar="[HOST:]PORT",
            help="Where health alone is answered without TLS, for probes that speak none.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    drain_delay: Annotated[
        float,
        typer.Option(
            help="Seconds between saying that it stops and taking no more calls.",
            rich_help_panel=PANEL,
        ),
    ] = 0.0,
    grace: Annotated[
        float,
        typer.Option(
            help="Seconds for answers under way when it stops.",
            rich_help_panel=PANEL,
        ),
    ] = GRACE_S,
) -> Lifetime:
    """The beginning and the end of a server. Raises `InvalidInput`."""
    return Lifetime(
        preload=tuple(preload or ()),
        health=Address.parse(health) if health else None,
        drain_delay_s=drain_delay,
        grace_s=grace,
    )
