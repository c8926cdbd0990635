"""What was asked or changed, by whom, and what came of it: one line of JSON a call."""

import json
import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from saelake.store.errors import InvalidInput, SaelakeError
from saelake.store.requests.commands.command import Command
from saelake.store.requests.named import corpora, places
from saelake.store.requests.request import Request
from saelake.store.service.access.declared import declared
from saelake.store.service.access.protection import Access
from saelake.store.service.access.shown import shown_name
from saelake.store.service.telemetry.call import Ended
from saelake.store.wire.commands import from_message
from saelake.store.wire.requests import to_request

log = logging.getLogger("saelake.server")

OWNER_ALONE = 0o600
MOST_NAMED = 20  # collections in a line, that callers may fill no disk


class AuditLog:
    """Notes calls in a file, to which several processes may append; moved away, it is begun anew.

    Raises `InvalidInput` when it cannot be opened. A line that cannot be written is logged, and
    ends no call.
    """

    def __init__(self, path: Path, *, questions: bool = False) -> None:
        self._path = path.expanduser()
        self._questions = questions
        self._file = self._opened()

    def begins(self, method: str) -> None:
        """Nothing is noted before the end."""

    def ends(self, call: Ended) -> None:
        """Append a line about a call."""
        row = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            **_line(call),
            **_said(call, whole=self._questions),
        }
        text = json.dumps(row, default=str) + "\n"  # ASCII: no character commands a terminal
        try:
            self._renew()
            os.write(self._file, text.encode())
        except (OSError, InvalidInput) as error:
            log.error("A call could not be noted in %s: %s", self._path, error)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _renew(self) -> None:
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(self._file), self._path.stat()):
                return
        former, self._file = self._file, self._opened()
        os.close(former)

    def _opened(self) -> int:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            return os.open(self._path, flags, OWNER_ALONE)
        except OSError as error:
            raise InvalidInput(
                f"Cannot open the audit file {self._path}: {error.strerror}.", path=self._path
            ) from error


def auditing(access: Access) -> tuple[AuditLog, ...]:
    """What notes calls, where that is wanted. Raises `InvalidInput`."""
    if access.audit is None:
        return ()
    return (AuditLog(access.audit, questions=access.audit_questions),)


def _line(call: Ended) -> dict[str, Any]:
    path = f"/{call.service}/{call.method}"
    return {
        "caller": call.caller,
        "method": path,
        "right": declared(path).right,
        "status": call.code,
        "ms": round(call.seconds * 1000, 1),
        "peer": call.peer,
        "request_id": call.request_id,
    }


def _said(call: Ended, *, whole: bool) -> dict[str, Any]:
    """What was read of a question or a command: of which places it is, or all of it."""
    of = declared(f"/{call.service}/{call.method}")
    message: Any = call.message
    if message is None:
        return {}
    with suppress(SaelakeError):  # which the caller was told
        if of.question is not None:
            return _asked(to_request(of.question, message), whole=whole)
        if of.command is not None:
            return _commanded(_command(of.command, message), whole=whole)
    return {}


def _command(kind: type[Command], message: Any) -> Command:
    """What a message says, or the first of several. Raises `InvalidInput`."""
    if not kind.has_rows:
        return from_message(kind, message)
    if not message.HasField("begin"):
        raise InvalidInput("The first piece says what is sent.")
    return from_message(kind, message.begin)


def _asked(request: Request, *, whole: bool) -> dict[str, Any]:
    named = dict.fromkeys(places(request)) or dict.fromkeys(corpora(request))
    given: Any = request
    return {"of": _shown(named)} | ({"question": asdict(given)} if whole else {})


def _commanded(command: Command, *, whole: bool) -> dict[str, Any]:
    """As `_asked`. What is about a job names it: which corpus that is of only the job says."""
    given: Any = command
    job = getattr(command, "job", None)
    return (
        {"of": _shown(command.corpora or ())}
        | ({"job": shown_name(job)} if job else {})
        | ({"command": asdict(given)} if whole else {})
    )


def _shown(names: Iterable[str]) -> list[str]:
    return [shown_name(name) for name in islice(names, MOST_NAMED)]
