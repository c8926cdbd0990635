"""Lines of the log: one a call, as text or JSON, and nothing in them commands a terminal."""

import json
import logging
import sys
from typing import Any

import pytest

from saelake.proto.v1.lake_pb2 import TokensRequest
from saelake.store.service.telemetry.call import Ended
from saelake.store.service.telemetry.logs import CallLog, JsonLines, TextLines

HOSTILE = "d\x1b[2J\u202e\nERROR forged line\u2028x\x9b"


def ended(**given: Any) -> Ended:
    known: dict[str, Any] = {
        "service": "saelake.v1.Lake",
        "method": "Tokens",
        "request_id": "an-id",
        "caller": "me",
        "peer": "ipv4:127.0.0.1:1",
        "message": TokensRequest(collection="a/b"),
        "code": "NOT_FOUND",
        "details": "There is none.",
        "n_bytes": 12,
        "began_ns": 0,
        "seconds": 0.0125,
        "metadata": {},
    }
    return Ended(**known | given)


def record_of(call: Ended, caplog: pytest.LogCaptureFixture) -> logging.LogRecord:
    with caplog.at_level(logging.DEBUG, "saelake"):
        CallLog().ends(call)
    return caplog.records[-1]


@pytest.mark.parametrize(
    ("code", "level"),
    [("OK", "DEBUG"), ("CANCELLED", "DEBUG"), ("NOT_FOUND", "INFO"), ("INTERNAL", "ERROR")],
)
def test_a_line_is_as_loud_as_who_is_at_fault(
    caplog: pytest.LogCaptureFixture, code: str, level: str
) -> None:
    assert record_of(ended(code=code), caplog).levelname == level


def test_a_line_of_text_says_who_asked_what_and_how_it_ended(
    caplog: pytest.LogCaptureFixture,
) -> None:
    line = TextLines().format(record_of(ended(), caplog))
    said = "Tokens of a/b: NOT_FOUND in 12.5 ms, for me: There is none."
    assert line.endswith(f"Z INFO saelake.calls [an-id] {said}")


def test_a_line_of_json_has_each_as_a_field(caplog: pytest.LogCaptureFixture) -> None:
    fields = json.loads(JsonLines().format(record_of(ended(), caplog)))
    assert fields.pop("time").endswith("Z")
    assert fields == {
        "level": "info",
        "logger": "saelake.calls",
        "message": "Tokens of a/b: NOT_FOUND in 12.5 ms, for me: There is none.",
        "request_id": "an-id",
        "method": "Tokens",
        "collection": "a/b",
        "code": "NOT_FOUND",
        "ms": 12.5,
        "bytes": 12,
        "caller": "me",
        "peer": "ipv4:127.0.0.1:1",
    }


@pytest.mark.parametrize("layout", [TextLines(), JsonLines()])
def test_what_others_wrote_is_one_line_of_plain_characters(
    caplog: pytest.LogCaptureFixture, layout: logging.Formatter
) -> None:
    message = TokensRequest(collection=HOSTILE)
    call = ended(caller=HOSTILE, message=message, details=HOSTILE)
    line = layout.format(record_of(call, caplog))
    assert len(line.splitlines()) == 1
    assert line.isprintable()


def test_what_was_not_read_is_of_no_collection() -> None:
    for none in (b"\xff", None, object()):
        assert ended(message=none).collection == ""


def test_a_caller_who_is_not_known_is_called_so(caplog: pytest.LogCaptureFixture) -> None:
    record = record_of(ended(caller=None, message=None), caplog)
    assert "ms, for unknown: " in TextLines().format(record)
    assert json.loads(JsonLines().format(record))["caller"] is None


@pytest.mark.parametrize("layout", [TextLines(), JsonLines()])
def test_where_an_error_came_from_cannot_pass_for_a_line(layout: logging.Formatter) -> None:
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "", 1, "failed", (), sys.exc_info())
    first, *rest = layout.format(record).split("\n")
    assert "failed" in first
    assert all(line.startswith("    ") for line in rest)
    assert all(line.isprintable() for line in (first, *rest))
    assert "forged" in "".join((first, *rest))
