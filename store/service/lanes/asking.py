"""A question on its way to an engine, which may be another process's."""

from dataclasses import dataclass

import pyarrow as pa

from saelake.store.engine import Engine
from saelake.store.requests.request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What is asked, so that any engine of the lake can answer it; it can be pickled.

    `at` is a tag, time or state, and None the newest.
    """

    request: Request
    at: str | None = None

    def answer(self, engine: Engine) -> pa.RecordBatchReader:
        """What the engine answers."""
        return engine.ask(self.request, at=self.at)
