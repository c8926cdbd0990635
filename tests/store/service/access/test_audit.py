"""What is noted of calls."""

import json
import logging
import re
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Event
from typing import Any

import grpc
import pyarrow as pa
import pytest

from saelake.store.errors import AccessDenied, InvalidInput, SaelakeError
from saelake.store.requests.checks import Selection
from saelake.store.requests.codes import CodesQuery
from saelake.store.requests.commands.command import Command
from saelake.store.requests.commands.documents import DeleteCommand, ImportCommand
from saelake.store.requests.commands.jobs import (
    CancelJobCommand,
    StartEmbedCommand,
    StartLabelCommand,
    StartProjectCommand,
)
from saelake.store.requests.commands.upkeep import CleanupCommand, RepairCommand
from saelake.store.requests.diff import DiffQuery
from saelake.store.service.access.audit import AuditLog
from saelake.store.service.access.protection import Access
from saelake.store.service.changes import Allowed
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.store.service.telemetry.logs import TextLines
from saelake.store.wire.commands import input_type, path_of, pieces
from saelake.store.wire.commands import to_message as command_message
from saelake.store.wire.requests import to_message
from tests.store.service.access.serving import (
    OPEN,
    QUESTIONS,
    SECRET,
    ask,
    called,
    connected,
    issue,
    server,
)
from tests.store.service.answering import answer_with
from tests.store.service.telemetry.test_logs import ended
from tests.store.service.test_load import wait_for

HOSTILE = '\x1b[2J\u202e\n{"caller": "root"}'


def lines(audit: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in audit.read_text().splitlines()]


def noted(audit: Path, n: int) -> list[dict[str, Any]]:
    """The lines, when there are so many: they are written as calls end."""
    wait_for(lambda: audit.exists() and len(lines(audit)) >= n)
    return lines(audit)


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def test_each_call_is_a_line(uri: str, tokens: Path, audit: Path) -> None:
    token = issue(tokens, "ana", "read", "made")
    sent = (("authorization", f"Bearer {token}"), ("x-request-id", "abc-1"))
    with server(uri, tokens=tokens, audit=audit) as running:
        lake = connected(running, token)
        assert lake[OPEN].tokens(1, where="label = 'pos'") is not None
        with pytest.raises(AccessDenied):
            lake[SECRET].tokens(1)
        with pytest.raises(AccessDenied):
            connected(running, "wrong wrong wrong").info()
        with pytest.raises(InvalidInput):
            lake[OPEN].tokens(1, where="label = ")
        called(running, "Info", metadata=sent)
        called(running, "Tokens", b"\xff", metadata=sent)
        found = noted(audit, 6)
    assert [row["status"] for row in found] == [
        "OK",
        "PERMISSION_DENIED",
        "UNAUTHENTICATED",
        "INVALID_ARGUMENT",
        "OK",
        "INVALID_ARGUMENT",
    ]
    assert [row["caller"] for row in found] == ["ana", "ana", None, "ana", "ana", "ana"]
    of = [row.get("of") for row in found]
    assert of == [[OPEN], [SECRET], None, [OPEN], ["made"], None]
    assert found[0]["method"] == "/saelake.v1.Lake/Tokens"
    assert found[0]["ms"] > 0
    assert found[0]["peer"].startswith("ipv4:127.0.0.1:")
    assert found[0]["time"].endswith("+00:00")
    assert [row["request_id"] for row in found][-2:] == ["abc-1", "abc-1"]
    assert stat.S_IMODE(audit.stat().st_mode) == 0o600
    assert token not in audit.read_text()
    assert "wrong wrong" not in audit.read_text()
    assert "pos" not in audit.read_text(), "questions are noted where that is asked for only"


