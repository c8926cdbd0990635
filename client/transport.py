"""The one seam between asking and answering: a request goes in, Arrow batches come out."""

from collections.abc import Iterator
from typing import Any, Protocol

import pyarrow as pa

from saelake.store.lake.lake import Lake
from saelake.store.reports import JobReport
from saelake.store.requests.commands.command import Command
from saelake.store.requests.commands.jobs import WatchJobCommand
from saelake.store.requests.request import Request


class Transport(Protocol):
    """Answers questions about one lake, wherever it is.

    `saelake.store.engine.Engine` answers in this process, `saelake.remote.Remote` asks a server;
    the columns of each answer are `request.answer`.
    """

    def ask(self, request: Request, /) -> pa.RecordBatchReader:
        """The answer to a request. Raises a `SaelakeError`, at once or as the answer is read."""

    def tell(self, command: Command, rows: pa.RecordBatchReader | None = None, /) -> Any:
        """Do what a command says; its report. `rows` are sent with it, where it has some.

        Raises a `SaelakeError`, and `AccessDenied` for what a server was not started to allow.
        """

    def watch(self, command: WatchJobCommand, /) -> Iterator[JobReport]:
        """How far a job is, again whenever that changes, until it has ended. Raises `NotFound`."""

    @property
    def local_lake(self) -> Lake | None:
        """The lake, where its tables are in reach of this process."""

    def close(self) -> None:
        """Let go of connections."""
