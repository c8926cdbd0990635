"""The bar of who waits for an answer: on a terminal only, and only where that takes a while."""

import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from rich.console import Console

from saelake.cli.show import waiting
from saelake.proto.v1 import lake_pb2 as pb
from saelake.store.engine import Engine
from saelake.store.requests.waited.progress import Progress
from saelake.store.wire import frames
from saelake.store.wire.requests import SERVICE, message_type, to_request
from tests.client.cli.command import on_terminal, program
from tests.lakes import MadeLake, make_lake

NAME = "made/random"
ERASED = "\x1b[2K"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(tmp_path_factory.mktemp("waiting") / "lake", n_documents=60, seed=3)


@pytest.fixture(scope="module")
def address(made: MadeLake) -> Iterator[str]:
    """A server that takes its time for what it tells of."""
    engine = Engine(made.lake.uri)

    def answered(message: Any, context: grpc.ServicerContext) -> Iterator[pb.Frame]:
        if dict(context.invocation_metadata()).get("saelake-progress"):
            for done in range(4):
                said = pb.Progress(step=1, stage="counting [sheep]", done=done, total=3)
                yield pb.Frame(progress=said)
                time.sleep(0.4)
        for frame in frames.frames(engine.ask(to_request("Correlate", message))):
            yield pb.Frame(arrow=frame)

    handler = grpc.unary_stream_rpc_method_handler(
        answered,
        request_deserializer=message_type("Correlate").FromString,
        response_serializer=pb.Frame.SerializeToString,
    )
    server = grpc.server(ThreadPoolExecutor(4))
    methods = {"Correlate": handler}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def asking(*more: str) -> list[str]:
    return ["correlate", NAME, "--min-npmi", "-1", "--min-documents", "1", *more]


def test_a_bar_appears_on_a_terminal_and_leaves_nothing(address: str) -> None:
    code, shown = on_terminal(*asking("--server", address), columns=100)
    assert code == 0
    assert "counting [sheep]" in shown
    assert "3/3" in shown
    bar, _, table = shown.rpartition(ERASED)
    assert "counting" in bar
    assert "counting" not in table
    assert "npmi" in table.lower()


@pytest.mark.parametrize("format_", ["json", "csv"])
def test_programs_are_shown_no_bar(address: str, format_: str) -> None:
    code, shown = on_terminal(*asking("--server", address, "-f", format_))
    assert code == 0
    assert "counting" not in shown
    assert "\x1b" not in shown


def test_in_a_pipe_there_is_no_bar(address: str) -> None:
    ran = program(*asking("--server", address))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "counting" not in ran.stdout


@pytest.mark.parametrize(("delay_s", "appears"), [(60.0, False), (0.0, True)])
def test_what_is_answered_sooner_has_no_bar(
    monkeypatch: pytest.MonkeyPatch, delay_s: float, appears: bool
) -> None:
    screen = Console(file=io.StringIO(), force_terminal=True)
    monkeypatch.setattr(waiting, "err", screen)
    with waiting.AnswerBar(delay_s) as bar:
        for step, (done, total) in enumerate([(0, 3), (0, None), (2, 4)], 1):
            time.sleep(0.05)  # until the timer has rung
            bar(Progress(step=step, stage=f"stage {step}", done=done, total=total))
    assert isinstance(screen.file, io.StringIO)
    assert ("stage 3" in screen.file.getvalue()) == appears
    assert bool(screen.file.getvalue()) == appears
