"""What is noted of calls."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import grpc
import pyarrow as pa
import pytest

from saelake.store.errors import AccessDenied, InvalidInput, SaelakeError
from saelake.store.requests.checks import Selection
from saelake.store.requests.codes import CodesQuery
from saelake.store.requests.diff import DiffQuery
from saelake.store.requests.request import Request
from saelake.store.service.access.audit import AuditLog
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
    assert [row.get("request_id") for row in found][-2:] == ["abc-1", "abc-1"]
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
    assert len(found[-1]["request_id"]) == 100


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
def written(audit: Path) -> Callable[[AuditLog, str], None]:
    def write(log: AuditLog, name: str, request: Request | None = None) -> None:
        log.write({"caller": name}, request)

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
