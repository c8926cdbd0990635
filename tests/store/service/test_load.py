"""A server under load: who takes a place among the answers, and when it is given back."""

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import grpc
import numpy as np
import pyarrow as pa
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import saelake
from saelake.lake import Lake
from saelake.store.errors import DeadlineExceeded, LimitExceeded
from saelake.store.requests.codes import CodesQuery
from saelake.store.requests.tokens import TokensQuery
from saelake.store.service.access.protection import Access
from saelake.store.service.limits import Limits
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from tests.lakes import MadeLake, make_lake
from tests.store.service.answering import answer_with

NAME = "made/random"
TOKEN = "a token of enough characters"


class Endless:
    """An export in place of the engine's, which counts what is asked of it until it is let go."""

    BATCH = pa.record_batch({"n": np.random.default_rng(0).integers(0, 2**60, 50_000)})

    def __init__(self) -> None:
        self.n_batches = 0
        self.has_ended = threading.Event()

    def __call__(self, *_: object) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(self.BATCH.schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        try:
            while True:
                self.n_batches += 1
                yield self.BATCH
        finally:
            self.has_ended.set()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(tmp_path_factory.mktemp("loaded") / "lake", n_documents=20)


@pytest.fixture
def no_collector() -> Iterator[None]:
    """What is let go must not wait for a garbage collection, which an idle server never has."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> Endless:
    export = Endless()
    answer_with(monkeypatch, CodesQuery, export)
    return export


def server(made: MadeLake, *, token: str | None = None, **limits: Any) -> BackgroundServer:
    settings = ServerSettings(
        uri=made.lake.uri,
        address=Address(port=0),
        access=Access(token=token),
        limits=Limits(**limits),
    )
    return BackgroundServer(settings)


def answers(lake: Lake) -> bool:
    """Whether the server has a place for an export."""
    with suppress(LimitExceeded):
        return bool(lake[NAME].codes().read_next_batch().num_rows)
    return False


def wait_for(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    """Return when it holds: a server notices a moment later what its client did."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.01)


def settled(count: Callable[[], int]) -> int:
    """The count when it has not changed for a while."""
    known = -1
    while known != (known := count()):
        time.sleep(0.3)
    return known


def test_a_full_server_refuses_questions_and_is_healthy(made: MadeLake, endless: Endless) -> None:
    with (
        server(made, exports=1, wait_s=0.1) as running,
        grpc.insecure_channel(str(running.address)) as channel,
    ):
        lake = saelake.connect(running.target)
        rows = lake[NAME].codes()
        with pytest.raises(LimitExceeded, match="work on 1 exports, of at most 1") as caught:
            lake[NAME].codes()
        assert caught.value.data == {"limit_places": "1", "retry_after_s": "1"}
        assert lake.collections() == [NAME], "short questions have places of their own"
        check = health_pb2_grpc.HealthStub(channel).Check
        assert check(health_pb2.HealthCheckRequest()).status == 1, "busy is not ill"
        del rows


def test_those_without_access_take_no_places(made: MadeLake) -> None:
    with (
        server(made, answers=1, token=TOKEN) as running,
        grpc.insecure_channel(str(running.address)) as channel,
    ):
        watch = health_pb2_grpc.HealthStub(channel).Watch
        watching = [watch(health_pb2.HealthCheckRequest()) for _ in range(3)]
        assert [next(stream).status for stream in watching] == [1, 1, 1]
        assert saelake.connect(running.target, token=TOKEN).collections() == [NAME]
        for stream in watching:
            stream.cancel()


def test_questions_that_failed_give_their_places_back(made: MadeLake) -> None:
    with server(made, answers=1, wait_s=0.1) as running:
        lake = saelake.connect(running.target)
        for _ in range(3):
            with pytest.raises(saelake.NotFound):
                lake[NAME].tokens(99)
            assert lake.collections() == [NAME]


@pytest.mark.usefixtures("no_collector")
def test_an_export_that_nobody_reads_ends_and_gives_its_place_back(
    made: MadeLake, endless: Endless
) -> None:
    with server(made, exports=1, wait_s=0.1) as running:
        lake = saelake.connect(running.target)
        rows = lake[NAME].codes()
        rows.read_next_batch()
        settled(lambda: endless.n_batches)  # the server waits for the client, not the client for it
        assert not answers(lake)
        del rows
        assert endless.has_ended.wait(10)
        wait_for(lambda: answers(lake))


@pytest.mark.usefixtures("no_collector")
def test_an_answer_ends_with_its_client_s_deadline(
    made: MadeLake, endless: Endless, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer_with(monkeypatch, TokensQuery, endless)
    with server(made, answer_bytes=1 << 40) as running, pytest.raises(DeadlineExceeded):
        saelake.connect(running.target, timeout_s=0.3)[NAME].tokens(3)
    assert endless.has_ended.wait(10)


@pytest.mark.usefixtures("no_collector")
def test_an_export_ends_at_the_server_s_deadline(made: MadeLake, endless: Endless) -> None:
    with server(made, export_s=0.3) as running:
        rows = saelake.connect(running.target)[NAME].codes()
        with pytest.raises(DeadlineExceeded):
            for _ in rows:
                pass
    assert endless.has_ended.wait(10)


def test_an_export_of_many_frames_is_whole(made: MadeLake, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = [Endless.BATCH.slice(begin) for begin in range(0, 50_000, 1000)]  # about 10 MB

    def export(*_: object) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(Endless.BATCH.schema, batches)

    answer_with(monkeypatch, CodesQuery, export)
    with server(made) as running:
        received: list[pa.Table | None] = [None, None]

        def ask(client: int) -> None:
            lake = saelake.connect(running.target)
            received[client] = lake[NAME].codes().read_all()

        clients = [threading.Thread(target=ask, args=(client,)) for client in (0, 1)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
    expected = pa.Table.from_batches(batches)
    assert all(table is not None and table.equals(expected) for table in received)
