"""Options that say what a server tells of its calls."""

from typing import Annotated

import typer

from saelake.store.service.telemetry.settings import Layout, Level, LogSettings, Telemetry
from saelake.store.wire.address import Address

PANEL = "What it tells of itself"


def telemetry_options(
    *,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="[HOST:]PORT",
            help="Where Prometheus may ask; without a host only from this machine.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    traces: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="An OTLP collector for spans, as http://localhost:4317, "
            "or the variable OTEL_EXPORTER_OTLP_ENDPOINT.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    log_format: Annotated[
        Layout, typer.Option(help="How lines of the log look.", rich_help_panel=PANEL)
    ] = "text",
    log_level: Annotated[
        Level,
        typer.Option(
            help="From what on the log tells: debug has each call, info those that failed.",
            rich_help_panel=PANEL,
        ),
    ] = "info",
) -> Telemetry:
    """What a server tells, and where. Raises `InvalidInput`."""
    return Telemetry(
        metrics=Address.parse(metrics) if metrics else None,
        traces=traces,
        log=LogSettings(layout=log_format, level=log_level),
    )
