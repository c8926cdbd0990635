"""Logs: a line for each call that failed, as text or as JSON, with nothing raw in it."""

import json
import logging
import time
from typing import Any

from saelake.store.format.visible import escaped, on_one_line
from saelake.store.service.telemetry.call import Ended, request_id
from saelake.store.service.telemetry.settings import LogSettings

CALLS = logging.getLogger("saelake.calls")
FIELDS = "saelake"  # where a record has the fields of a call


class CallLog:
    """Writes a line for a call: of one that failed always, of any other where all is wanted."""

    def begins(self, method: str) -> None:
        """Nothing is said before the end."""

    def ends(self, call: Ended) -> None:
        """Write the line."""
        level = _level(call)
        if CALLS.isEnabledFor(level):
            fields = _fields(call)
            CALLS.log(level, "%s", _said(call, fields["collection"]), extra={FIELDS: fields})

    def close(self) -> None:
        """Nothing is kept."""


def _level(call: Ended) -> int:
    if call.is_fault:
        return logging.ERROR
    return logging.DEBUG if call.code in ("OK", "CANCELLED") else logging.INFO


def _said(call: Ended, collection: str) -> str:
    named = f"{call.method} of {collection}" if collection else call.method
    ended = f"{named}: {call.code} in {call.seconds * 1000:.1f} ms, for {call.caller or 'unknown'}"
    return f"{ended}: {call.details}" if call.details else ended


def _fields(call: Ended) -> dict[str, Any]:
    return {
        "method": call.method,
        "collection": call.collection,
        "code": call.code,
        "ms": round(call.seconds * 1000, 3),
        "bytes": call.n_bytes,
        "caller": call.caller,
        "peer": call.peer,
        "request_id": call.request_id,
    }


class TextLines(logging.Formatter):
    """Records as text: one line each, and beneath it, indented, where an error came from."""

    def format(self, record: logging.LogRecord) -> str:
        """The lines of a record."""
        known = _id_of(record)
        head = f"{_time(record)} {record.levelname} {record.name} "
        line = head + (f"[{known}] " if known else "") + on_one_line(record.getMessage())
        return "\n    ".join([line, *_trace(self, record)])


class JsonLines(logging.Formatter):
    """Records as JSON, one object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        fields = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": _id_of(record),
            **getattr(record, FIELDS, {}),
        }
        trace = _trace(self, record)
        if trace:
            fields["trace"] = trace
        return escaped(json.dumps(fields))


def configure(settings: LogSettings) -> None:
    """Send what this process logs to standard error, as `settings` say."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if settings.layout == "json" else TextLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("saelake").setLevel(settings.level.upper())


def _time(record: logging.LogRecord) -> str:
    """When it was, as RFC 3339 in UTC."""
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03d}Z"


def _id_of(record: logging.LogRecord) -> str:
    fields: dict[str, Any] = getattr(record, FIELDS, {})
    return str(fields.get("request_id") or request_id())


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    """Where an error came from, in lines that command nothing."""
    if not record.exc_info:
        return []
    return [on_one_line(line) for line in formatter.formatException(record.exc_info).splitlines()]
