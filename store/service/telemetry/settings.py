"""What of its calls a server tells, and where."""

from dataclasses import dataclass

from saelake.store.wire.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Telemetry:
    """`metrics`: where Prometheus asks. `traces`: the OTLP endpoint for spans.

    Without `traces` spans are sent where OpenTelemetry's variables say, or nowhere.
    """

    metrics: Address | None = None
    traces: str | None = None
