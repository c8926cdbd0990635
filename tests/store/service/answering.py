"""Engines that answer one kind of question in a way of the test's own."""

from collections.abc import Callable

import pyarrow as pa
import pytest

from saelake.store.engine import Engine
from saelake.store.requests.request import Request


def answer_with(
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Request],
    answer: Callable[[Engine, Request], pa.RecordBatchReader],
) -> None:
    """Let engines give `answer` to requests of a kind, and to all others what they gave before."""
    before = Engine.ask

    def ask(engine: Engine, request: Request, /, *, at: str | None = None) -> pa.RecordBatchReader:
        if isinstance(request, kind):
            return answer(engine, request)
        return before(engine, request, at=at)

    monkeypatch.setattr(Engine, "ask", ask)
