"""Traces by OpenTelemetry: a span for each call, in the trace of who asked."""

import os
from collections.abc import Mapping

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import extract
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode

from saelake.store.format.visible import on_one_line
from saelake.store.service.telemetry.call import Ended

NS = 1_000_000_000


class Traces:
    """Sends spans to a collector by OTLP: to `endpoint`, or where OTEL_ variables say."""

    def __init__(self, endpoint: str = "") -> None:
        plain = endpoint.startswith("http://")
        exporter = OTLPSpanExporter(endpoint or None, insecure=True if plain else None)
        name = os.environ.get("OTEL_SERVICE_NAME", "saelake")
        self._provider = TracerProvider(resource=Resource.create({SERVICE_NAME: name}))
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("saelake")

    def begins(self, method: str) -> None:
        """See `Observer`; a span is made at its end."""

    def ends(self, call: Ended) -> None:
        """See `Observer`."""
        span = self._tracer.start_span(
            f"{call.service}/{call.method}",
            context=extract(_texts(call.metadata)),
            kind=SpanKind.SERVER,
            start_time=call.began_ns,
            attributes={
                "rpc.system": "grpc",
                "rpc.service": call.service,
                "rpc.method": call.method,
                "rpc.response.status_code": call.code,
                "saelake.collection": on_one_line(call.collection),
                "saelake.answer_bytes": call.n_bytes,
                "saelake.request_id": call.request_id,
                "saelake.caller": on_one_line(call.caller or "unknown"),
            },
        )
        if call.is_fault:
            span.set_status(Status(StatusCode.ERROR, call.code))
        span.end(call.began_ns + int(call.seconds * NS))

    def close(self) -> None:
        """Send what is not yet sent."""
        self._provider.shutdown()


def _texts(metadata: Mapping[str, str | bytes]) -> dict[str, str]:
    return {name: value for name, value in metadata.items() if isinstance(value, str)}
