"""Spans of calls as a collector gets them, in the trace of who asked."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.sdk.trace import TracerProvider

import saelake
from saelake.store.errors import NotFound
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.store.service.telemetry.settings import Telemetry
from saelake.store.wire.tracing import trace_headers
from tests.lakes import MadeLake, make_lake

NAME = "made/random"


@dataclass
class Collector(trace_service_pb2_grpc.TraceServiceServicer):  # type: ignore[misc]
    """A collector of spans, by OpenTelemetry's own contract."""

    spans: list[Any] = field(default_factory=list)
    services: set[str] = field(default_factory=set)

    def Export(self, request: Any, _: object) -> Any:  # noqa: N802
        for resource in request.resource_spans:
            self.services |= {
                each.value.string_value
                for each in resource.resource.attributes
                if each.key == "service.name"
            }
            for scope in resource.scope_spans:
                self.spans += scope.spans
        return trace_service_pb2.ExportTraceServiceResponse()


@pytest.fixture
def collector() -> Iterator[tuple[Collector, str]]:
    found = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(found, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield found, f"http://127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(tmp_path_factory.mktemp("traced") / "lake", n_documents=10)


def attributes(span: Any) -> dict[str, Any]:
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value")) for each in span.attributes
    }


def test_a_call_is_a_span_in_the_trace_of_who_asked(
    made: MadeLake, collector: tuple[Collector, str]
) -> None:
    found, endpoint = collector
    settings = ServerSettings(
        uri=made.lake.uri, address=Address(port=0), telemetry=Telemetry(traces=endpoint)
    )
    tracer = TracerProvider().get_tracer("asker")
    with BackgroundServer(settings) as running, saelake.connect(running.target) as lake:
        with tracer.start_as_current_span("asking") as asking:
            lake[NAME].tokens(3)
        with pytest.raises(NotFound):
            lake["no/where"].tokens(3)
        running.stop()
        running.stop()  # a second time does nothing
    mine, other = sorted(found.spans, key=lambda span: int(span.start_time_unix_nano))
    context = asking.get_span_context()
    assert mine.trace_id == context.trace_id.to_bytes(16, "big")
    assert mine.parent_span_id == context.span_id.to_bytes(8, "big")
    said = attributes(mine)
    assert said["saelake.answer_bytes"] > 100
    assert (said["rpc.method"], said["saelake.collection"]) == ("Tokens", NAME)
    assert said["rpc.response.status_code"] == "OK"
    assert mine.name == "saelake.v1.Lake/Tokens"
    assert mine.end_time_unix_nano > mine.start_time_unix_nano
    assert attributes(other)["rpc.response.status_code"] == "NOT_FOUND"
    assert not other.parent_span_id
    assert found.services == {"saelake"}


def test_nothing_is_sent_where_nothing_is_traced() -> None:
    assert trace_headers() == ()


def test_nothing_of_metrics_and_traces_is_loaded_where_they_are_off(
    made: MadeLake, tmp_path: Path
) -> None:
    script = f"""
import saelake, sys
from saelake.store.service.serve import *
with BackgroundServer(ServerSettings(uri={made.lake.uri!r}, address=Address(port=0))) as running:
    saelake.connect(running.target).info()
print([name for name in ("prometheus_client", "opentelemetry") if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
