"""A server whose hits are held back, so that whoever waits for them can leave."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa
import pytest

from saelake.store.engine import Engine
from saelake.store.requests.request import Request
from saelake.store.requests.tokens import TokensQuery
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.store.service.telemetry.settings import Telemetry
from tests.client.web.test_serving import counted
from tests.store.service.answering import answer_with


@dataclass(frozen=True)
class HeldHits:
    """The server, whether hits were asked for, and whether they may be answered."""

    server: BackgroundServer
    asked_for: threading.Event = field(default_factory=threading.Event)
    may_go_on: threading.Event = field(default_factory=threading.Event)

    def until_cancelled(self) -> None:
        """Return when the server has ended what was asked for."""
        until = time.monotonic() + 30
        while counted(self.server).get(("Tokens", "CANCELLED"), 0) == 0:
            assert time.monotonic() < until
            time.sleep(0.05)


@contextmanager
def held_hits(uri: str, patch: pytest.MonkeyPatch) -> Iterator[HeldHits]:
    """A server of the lake; at the end of the block all is answered."""
    usual = Engine.ask
    telemetry = Telemetry(metrics=Address(port=0))
    settings = ServerSettings(uri=uri, address=Address(port=0), telemetry=telemetry)
    with BackgroundServer(settings) as server:
        held = HeldHits(server)

        def slow(engine: Engine, request: Request) -> pa.RecordBatchReader:
            held.asked_for.set()
            held.may_go_on.wait(60)
            return usual(engine, request)

        answer_with(patch, TokensQuery, slow)
        try:
            yield held
        finally:
            held.may_go_on.set()
