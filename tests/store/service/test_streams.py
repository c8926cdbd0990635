"""Answers as they flow: no faster than they are read, and ended when nobody wants them."""

import gc
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pyarrow as pa
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import saelake
from saelake.store.engine import Engine
from saelake.store.errors import DeadlineExceeded, SaelakeError, Unavailable
from saelake.store.requests.codes import CodesQuery
from saelake.store.requests.request import Request
from saelake.store.requests.verify import VerifyQuery
from saelake.store.service.limits import Limits
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from tests.lakes import MadeLake, make_lake
from tests.store.service.answering import answer_with

NAME = "made/random"
BATCH = pa.record_batch({"n": np.random.default_rng(0).integers(0, 2**60, 1 << 16)})  # 512 KiB
N_BATCHES = 2000  # 1 GB in all: far more than any buffer on the way


class Source:
    """An export without an end in sight, which knows how far it has run and whether it ended."""

    def __init__(self) -> None:
        self.made = 0
        self.ended = threading.Event()

    def export(self, *_: object) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(BATCH.schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        try:
            for _ in range(N_BATCHES):
                self.made += 1
                yield BATCH
        finally:
            self.ended.set()

    def settled(self) -> int:
        """How many batches were made when no more are being made."""
        before = -1
        while before != self.made:
            before = self.made
            time.sleep(0.3)
        return before


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Source:
    made = Source()
    answer_with(monkeypatch, CodesQuery, made.export)
    return made


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    made: MadeLake = make_lake(tmp_path_factory.mktemp("streams") / "lake", n_documents=10)
    return made.lake.uri


def server(uri: str, limits: Limits | None = None) -> BackgroundServer:
    return BackgroundServer(
        ServerSettings(uri=uri, address=Address(port=0), limits=limits or Limits())
    )


def test_an_export_that_is_not_read_is_not_made(uri: str, source: Source) -> None:
    with server(uri) as running, saelake.connect(running.target) as lake:
        rows = lake[NAME].codes()
        rows.read_next_batch()
        waiting = source.settled()
        assert waiting * BATCH.nbytes < 32 << 20
        for _ in range(200):
            rows.read_next_batch()
        assert waiting < source.settled() < 200 + 2 * waiting + 64
        assert not source.ended.is_set()


def ends(source: Source, seconds: float = 30.0) -> bool:
    """Whether the computing ends; an error may keep it until the next collection."""
    until = time.monotonic() + seconds
    while not source.ended.wait(0.2) and time.monotonic() < until:
        gc.collect()
    return source.ended.is_set() and source.made < N_BATCHES


def test_an_export_whose_client_goes_away_ends(
    uri: str, source: Source, caplog: pytest.LogCaptureFixture
) -> None:
    with server(uri, Limits(answers=1)) as running:
        lake = saelake.connect(running.target)
        rows = lake[NAME].codes()
        rows.read_next_batch()
        lake.close()
        assert ends(source)
        with pytest.raises(SaelakeError):
            rows.read_all()
        with saelake.connect(running.target) as again:
            assert again.collections() == [NAME], "the only place among the answers is free again"
    assert caplog.records == [], "a client that leaves is no failure of the server"


def test_a_server_that_stops_in_the_middle_is_unavailable(uri: str, source: Source) -> None:
    with server(uri) as running, saelake.connect(running.target) as lake:
        rows = lake[NAME].codes()
        rows.read_next_batch()
        running.stop(grace_s=0.1)
        with pytest.raises(Unavailable, match="does not answer"):
            rows.read_all()
        assert ends(source)
        running.stop()  # a second time does nothing


def test_an_export_that_takes_too_long_ends_however_slowly_it_is_read(
    uri: str, source: Source
) -> None:
    with server(uri, Limits(export_s=0.3)) as running, saelake.connect(running.target) as lake:
        rows = lake[NAME].codes()
        rows.read_next_batch()
        time.sleep(0.6)
        with pytest.raises(DeadlineExceeded, match=r"0\.3 s that this server allows"):
            rows.read_all()
        assert ends(source)


def test_a_file_is_not_left_when_the_server_stops_in_the_middle(
    uri: str, source: Source, tmp_path: Path
) -> None:
    with server(uri) as running, saelake.connect(running.target) as lake:

        def stop(_: int) -> None:
            running.stop(grace_s=0.1)

        with pytest.raises(Unavailable):
            lake[NAME].export_codes(tmp_path / "codes.parquet", on_progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_probes_may_watch_a_server_stop(uri: str) -> None:
    with server(uri) as running, grpc.insecure_channel(str(running.address)) as channel:
        watch: Callable[..., Iterator[health_pb2.HealthCheckResponse]] = health_pb2_grpc.HealthStub(
            channel
        ).Watch
        states = watch(health_pb2.HealthCheckRequest(service="saelake.v1.Lake"), timeout=10)
        assert next(states).status == health_pb2.HealthCheckResponse.SERVING
        stopping = threading.Thread(target=running.stop, kwargs={"grace_s": 0.5})
        stopping.start()
        assert next(states).status == health_pb2.HealthCheckResponse.NOT_SERVING
        stopping.join()


@pytest.mark.slow
def test_a_long_silence_does_not_end_a_connection(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients ping once a minute, and grpc by itself hangs up at the third ping without data."""
    ask = Engine.ask

    def slow(engine: Engine, request: Request) -> pa.RecordBatchReader:
        time.sleep(210)
        return ask(engine, request)

    answer_with(monkeypatch, VerifyQuery, slow)
    with server(uri) as running, saelake.connect(running.target) as lake:
        assert lake.verify().ok