def test_whole_questions_are_noted_where_that_is_asked_for(
    uri: str, tokens: Path, audit: Path
) -> None:
    token = issue(tokens)
    with server(uri, tokens=tokens, audit=audit, audit_questions=True) as running:
        lake = connected(running, token)
        asked = QUESTIONS["Diff"](OPEN)
        assert isinstance(asked, DiffQuery)
        assert ask(lake, asked) is not None
        with pytest.raises(SaelakeError):
            lake[OPEN].similar(HOSTILE)
        diff, similar = noted(audit, 2)
    assert diff["question"]["a"] == {"collection": OPEN, "where": None}
    assert similar["question"]["text"] == HOSTILE
    assert token not in audit.read_text()


def changed(
    running: BackgroundServer, token: str, command: Command, frames: Iterable[bytes] = ()
) -> str:
    """The id of a call that changes something, however it ends."""
    sent = (("authorization", f"Bearer {token}"),)
    with grpc.insecure_channel(str(running.address)) as channel:
        path = path_of(command.command)
        if command.has_rows:
            many = channel.stream_unary(path, lambda each: each.SerializeToString())
            call = many.future(pieces(command, frames), metadata=sent, timeout=20)
        else:
            message = command_message(input_type(command.command), command)
            one = channel.unary_unary(path)
            call = one.future(message.SerializeToString(), metadata=sent, timeout=20)
        call.exception()
        return str(dict(call.trailing_metadata())["x-request-id"])


@pytest.mark.parametrize("whole", [False, True])
def test_changes_are_noted_with_their_corpora_and_rights(
    uri: str, tokens: Path, audit: Path, whole: bool
) -> None:
    token = issue(tokens, "ana", "encode")
    commands: list[Command] = [
        DeleteCommand(corpus="made", where="label = 'pos'"),
        CleanupCommand(older_than_s=5.0),
        ImportCommand(corpus="made", source="pos.parquet"),
        CancelJobCommand(job="nightly"),
        StartEmbedCommand(corpus="made", model="pos-model", job="nightly"),
        StartLabelCommand(collection="made/random"),
        StartProjectCommand(collection="made/random", job="map"),
        RepairCommand(collection="made/random"),
        RepairCommand(),
    ]
    access = Access(tokens=tokens, audit=audit, audit_questions=whole)
    allowed = Allowed(rights=frozenset({"encode"}))
    settings = ServerSettings(uri=uri, address=Address(port=0), access=access, allowed=allowed)
    with BackgroundServer(settings) as running:
        ids = [changed(running, token, command, [b"no rows"]) for command in commands]
        found = noted(audit, len(commands))
    assert [row["method"].rpartition("/")[2] for row in found] == [c.command for c in commands]
    assert [row["right"] for row in found] == [
        *("admin", "admin", "encode", "encode"),
        *("encode", "encode", "encode", "admin", "admin"),
    ]
    made = ["made"]
    assert [row.get("of") for row in found] == [made, [], made, [], made, made, made, made, []]
    assert [row.get("job") for row in found] == [
        *(None, None, None, "nightly"),
        *("nightly", None, "map", None, None),
    ]
    assert [row["request_id"] for row in found] == ids
    assert [row["status"] for row in found] == [
        "PERMISSION_DENIED",
        "PERMISSION_DENIED",
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        *["INVALID_ARGUMENT"] * 3,  # nothing runs jobs here
        *["PERMISSION_DENIED"] * 2,
    ]
    if whole:
        assert found[0]["command"]["where"] == "label = 'pos'"
        assert found[1]["command"] == {"older_than_s": 5.0, "former_labels": False}
        assert found[2]["command"]["source"] == "pos.parquet"
    else:
        assert "pos" not in audit.read_text()


def test_the_id_that_a_server_gives_is_in_the_audit_and_in_the_log(
    uri: str, audit: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "saelake.calls"), server(uri, audit=audit) as running:
        call = called(running, "Tokens")
        (line,) = noted(audit, 1)
    (record,) = [record for record in caplog.records if record.name == "saelake.calls"]
    assert line["request_id"] == dict(call.trailing_metadata())["x-request-id"]
    assert line["request_id"] in TextLines().format(record)


