"""Calls whose message does not come, or half of it: they end, and hold nothing."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import saelake
from saelake.store.service.changes import Allowed
from saelake.store.service.lifetime import Lifetime
from saelake.store.service.limits import Limits
from saelake.store.service.reflection import NAME as REFLECTION
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from tests.lakes import make_lake
from tests.served import ALL
from tests.store.service.frames import is_over, opened, piece

IDLE_S = 0.5
TOO_LATE, OF_NOTHING = (
    b"grpc-status\x014",
    b"grpc-status\x013",
)  # DEADLINE_EXCEEDED, INVALID_ARGUMENT
METHODS = (
    "/saelake.v1.Lake/Info",
    "/saelake.v1.Lake/Version",
    "/saelake.v1.Lake/Codes",
    "/saelake.v1.Changes/Tag",
    "/saelake.v1.Changes/WatchJob",
    "/saelake.v1.Changes/Import",
    "/grpc.health.v1.Health/Check",
    "/grpc.health.v1.Health/Watch",
    f"/{REFLECTION}/ServerReflectionInfo",
)
HALVES = {
    "nothing": b"",
    "half of a head": piece(b"\0\0"),
    "half of a message": piece(b"\0\0\0\0\x0a" + b"half "),
}


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_lake(tmp_path_factory.mktemp("arriving") / "lake", n_documents=10).lake.uri


def server(uri: str, *, idle_s: float = IDLE_S) -> BackgroundServer:
    """One that has one place of each kind."""
    settings = ServerSettings(
        uri=uri,
        address=Address(port=0),
        allowed=Allowed(rights=ALL.rights),
        limits=Limits(idle_s=idle_s, answers=1, exports=1, changes=1, commands=1, wait_s=0.2),
    )
    return BackgroundServer(settings)


@pytest.fixture(scope="module")
def running(uri: str) -> Iterator[BackgroundServer]:
    with server(uri) as found:
        yield found


@contextmanager
def call(address: Address, sent: bytes) -> Iterator[socket.socket]:
    with socket.create_connection((address.host, address.port), timeout=20) as connection:
        connection.sendall(sent)
        yield connection


def answer(connection: socket.socket) -> bytes:
    """All that comes until the call has ended."""
    found = b""
    while not is_over(found):
        more = connection.recv(65_536)
        assert more
        found += more
    return found


@pytest.mark.parametrize("half", HALVES)
@pytest.mark.parametrize("method", METHODS)
def test_what_does_not_come_is_not_waited_for(
    running: BackgroundServer, method: str, half: str
) -> None:
    began = time.monotonic()
    with call(running.address, opened(method) + HALVES[half]) as connection:
        assert TOO_LATE in answer(connection)
    assert IDLE_S * 0.8 < time.monotonic() - began < IDLE_S + 10


def test_half_a_call_takes_no_place(uri: str) -> None:
    with server(uri, idle_s=30) as running:
        halves = opened(METHODS[0]) + HALVES["half of a message"]
        with call(running.address, halves), call(running.address, halves):
            time.sleep(0.3)
            with saelake.connect(running.target) as lake:
                assert lake.collections() == ["made/random"]


def test_a_call_that_is_closed_without_a_message_is_a_mistake(running: BackgroundServer) -> None:
    for method in ("/saelake.v1.Lake/Info", "/saelake.v1.Changes/Tag"):
        with call(running.address, opened(method) + piece(b"", is_last=True)) as connection:
            assert OF_NOTHING in answer(connection)


def test_a_call_that_is_never_closed_is_answered(running: BackgroundServer) -> None:
    with call(running.address, opened(METHODS[0]) + piece(b"\0\0\0\0\0")) as connection:
        found = answer(connection)
    assert b"made" in found
    assert b"grpc-status\x010" in found


def test_a_server_that_stops_waits_for_no_message(uri: str) -> None:
    with (
        server(uri, idle_s=60) as running,
        call(running.address, opened(METHODS[0])) as connection,
    ):
        time.sleep(0.3)
        began = time.monotonic()
        running.stop(grace_s=30)
        assert time.monotonic() - began < 10
        assert is_over(connection.recv(65_536))


def test_health_by_itself_waits_as_long(uri: str) -> None:
    settings = ServerSettings(
        uri=uri,
        address=Address(port=0),
        lifetime=Lifetime(health=Address(port=0)),
        limits=Limits(idle_s=IDLE_S),
    )
    with BackgroundServer(settings) as running:
        probed = Address(port=running._server.health_port)
        with call(probed, opened("/grpc.health.v1.Health/Check")) as connection:
            assert TOO_LATE in answer(connection)
        healthy = opened("/grpc.health.v1.Health/Check") + piece(b"\0\0\0\0\0", is_last=True)
        with call(probed, healthy) as connection:
            assert b"grpc-status\x010" in answer(connection)
