"""What every call has: an id, a proper end whoever is at fault, and a line in the log."""

import logging
import re
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import grpc
import pyarrow as pa
import pytest

import saelake
from saelake.proto.v1 import lake_pb2 as pb
from saelake.store.errors import SaelakeError, Unavailable
from saelake.store.requests.info import InfoQuery
from saelake.store.requests.tokens import TokensQuery
from saelake.store.service.changes import Allowed
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.store.service.telemetry.call import REQUEST_ID
from saelake.store.wire.commands import path_of
from tests.lakes import MadeLake, make_lake
from tests.store.service.answering import answer_with

NAME = "made/random"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(tmp_path_factory.mktemp("called") / "lake", n_documents=10)


@pytest.fixture(scope="module")
def running(made: MadeLake) -> Iterator[BackgroundServer]:
    settings = ServerSettings(uri=made.lake.uri, address=Address(port=0))
    with BackgroundServer(settings) as server:
        yield server


def call(
    server: BackgroundServer, method: str, sent: bytes, *metadata: tuple[str, str]
) -> grpc.Call:
    """A call that has ended, whatever it is of and however."""
    with grpc.insecure_channel(str(server.address)) as channel:
        ask = channel.unary_stream(f"/saelake.v1.Lake/{method}", lambda each: each)
        found = ask(sent, metadata=metadata)
        with suppress(grpc.RpcError):
            list(found)
        found.trailing_metadata()
        return found


def id_of(found: grpc.Call) -> str:
    return str(dict(found.trailing_metadata())[REQUEST_ID])


def faults(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    """What was logged above info, at which a log may be by another test."""
    return [record for record in caplog.records if record.levelno > logging.INFO]


def of_calls(caplog: pytest.LogCaptureFixture, n: int) -> list[logging.LogRecord]:
    """The first lines about calls; each comes a moment after its caller knows."""
    until = time.monotonic() + 10
    while True:
        found = [record for record in caplog.records if record.name == "saelake.calls"]
        if len(found) >= n:
            return found
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_call_has_the_id_that_its_caller_gave(running: BackgroundServer) -> None:
    found = call(running, "Info", b"", (REQUEST_ID, "mine-1.2:3_4"))
    assert (found.code(), id_of(found)) == (grpc.StatusCode.OK, "mine-1.2:3_4")
    found = call(running, "Tokens", b"", (REQUEST_ID, "mine"))
    assert (found.code(), id_of(found)) == (grpc.StatusCode.INVALID_ARGUMENT, "mine")


@pytest.mark.parametrize("given", ["", "two words", "x" * 65, "a[2Jb", "a;b", "a/b"])
def test_an_id_that_is_not_sane_is_replaced(running: BackgroundServer, given: str) -> None:
    found = call(running, "Info", b"", (REQUEST_ID, given))
    assert re.fullmatch("[0-9a-f]{16}", id_of(found))


def test_each_call_without_an_id_is_given_one_of_its_own(running: BackgroundServer) -> None:
    assert len({id_of(call(running, "Info", b"")) for _ in range(5)}) == 5


@pytest.mark.parametrize("sent", [b"\xff\xff\xff", b"\x0a\x02\xff\xfe", b"\x00" * 20, b"\x0a\x7f"])
def test_bytes_that_are_no_message_are_the_callers_mistake(
    running: BackgroundServer, sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    found = call(running, "Tokens", sent)
    assert found.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "message" in found.details()
    assert "Traceback" not in caplog.text
    assert faults(caplog) == []


WHERES = [
    "1/0 = 1",
    "length / 0 = 1",
    "length % 0 = 1",
    "length + 9223372036854775807 > 0",
    "length * 9223372036854775807 > 0",
    "cast(label as int) = 3",
    "cast(id as timestamp) > 3",
    "regexp_like(id, '(')",
    "substr(id, -1, -5) = 'x'",
    "length = 99999999999999999999",
    "cast(length as tinyint) = 3",
    "label = '\ufffd'",
    "\x1b[2J",
    "label = \x00",
]


@pytest.mark.parametrize("where", WHERES)
def test_filters_that_fail_are_the_callers_mistake(
    running: BackgroundServer, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    sent = pb.TokensRequest(collection=NAME, expression="3", where=where).SerializeToString()
    found = call(running, "Tokens", sent)
    assert found.code() in (grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT)
    assert faults(caplog) == [], "no traceback, and nothing that the server failed at"


def test_a_defect_names_the_id_under_which_the_log_says_more(
    running: BackgroundServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(*_: object) -> pa.RecordBatchReader:
        raise ZeroDivisionError("a secret of the server")

    answer_with(monkeypatch, InfoQuery, failing)
    found = call(running, "Info", b"", (REQUEST_ID, "look-for-me"))
    assert found.code() == grpc.StatusCode.INTERNAL
    assert "its log says more, under look-for-me" in found.details()
    assert "secret" not in found.details()
    assert "a secret of the server" in caplog.text
    (ended,) = of_calls(caplog, 1)
    assert (ended.levelname, ended.saelake["request_id"]) == (  # type: ignore[attr-defined]
        "ERROR",
        "look-for-me",
    )


def test_a_failed_call_is_a_line_and_another_only_where_all_is_wanted(
    running: BackgroundServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "saelake"):
        call(running, "Info", b"")
        assert caplog.records == []
        call(running, "Tokens", pb.TokensRequest(collection="no/where").SerializeToString())
        (line,) = of_calls(caplog, 1)
    assert line.getMessage().startswith("Tokens of no/where: ")
    with caplog.at_level(logging.DEBUG, "saelake"):
        call(running, "Info", b"")
        assert of_calls(caplog, 2)[1].getMessage().startswith("Info: OK in ")


def test_calls_that_have_no_more_time_are_told_so(
    made: MadeLake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked, goes_on = threading.Event(), threading.Event()

    def slow(*_: object) -> pa.RecordBatchReader:
        asked.set()
        goes_on.wait(30)
        return pa.table({"n": [1]}).to_reader()

    answer_with(monkeypatch, TokensQuery, slow)
    errors: list[SaelakeError] = []
    settings = ServerSettings(uri=made.lake.uri, address=Address(port=0))
    with BackgroundServer(settings) as server, saelake.connect(server.target, retries=0) as lake:

        def ask() -> None:
            try:
                lake[NAME].tokens(3)
            except SaelakeError as error:
                errors.append(error)

        asking = threading.Thread(target=ask)
        asking.start()
        assert asked.wait(10)
        server.stop(grace_s=0.1)
        asking.join(10)
        goes_on.set()
    (error,) = errors
    assert isinstance(error, Unavailable)
    assert "has stopped" in error.message
    assert "Traceback" not in caplog.text


def test_a_stream_of_bytes_that_are_no_message_is_the_callers_mistake(
    made: MadeLake, caplog: pytest.LogCaptureFixture
) -> None:
    settings = ServerSettings(
        uri=made.lake.uri,
        address=Address(port=0),
        allowed=Allowed(rights=frozenset({"encode"})),
    )
    with (
        BackgroundServer(settings) as server,
        grpc.insecure_channel(str(server.address)) as channel,
        pytest.raises(grpc.RpcError) as refused,
    ):
        channel.stream_unary(path_of("Import"))(iter([b"\xff\xff"]), timeout=20)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert faults(caplog) == []
