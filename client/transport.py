"""The one seam between asking and answering: a request goes in, Arrow batches come out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import pyarrow as pa

from saelake.store.errors import InvalidInput
from saelake.store.lake.lake import Lake
from saelake.store.reports import JobReport, ServerVersion
from saelake.store.requests.commands.command import Command
from saelake.store.requests.commands.jobs import WatchJobCommand
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

    def tell(self, command: Command, rows: pa.RecordBatchReader | None = None, /) -> Any:
        """Do what a command says; its report. `rows` are sent with it, where it has some.

        Raises a `SaelakeError`, and `PermissionDenied` for what a server was not started to allow.
        """

    def watch(self, command: WatchJobCommand, /) -> Iterator[JobReport]:
        """How far a job is, again whenever that changes, until it has ended. Raises `NotFound`."""

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

    def tell(self, command: Command, rows: pa.RecordBatchReader | None = None, /) -> NoReturn:
        """Raise `InvalidInput`: what was is not changed."""
        del rows
        raise unchangeable(command, self.at)

    def watch(self, command: WatchJobCommand, /) -> Iterator[JobReport]:
        """See `Transport`."""
        return self.transport.watch(command)

    @property
    def local_lake(self) -> Lake | None:
        """See `Transport`."""
        lake = self.transport.local_lake
        return None if lake is None else Lake(lake.uri, self.at)

    def close(self) -> None:
        """See `Transport`."""
        self.transport.close()


def unchangeable(command: Command, at: str) -> InvalidInput:
    """That what was is not changed."""
    return InvalidInput(
        f"A lake as of {at} can only be read: {command.command} is for the lake as it is.", at=at
    )