def test_what_nobody_may_send_is_not_read(uri: str, tokens: Path, audit: Path) -> None:
    issue(tokens)
    message = to_message(QUESTIONS["Tokens"](OPEN)).SerializeToString()
    with server(uri, tokens=tokens, audit=audit) as running:
        called(running, "Tokens", message)
        (line,) = noted(audit, 1)
    assert (line["status"], line["caller"], "of" in line) == ("UNAUTHENTICATED", None, False)


def test_what_callers_send_commands_no_terminal_and_makes_no_line(
    uri: str, tokens: Path, audit: Path
) -> None:
    token = issue(tokens)
    with server(uri, tokens=tokens, audit=audit, audit_questions=True) as running:
        with pytest.raises(SaelakeError):
            connected(running, token)[f"{OPEN}{HOSTILE}"].tokens(1)
        sent = (("authorization", f"Bearer {token}"), ("x-request-id", "a" * 5000))
        called(running, "Info", metadata=sent)
        found = noted(audit, 1)
    raw = audit.read_text()
    assert raw.isascii()
    assert raw.replace("\n", "").isprintable()
    assert {row["caller"] for row in found} == {"ana"}
    assert re.fullmatch("[0-9a-f]{16}", found[-1]["request_id"]), "the server's own"


def test_calls_that_end_otherwise_are_noted_too(
    uri: str, audit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, over = Event(), Event()

    def slow(*_: object) -> pa.RecordBatchReader:
        asked.set()
        over.wait(20)
        raise ZeroDivisionError

    answer_with(monkeypatch, CodesQuery, slow)
    with (
        server(uri, audit=audit) as running,
        grpc.insecure_channel(str(running.address)) as channel,
    ):
        with pytest.raises(SaelakeError):
            ask(connected(running), QUESTIONS["Tokens"]("none/none"))
        message = to_message(QUESTIONS["Codes"](OPEN)).SerializeToString()
        method = channel.unary_stream("/saelake.v1.Lake/Codes")
        call = method(message, timeout=20)
        assert asked.wait(20)
        call.cancel()
        noted(audit, 2)
        over.set()
        assert called(running, "Codes", message).code() == grpc.StatusCode.INTERNAL
        found = noted(audit, 3)
    assert [row["status"] for row in found] == ["NOT_FOUND", "CANCELLED", "INTERNAL"]
    assert [row["of"] for row in found] == [["none/none"], [OPEN], [OPEN]]


def test_a_line_is_short_whatever_is_asked_of(uri: str, audit: Path) -> None:
    others = tuple(Selection(collection=f"{'x' * 5000}/{n}") for n in range(50))
    with server(uri, audit=audit) as running:
        with pytest.raises(SaelakeError):
            ask(connected(running), DiffQuery(a=Selection(collection=OPEN), others=others))
        noted(audit, 1)
    assert len(audit.read_text()) < 5000


@pytest.fixture
def written() -> Callable[[AuditLog, str], None]:
    def write(log: AuditLog, name: str) -> None:
        log.ends(ended(caller=name))

    return write


def test_a_file_that_is_moved_is_begun_anew(
    audit: Path, written: Callable[[AuditLog, str], None]
) -> None:
    log = AuditLog(audit)
    written(log, "a")
    audit.rename(audit.with_suffix(".1"))
    written(log, "b")
    written(log, "c")
    log.close()
    assert [row["caller"] for row in lines(audit.with_suffix(".1"))] == ["a"]
    assert [row["caller"] for row in lines(audit)] == ["b", "c"]


def test_a_file_that_is_there_is_appended_to(
    audit: Path, written: Callable[[AuditLog, str], None]
) -> None:
    for name in "ab":
        log = AuditLog(audit)
        written(log, name)
        log.close()
    assert [row["caller"] for row in lines(audit)] == ["a", "b"]


def test_a_file_that_cannot_be_opened_is_refused(uri: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="Cannot open the audit file"):
        server(uri, audit=tmp_path / "none" / "audit").__enter__()


def test_a_line_that_cannot_be_written_ends_no_call(
    uri: str, audit: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with server(uri, audit=audit) as running:
        audit.unlink()
        audit.mkdir()
        assert OPEN in connected(running).collections()
        wait_for(lambda: "could not be noted" in caplog.text)
