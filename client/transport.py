"""The one seam between asking and answering: a request goes in, Arrow batches come out."""

from typing import Protocol

import pyarrow as pa

from saelake.store.lake.lake import Lake
from saelake.store.requests.request import Request


class Transport(Protocol):
    """Answers questions about one lake, wherever it is.

    `saelake.store.engine.Engine` answers in this process, `saelake.remote.Remote` asks a server;
    the columns of each answer are `request.answer`.
    """

    def ask(self, request: Request, /) -> pa.RecordBatchReader:
        """The answer to a request. Raises a `SaelakeError`, at once or as the answer is read."""

    @property
    def local_lake(self) -> Lake | None:
        """The lake, where its tables are in reach of this process."""

    def close(self) -> None:
        """Let go of connections."""
