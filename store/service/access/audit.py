"""What was asked, by whom, and what came of it: one line of JSON a call."""

import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from saelake.store.errors import InvalidInput
from saelake.store.requests.named import corpora, places
from saelake.store.requests.request import Request
from saelake.store.service.access.shown import shown_name

log = logging.getLogger("saelake.server")

OWNER_ALONE = 0o600
MOST_NAMED = 20  # collections in a line, that callers may fill no disk


class AuditLog:
    """A file that lines are appended to, by several processes too; moved away, it is begun anew.

    Raises `InvalidInput` when it cannot be opened. A line that cannot be written is logged, and
    ends no call.
    """

    def __init__(self, path: Path, *, questions: bool = False) -> None:
        self._path = path.expanduser()
        self._questions = questions
        self._file = self._opened()

    def write(self, line: Mapping[str, Any], request: Request | None) -> None:
        """Append a line about a call, with what was asked: of which places, or all of it."""
        asked = {} if request is None else _asked(request, whole=self._questions)
        row = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **line, **asked}
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


def _asked(request: Request, *, whole: bool) -> dict[str, Any]:
    named = dict.fromkeys(places(request)) or dict.fromkeys(corpora(request))
    of = [shown_name(name) for name in islice(named, MOST_NAMED)]
    if not whole:
        return {"of": of}
    given: Any = request
    return {"of": of, "question": asdict(given)}
