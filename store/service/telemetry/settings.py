"""What of its calls a server tells, and where."""

from dataclasses import dataclass
from typing import Literal

from saelake.store.wire.address import Address

Layout = Literal["text", "json"]
Level = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """How lines of the log look, and from what level on there are any."""

    layout: Layout = "text"
    level: Level = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """`metrics`: where Prometheus asks. `traces`: the OTLP endpoint for spans.

    Without `traces` spans are sent where OpenTelemetry's variables say, or nowhere. `log` is what a
    process of its own is told; None leaves logging as it is.
    """

    metrics: Address | None = None
    traces: str | None = None
    log: LogSettings | None = None
