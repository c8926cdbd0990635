"""A server that begins and stops: what it says of itself, and what becomes of answers under way."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import saelake
from saelake.store.engine import Engine
from saelake.store.errors import DeadlineExceeded, InvalidInput, SaelakeError, Unavailable
from saelake.store.service.lifetime import Lifetime
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from tests.client.cli.command import environment
from tests.lakes import MadeLake, make_lake

NAME = "made/random"
SERVING, NOT_SERVING = 1, 2
# The program, whose engine takes its time for tokens and for models.
SLOW = """
import sys, time
from saelake.cli.app import main
from saelake.store.service import serve
from saelake.store.engine import Engine
from saelake.store.requests.tokens import TokensQuery
ask, preload = Engine.ask, Engine.preload
def slow(engine, request, /, **given):
    if isinstance(request, TokensQuery):
        time.sleep(float(sys.argv[1]))
    return ask(engine, request, **given)
def loads_slowly(engine, name, /):
    time.sleep(float(sys.argv[1]))
    return preload(engine, name)
Engine.ask, Engine.preload = slow, loads_slowly
serve.rehearse = lambda engine: None
main(sys.argv[2:])
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(tmp_path_factory.mktemp("stopped") / "lake", n_documents=10)


@dataclass
class Served:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    address: str

    def health(self) -> int:
        with grpc.insecure_channel(self.address) as channel:
            check = health_pb2_grpc.HealthStub(channel).Check
            return int(check(health_pb2.HealthCheckRequest()).status)

    def becomes(self, status: int) -> None:
        until = time.monotonic() + 20
        while self.health() != status:
            assert time.monotonic() < until
            time.sleep(0.02)

    def ended(self) -> tuple[int, str]:
        """How it ended, and what it said at last."""
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


@contextmanager
def served(made: MadeLake, seconds: float, *options: str) -> Iterator[Served]:
    words = ["serve", "--lake", made.lake.uri, "--port", "0", *options]
    command = [sys.executable, "-c", SLOW, str(seconds), *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment()) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        try:
            yield Served(process, line.split(" on ")[1].split(". ")[0])
        finally:
            process.kill()


@dataclass
class Asker:
    """Asks again and again until the server has gone; knows what it was told, and when it asked."""

    lake: saelake.Lake
    answers: list[object] = field(default_factory=list)
    error: SaelakeError | None = None
    failed_at: float = 0.0

    def run(self) -> None:
        while self.error is None:
            began = time.monotonic()
            try:
                self.answers.append(self.lake[NAME].tokens(3))
            except SaelakeError as error:
                self.error, self.failed_at = error, began


def test_a_stop_under_load_loses_no_question_that_was_taken(made: MadeLake) -> None:
    expected = saelake.connect(made.lake.uri)[NAME].tokens(3)
    with served(made, 0.3, "--drain-delay", "1") as server:
        askers = [Asker(saelake.connect(f"grpc://{server.address}")) for _ in range(6)]
        threads = [threading.Thread(target=asker.run) for asker in askers]
        for thread in threads:
            thread.start()
        server.becomes(SERVING)
        time.sleep(1)
        stopped_at = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        server.becomes(NOT_SERVING)
        n_answers = sum(len(asker.answers) for asker in askers)
        for thread in threads:
            thread.join(30)
        assert server.ended() == (0, "")
    assert [type(asker.error) for asker in askers] == [Unavailable] * 6
    offsets = [asker.failed_at - stopped_at for asker in askers]
    assert min(offsets) > 0.9, f"all until then is answered: {offsets}"
    assert sum(len(asker.answers) for asker in askers) > n_answers, "it answers while it says so"
    assert all(answer == expected for asker in askers for answer in asker.answers)


def test_an_answer_that_takes_too_long_is_ended_and_so_is_the_process(made: MadeLake) -> None:
    with served(made, 600, "--grace", "0.3") as server:
        asker = Asker(saelake.connect(f"grpc://{server.address}", timeout_s=60, retries=0))
        asking = threading.Thread(target=asker.run)
        asking.start()
        time.sleep(1)
        server.process.send_signal(signal.SIGTERM)
        code, said = server.ended()
        asking.join(10)
    assert isinstance(asker.error, Unavailable)
    assert "has stopped and does not answer to the end" in asker.error.message
    assert code == 0
    assert "Traceback" not in said
    assert said.count("\n") == 1, "the line of the call that was ended"


def test_a_question_whose_caller_has_left_does_not_hold_the_process(made: MadeLake) -> None:
    with served(made, 600, "--grace", "0.3") as server:
        server.becomes(SERVING)
        asking = saelake.connect(f"grpc://{server.address}", timeout_s=1, retries=0)
        with pytest.raises(DeadlineExceeded):
            asking[NAME].tokens(3)
        server.process.send_signal(signal.SIGTERM)
        code, said = server.ended()
    assert code == 0
    assert "Traceback" not in said


def test_a_server_that_still_loads_a_model_stops_in_its_grace(made: MadeLake) -> None:
    with served(made, 600, "--preload", NAME, "--grace", "0.3") as server:
        assert server.health() == NOT_SERVING
        server.process.send_signal(signal.SIGTERM)
        assert server.ended() == (0, "")


def test_a_second_signal_ends_it_at_once(made: MadeLake) -> None:
    with served(made, 0, "--drain-delay", "600") as server:
        server.process.send_signal(signal.SIGTERM)
        server.becomes(NOT_SERVING)
        server.process.send_signal(signal.SIGTERM)
        assert server.ended() == (128 + signal.SIGTERM, "")


def test_a_server_is_healthy_when_it_is_warm(
    made: MadeLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm, goes_on = Engine.warm, threading.Event()

    def slow(engine: Engine) -> None:
        goes_on.wait(30)
        warm(engine)

    monkeypatch.setattr(Engine, "warm", slow)
    settings = ServerSettings(uri=made.lake.uri, address=Address(port=0))
    with BackgroundServer(settings, until_ready=False) as running:
        served = Served(None, str(running.address))  # type: ignore[arg-type]
        assert served.health() == NOT_SERVING
        with saelake.connect(running.target) as lake:
            assert lake.collections() == [NAME], "it answers already"
        goes_on.set()
        served.becomes(SERVING)


def test_a_model_that_cannot_be_preloaded_ends_the_start(made: MadeLake, tmp_path: Path) -> None:
    settings = ServerSettings(
        uri=made.lake.uri, address=Address(port=0), lifetime=Lifetime(preload=("no/collection",))
    )
    with pytest.raises(SaelakeError):
        BackgroundServer(settings).__enter__()
    with served(made, 0, "--preload", "no/collection") as server:
        code, said = server.ended()
        assert code == 1
        assert "no/collection" in said


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
def test_times_below_none_are_refused(seconds: float) -> None:
    with pytest.raises(InvalidInput, match="0 s or more"):
        Lifetime(grace_s=seconds)
    with pytest.raises(InvalidInput, match="0 s or more"):
        Lifetime(drain_delay_s=seconds)
