"""What is asked again and what is not, of a server that fails in the middle of its answers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

import saelake
from saelake import aio
from saelake.lake import Lake
from saelake.proto.v1 import lake_pb2 as pb
from saelake.store.engine import Engine
from saelake.store.errors import LimitExceeded, MissingExtra, SaelakeError, Unavailable
from saelake.store.reports import JobReport
from saelake.store.wire import commands, frames
from saelake.store.wire.errors import to_status
from saelake.store.wire.requests import SERVICE, message_type, to_request
from tests.lakes import MadeLake, make_lake
from tests.waiting import Waiting

NAME = "made/random"


class FailingServer:
    """Answers of an engine in small frames, of which the first calls give some and then fail."""

    def __init__(self, made: MadeLake, *failures: SaelakeError | None, after: int = 0) -> None:
        self._engine = Engine(made.lake.uri)
        self._failures = list(failures)
        self._after = after
        self.n_calls = 0

    def answer(self, method: str) -> Any:
        def answered(message: Any, context: grpc.ServicerContext) -> Iterator[pb.Frame]:
            self.n_calls += 1
            failure = self._failures.pop(0) if self._failures else None
            whole = b"".join(frames.frames(self._engine.ask(to_request(method, message))))
            cut = [whole[at : at + 100] for at in range(0, len(whole), 100)]
            if dict(context.invocation_metadata()).get("saelake-progress"):
                yield from told_frames()
            for number, piece in enumerate(cut):
                if failure is not None and number == self._after:
                    context.abort_with_status(to_status(failure))
                yield pb.Frame(arrow=piece)

        return grpc.unary_stream_rpc_method_handler(
            answered,
            request_deserializer=message_type(method).FromString,
            response_serializer=pb.Frame.SerializeToString,
        )

    @contextmanager
    def running(self) -> Iterator[str]:
        server = grpc.server(ThreadPoolExecutor(4))
        handlers = {method: self.answer(method) for method in ("Tokens", "Codes", "Info")}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"grpc://127.0.0.1:{port}"
        finally:
            server.stop(None).wait()


def told_frames() -> Iterator[pb.Frame]:
    """A stage that ends."""
    for done in range(3):
        yield pb.Frame(progress=pb.Progress(step=1, stage="counting", done=done, total=2))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(tmp_path_factory.mktemp("failing") / "lake", n_documents=60, seed=3)


@pytest.fixture(params=["waits", "awaited"])
def face(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextmanager
def connected(face: str, target: str, retries: int = 4) -> Iterator[Lake]:
    if face == "waits":
        lake = saelake.connect(target, retries=retries)
    else:
        transport = Waiting(aio.connect(target, retries=retries).transport)
        lake = Lake(target, transport, is_remote=True)
    with lake:
        yield lake


GONE = Unavailable("It goes away.")
BUSY = LimitExceeded("It is at work.", retry_after_s=0.05)


@pytest.mark.parametrize("failure", [GONE, BUSY], ids=["gone", "busy"])
@pytest.mark.parametrize("after", [0, 3])
def test_an_answer_that_fails_is_asked_for_again_and_given_out_once(
    made: MadeLake, face: str, failure: SaelakeError, after: int
) -> None:
    failing = FailingServer(made, failure, failure, after=after)
    with failing.running() as target, connected(face, target) as lake:
        found = lake[NAME].tokens(3, k=None)
    assert found == saelake.connect(made.lake.uri)[NAME].tokens(3, k=None)
    assert failing.n_calls == 3


def test_it_is_asked_again_only_so_often(made: MadeLake, face: str) -> None:
    failing = FailingServer(made, *[GONE] * 5)
    with failing.running() as target, connected(face, target, retries=2) as lake:
        with pytest.raises(Unavailable, match="goes away"):
            lake[NAME].tokens(3)
        assert failing.n_calls == 3
        with pytest.raises(Unavailable, match="goes away"):
            saelake.connect(target, retries=0)[NAME].tokens(3)
        assert failing.n_calls == 4


def test_an_export_is_begun_again_only_before_it_gave_anything_out(
    made: MadeLake, face: str
) -> None:
    failing = FailingServer(made, GONE)
    with failing.running() as target, connected(face, target) as lake:
        found = lake[NAME].codes().read_all()
    assert found.equals(saelake.connect(made.lake.uri)[NAME].codes().read_all())
    failing = FailingServer(made, GONE, after=30)
    with failing.running() as target, connected(face, target) as lake:
        with pytest.raises(SaelakeError, match="goes away"):
            lake[NAME].codes().read_all()
        assert failing.n_calls == 1


def test_what_a_server_refuses_for_good_is_not_asked_again(made: MadeLake, face: str) -> None:
    failing = FailingServer(made, LimitExceeded("It is too large."))
    with failing.running() as target, connected(face, target) as lake:
        with pytest.raises(LimitExceeded, match="too large"):
            lake[NAME].tokens(3)
        assert failing.n_calls == 1


def test_a_server_of_before_does_not_know_every_question(made: MadeLake, face: str) -> None:
    with FailingServer(made).running() as target, connected(face, target) as lake:
        for ask in (lake.version, lake[NAME].features):
            with pytest.raises(MissingExtra, match="is it saelake, and no older than this"):
                ask()


def test_a_job_is_watched_on_and_each_change_is_told_once() -> None:
    seen = [JobReport(id="j", corpus="c", n_documents=n) for n in range(4)]
    told = [[0, 1], [1], [1, 2], [2, 3]]  # by each call, of which the last alone ends well

    def watch(_: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        now = told.pop(0)
        for n in now:
            yield commands.to_message(commands.output_type("WatchJob"), seen[n])
        if told:
            context.abort_with_status(to_status(GONE))

    server = grpc.server(ThreadPoolExecutor(2))
    handler = grpc.unary_stream_rpc_method_handler(
        watch,
        request_deserializer=commands.input_type("WatchJob").FromString,
        response_serializer=commands.output_type("WatchJob").SerializeToString,
    )
    handlers = grpc.method_handlers_generic_handler(commands.CHANGES, {"WatchJob": handler})
    server.add_generic_rpc_handlers((handlers,))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with saelake.connect(f"grpc://127.0.0.1:{port}", retries=2) as lake:
        assert [job.n_documents for job in lake.watch_job("j")] == [0, 1, 2, 3]
    server.stop(None).wait()


def test_progress_is_no_part_of_an_answer_and_keeps_nobody_from_asking_again(
    made: MadeLake, face: str
) -> None:
    expected = saelake.connect(made.lake.uri)[NAME].codes().read_all()
    heard = list[saelake.Progress]()
    failing = FailingServer(made, GONE, GONE)  # once it has told, and before its first piece
    with (
        failing.running() as target,
        connected(face, target) as lake,
        saelake.progress(heard.append, every_s=0),
    ):
        assert lake[NAME].codes().read_all().equals(expected)
        assert lake[NAME].tokens(3).to_arrow().num_rows, "a quick question, which tells nothing"
    assert failing.n_calls == 4
    stage = [(done, 2) for done in range(3)]
    assert [(p.done, p.total) for p in heard] == 3 * stage
    assert [p.step for p in heard] == [1, 1, 1, 2, 2, 2, 3, 3, 3], "each time it is a new stage"


def test_half_of_an_export_is_not_begun_again_though_progress_was_told(
    made: MadeLake, face: str
) -> None:
    failing = FailingServer(made, GONE, after=2)
    with (
        failing.running() as target,
        connected(face, target) as lake,
        saelake.progress(lambda _: None),
        pytest.raises(Unavailable),
    ):
        lake[NAME].codes().read_all()
    assert failing.n_calls == 1
