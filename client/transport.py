"""The one seam between asking and answering: a request goes in, Arrow batches come out."""

from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from saelake.store.lake.lake import Lake
from saelake.store.reports import ServerVersion
from saelake.store.requests.request import Request


class Transport(Protocol):
    """Answers questions about one lake, wherever it is.

    `saelake.store.engine.Engine` answers in this process, `saelake.served.remote.Remote` asks a
    server; the columns of each answer are `request.answer`.
    """

    def ask(self, request: Request, /, *, at: str | None = None) -> pa.RecordBatchReader:
        """The answer to a request, as it was `at` a tag, a time or a state.

        Raises a `SaelakeError`, at once or as the answer is read.
        """

    def version(self) -> ServerVersion:
        """Which program answers, and the state that the lake is in now."""

    @property
    def local_lake(self) -> Lake | None:
        """The lake, where its tables are in reach of this process."""

    def close(self) -> None:
        """Let go of connections."""


@dataclass(frozen=True, slots=True)
class AsOf:
    """A transport that asks of one tag, time or state."""

    transport: Transport
    at: str

    def ask(self, request: Request, /, *, at: str | None = None) -> pa.RecordBatchReader:
        """See `Transport`."""
        return self.transport.ask(request, at=at or self.at)

    def version(self) -> ServerVersion:
        """See `Transport`."""
        return self.transport.version()

    @property
    def local_lake(self) -> Lake | None:
        """See `Transport`."""
        lake = self.transport.local_lake
        return None if lake is None else Lake(lake.uri, self.at)

    def close(self) -> None:
        """See `Transport`."""
        self.transport.close()
