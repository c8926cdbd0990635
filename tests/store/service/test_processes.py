"""Several processes that serve on one port."""

import gc
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.request import urlopen

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

import saelake
from saelake.store.errors import InvalidInput, SaelakeError
from saelake.store.service.lifetime import Lifetime
from saelake.store.service.limits import Limits
from saelake.store.service.ports import HeldPort
from saelake.store.service.processes import serve_all
from saelake.store.service.serve import Address, ServerSettings
from tests.lakes import MadeLake, make_lake
from tests.store.service.lanes.orders import is_alive

NAME = "made/random"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes share ports on Linux")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(tmp_path_factory.mktemp("several") / "lake", n_documents=20)


class Serving:
    """`saelake serve --processes 2`, as a process."""

    def __init__(self, uri: str, *options: str, port: int = 0, processes: int = 2) -> None:
        shared = ("--lake", uri, "--port", str(port), "--processes", str(processes))
        command = [sys.executable, "-m", "saelake", "serve", *shared, *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.address = self.told(r"--server (\S+)")
        self.target = f"grpc://{self.address}"

    def told(self, what: str) -> str:
        """What the next line says."""
        assert self.process.stderr is not None
        line = self.process.stderr.readline()
        said = re.search(what, line)
        assert said is not None, line
        return said[1]

    @property
    def servers(self) -> set[int]:
        """The processes that serve."""
        place = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return {int(pid) for pid in place.read_text().split() if is_alive(int(pid))}

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """How it ended, and what it said meanwhile."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said


@pytest.fixture
def serving(made: MadeLake) -> Iterator[Serving]:
    found = Serving(made.lake.uri, "--metrics", "0")
    yield found
    if found.process.poll() is None:
        found.stop(signal.SIGKILL)


def wait_for(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it never came to hold"
        time.sleep(0.05)


def asked(target: str, times: int) -> list[bool]:
    """Whether each of so many questions, over connections of their own, is answered."""
    answered = []
    for _ in range(times):
        with saelake.connect(target, timeout_s=20) as lake:
            try:
                answered.append(lake.collections() == [NAME])
            except SaelakeError:
                answered.append(False)
    return answered


def test_another_takes_the_place_of_one_that_dies(serving: Serving) -> None:
    first = serving.servers
    assert len(first) == 2
    assert all(asked(serving.target, 8))
    os.kill(min(first), signal.SIGKILL)
    wait_for(lambda: len(serving.servers) == 2 and serving.servers != first)
    wait_for(lambda: all(asked(serving.target, 8)))
    code, said = serving.stop()
    assert code == 0
    assert "A serving process ended (SIGKILL" in said


class Beginning(Serving):
    """The same, as soon as there are processes, of which none serves."""

    def __init__(self, uri: str, *options: str) -> None:
        options = ("--lake", uri, "--port", "0", "--processes", "2", *options)
        command = [sys.executable, "-m", "saelake", "serve", *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: len(self.servers) == 2)


def test_one_that_dies_while_it_starts_is_started_again(made: MadeLake) -> None:
    serving = Beginning(made.lake.uri)
    try:
        first = serving.servers
        os.kill(max(first), signal.SIGKILL)
        wait_for(lambda: len(serving.servers) == 2 and serving.servers != first)
        code, said = serving.stop()
    finally:
        serving.process.kill()
    assert code == 0
    assert "A serving process ended at once (SIGKILL" in said
    assert "Serving" in said


def test_a_server_stops_while_another_process_starts(serving: Serving) -> None:
    first = serving.servers
    os.kill(min(first), signal.SIGKILL)
    wait_for(lambda: bool(serving.servers - first))
    begun = serving.servers
    code, said = serving.stop()
    assert (code, "Traceback" in said) == (0, False)
    assert not any(map(is_alive, begun))


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_all_end_with_a_signal_to_the_first(serving: Serving, number: int) -> None:
    servers = serving.servers
    code, said = serving.stop(number)
    assert (code, said) == (0, "")
    assert not any(map(is_alive, servers))


def test_none_outlives_who_started_it(serving: Serving) -> None:
    servers = serving.servers
    serving.process.kill()
    serving.process.communicate()
    wait_for(lambda: not any(map(is_alive, servers)))


def test_a_port_that_is_another_s_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = Address(port=other.getsockname()[1])
        with pytest.raises(InvalidInput, match="Choose another --port"):
            HeldPort.take(address)
    held = HeldPort.take(Address(port=0))
    with closing(held), pytest.raises(InvalidInput, match="Choose another --port"):
        HeldPort.take(held.address)


def test_a_port_that_others_share_is_refused_and_nothing_of_it_is_kept() -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", 0))
        with pytest.raises(InvalidInput, match="Choose another --port"):
            HeldPort.take(Address(port=other.getsockname()[1]))
        gc.collect()  # a socket that is not closed is warned of, which is an error


@pytest.fixture
def lingering() -> Iterator[int]:
    """A port where nobody listens any more, and whose connections linger."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()  # who closes first is left with what lingers
            server.close()
            yield port


def test_a_port_where_connections_linger_is_taken(lingering: int) -> None:
    with socket.socket() as plainly:
        plainly.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with pytest.raises(OSError, match="in use"):
            plainly.bind(("127.0.0.1", lingering))
    with closing(HeldPort.take(Address(port=lingering))) as held:
        assert held.address.port == lingering
        with socket.socket() as sharing:
            sharing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sharing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sharing.bind(("127.0.0.1", lingering))
            sharing.listen()


def test_where_connections_linger_only_one_takes_the_port(lingering: int) -> None:
    address = Address(port=lingering)
    with (
        closing(HeldPort.take(address)),
        pytest.raises(InvalidInput, match="Choose another --port"),
    ):
        HeldPort.take(address)
    HeldPort.take(address).close()


@pytest.mark.parametrize("before", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_server_that_ended_is_begun_again_at_once_on_its_port(
    made: MadeLake, before: int
) -> None:
    first = Serving(made.lake.uri, processes=before)
    port = int(first.address.rpartition(":")[2])
    with saelake.connect(first.target) as lake:
        assert lake.collections() == [NAME]
        assert first.stop()[0] == 0
        again = Serving(made.lake.uri, port=port)
    try:
        assert all(asked(again.target, 2))
    finally:
        code, said = again.stop()
    assert (code, said) == (0, "")


def test_the_page_is_told_of_when_every_process_is_ready(made: MadeLake) -> None:
    serving = Serving(made.lake.uri, "--http", "0")
    try:
        page = serving.told(r"Its page is (\S+)\.")
        assert [health(serving.address) for _ in range(8)] == [1] * 8
        with urlopen(page) as answered:
            assert answered.status == 200
    finally:
        serving.stop()


def health(address: str) -> int:
    """What a process says of itself, over a connection of its own."""
    with grpc.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        said: int = check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=20).status
        return said


def test_what_hinders_one_from_being_ready_is_said_of_all(made: MadeLake) -> None:
    settings = ServerSettings(
        uri=made.lake.uri,
        address=Address(port=0),
        processes=2,
        lifetime=Lifetime(preload=("made/none",)),
    )
    with pytest.raises(saelake.NotFound, match="made/none"):
        serve_all(settings)


def test_what_hinders_one_is_said_of_all(tmp_path: Path) -> None:
    settings = ServerSettings(uri=str(tmp_path / "none"), address=Address(port=0), processes=2)
    with pytest.raises(saelake.NotFound, match="There is no lake"):
        serve_all(settings)


def test_no_processes_at_all_are_refused(made: MadeLake) -> None:
    with pytest.raises(InvalidInput, match="at least one process"):
        ServerSettings(uri=made.lake.uri, processes=0)


def test_limits_are_divided_among_processes() -> None:
    whole = Limits(answers=64, analyses=4, exports=1, threads=8)
    part = whole.divided(2)
    assert (part.answers, part.analyses, part.exports, part.threads) == (32, 2, 1, 8)
    assert part.answer_s == whole.answer_s
