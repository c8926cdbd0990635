"""How far answers are, on the wire: of who asks for it, a few times a second, from every lane."""

import time
from collections.abc import Iterator
from typing import Any

import grpc
import pyarrow as pa
import pytest

import saelake
from saelake.lake import Lake
from saelake.proto.v1 import lake_pb2 as pb
from saelake.store.errors import DeadlineExceeded
from saelake.store.requests.checks import Selection
from saelake.store.requests.correlate import CorrelateQuery
from saelake.store.requests.waited.progress import Progress
from saelake.store.service import rpc
from saelake.store.service.lanes.asking import Asking
from saelake.store.service.limits import Limits
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.store.wire.requests import to_message
from tests.lakes import MadeLake, make_lake
from tests.store.service.lanes.orders import FEW, MANY, Counting

NAME = "made/random"
QUERY = CorrelateQuery(a=Selection(collection=NAME), min_npmi=-1, min_documents=1)
Frames = list[tuple[float, Any]]  # each with when it came


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(tmp_path_factory.mktemp("progress") / "lake", n_documents=60)


@pytest.fixture(scope="module", params=["in threads", "apart"])
def server(request: pytest.FixtureRequest, made: MadeLake) -> Iterator[BackgroundServer]:
    apart = request.param == "apart"
    limits = Limits(analysis_s=20.0)
    settings = ServerSettings(
        uri=made.lake.uri, address=Address(port=0), apart=apart, limits=limits
    )
    with BackgroundServer(settings) as running:
        yield running


@pytest.fixture
def lake(server: BackgroundServer) -> Iterator[Lake]:
    with saelake.connect(server.target) as found:
        yield found


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Analyses are answered after a while in which they count."""

    def asking(request: Any, at: str | None) -> Asking:
        kind = Counting if isinstance(request, CorrelateQuery) else Asking
        return kind(request=request, at=at)

    monkeypatch.setattr(rpc, "Asking", asking)


def frames_of(server: BackgroundServer, *metadata: tuple[str, str]) -> Frames:
    with grpc.insecure_channel(str(server.address)) as channel:
        ask = channel.unary_stream(
            "/saelake.v1.Lake/Correlate",
            request_serializer=pb.CorrelateRequest.SerializeToString,
            response_deserializer=pb.Frame.FromString,
        )
        return [(time.monotonic(), f) for f in ask(to_message(QUERY), metadata=metadata)]


def arrow(frames: Frames) -> pa.Table:
    return pa.ipc.open_stream(b"".join(frame.arrow for _, frame in frames)).read_all()


@pytest.mark.usefixtures("counting")
def test_who_does_not_ask_for_it_is_told_nothing(server: BackgroundServer) -> None:
    frames = frames_of(server)
    assert frames
    assert not any(frame.HasField("progress") for _, frame in frames)
    assert not any(f.HasField("progress") for _, f in frames_of(server, ("saelake-progress", "0")))


@pytest.mark.usefixtures("counting")
def test_progress_comes_a_few_times_a_second_and_to_the_end(server: BackgroundServer) -> None:
    frames = frames_of(server, ("saelake-progress", "1"))
    told = [(at, frame.progress) for at, frame in frames if frame.HasField("progress")]
    assert all(not frame.arrow for _, frame in frames if frame.HasField("progress"))
    many = [(p.done, p.total) for _, p in told if p.stage == "many"]
    few = [(p.done, p.total) for _, p in told if p.stage == "few"]
    assert many[-1] == (MANY, MANY)
    assert many == sorted(set(many))
    assert 3 <= len(many) <= 0.004 * MANY / 0.25 * 4, "not each of so many pieces"
    assert few == sorted(set(few))
    assert few[-1] == (FEW, FEW)
    assert len(few) >= FEW, "each of those that take long, but for one that came at once"
    times = [at for at, _ in told]
    assert max(sum(at <= other < at + 1 for other in times) for at in times) <= 12
    assert arrow(frames).equals(arrow(frames_of(server)))


@pytest.mark.usefixtures("counting")
def test_a_client_that_listens_hears_it_and_is_answered_the_same(lake: Lake) -> None:
    heard = list[Progress]()
    expected = lake[NAME].correlate(min_npmi=-1, min_documents=1).to_arrow()
    with saelake.progress(heard.append):
        found = lake[NAME].correlate(min_npmi=-1, min_documents=1).to_arrow()
        lake[NAME].tokens(3)  # a quick question, which says nothing
    assert found.equals(expected)
    assert [p.done for p in heard if p.stage == "few"][-1] == FEW
    assert {p.stage for p in heard if p.step == 1} == {"many"}


@pytest.mark.usefixtures("counting")
def test_what_a_listener_raises_ends_the_call_and_the_server_answers_on(lake: Lake) -> None:
    def listen(told: Progress) -> None:
        raise KeyError(told.stage)

    with saelake.progress(listen), pytest.raises(KeyError, match="many"):
        lake[NAME].correlate()
    assert lake[NAME].tokens(3).to_arrow().num_rows > 0


def test_an_error_comes_as_it_does_without_progress(lake: Lake) -> None:
    with saelake.progress(print), pytest.raises(saelake.NotFound, match="99"):
        lake[NAME].correlate(features=[99])


def test_an_answer_that_takes_too_long_is_ended_while_it_tells(
    made: MadeLake, counting: None
) -> None:
    settings = ServerSettings(
        uri=made.lake.uri, address=Address(port=0), limits=Limits(analysis_s=1.0)
    )
    heard = list[Progress]()
    with BackgroundServer(settings) as running, saelake.connect(running.target) as lake:
        with saelake.progress(heard.append), pytest.raises(DeadlineExceeded, match="1 s"):
            lake[NAME].correlate()
        assert heard
        assert lake[NAME].tokens(3).to_arrow().num_rows > 0
