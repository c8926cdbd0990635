"""What the awaited faces ask: requests go in, tables and batches come out."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol, TypeVar

import pyarrow as pa

from saelake.store.errors import Unavailable
from saelake.store.reports import JobReport, ServerVersion
from saelake.store.requests.commands.command import Command
from saelake.store.requests.commands.jobs import WatchJobCommand
from saelake.store.requests.request import Request
from saelake.transport import Transport, unchangeable

T = TypeVar("T")


class AsyncTransport(Protocol):
    """Answers questions about one lake without holding up the event loop; see `Transport`."""

    async def table(self, request: Request, /, *, at: str | None = None) -> pa.Table:
        """The whole answer."""

    async def reader(self, request: Request, /, *, at: str | None = None) -> "AsyncReader":
        """An answer that is read as it comes."""

    async def version(self) -> ServerVersion:
        """Which program answers, and the state that the lake is in now."""

    async def tell(self, command: Command, /) -> Any:
        """Do what a command without rows says; its report."""

    def watch(self, command: WatchJobCommand, /) -> AsyncIterator[JobReport]:
        """How far a job is, again whenever that changes, until it has ended."""

    async def close(self) -> None:
        """Let go of connections."""


class AsyncReader:
    """An answer's batches, one after the other; `schema` says what is in them."""

    def __init__(
        self, reader: pa.RecordBatchReader, ended: Callable[[], Awaitable[object]] | None = None
    ) -> None:
        """`ended` is awaited when no more is wanted."""
        self.schema: pa.Schema = reader.schema
        self._reader = reader
        self._ended = ended
        self._is_closed = False

    async def __aiter__(self) -> AsyncIterator[pa.RecordBatch]:
        try:
            while (batch := await asyncio.to_thread(_next, self._reader)) is not None:
                if self._is_closed:  # which is no end of the answer
                    raise Unavailable("This answer was closed before its end: ask again.")
                yield batch
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Say that no more is wanted."""
        self._is_closed = True
        if self._ended is not None:
            await self._ended()


def _next(reader: pa.RecordBatchReader) -> pa.RecordBatch | None:
    try:
        return reader.read_next_batch()
    except StopIteration:  # which no coroutine can raise
        return None


@dataclass(frozen=True, slots=True)
class InThreads:
    """A transport of this process, asked in threads; one that waits no longer does not end it."""

    transport: Transport

    async def table(self, request: Request, /, *, at: str | None = None) -> pa.Table:
        """See `AsyncTransport`."""
        return await asyncio.to_thread(lambda: self.transport.ask(request, at=at).read_all())

    async def reader(self, request: Request, /, *, at: str | None = None) -> AsyncReader:
        """See `AsyncTransport`."""
        return AsyncReader(await asyncio.to_thread(self.transport.ask, request, at=at))

    async def version(self) -> ServerVersion:
        """See `AsyncTransport`."""
        return await asyncio.to_thread(self.transport.version)

    async def tell(self, command: Command, /) -> Any:
        """See `AsyncTransport`."""
        return await asyncio.to_thread(self.transport.tell, command)

    async def watch(self, command: WatchJobCommand, /) -> AsyncIterator[JobReport]:
        """See `AsyncTransport`."""
        watched = self.transport.watch(command)
        while (job := await asyncio.to_thread(next, watched, None)) is not None:
            yield job

    async def close(self) -> None:
        """See `AsyncTransport`."""
        await asyncio.to_thread(self.transport.close)


@dataclass(frozen=True, slots=True)
class AsyncAsOf:
    """A transport that asks of one tag, time or state."""

    transport: AsyncTransport
    at: str

    async def table(self, request: Request, /, *, at: str | None = None) -> pa.Table:
        """See `AsyncTransport`."""
        return await self.transport.table(request, at=at or self.at)

    async def reader(self, request: Request, /, *, at: str | None = None) -> AsyncReader:
        """See `AsyncTransport`."""
        return await self.transport.reader(request, at=at or self.at)

    async def version(self) -> ServerVersion:
        """See `AsyncTransport`."""
        return await self.transport.version()

    async def tell(self, command: Command, /) -> NoReturn:
        """Raise `InvalidInput`: what was is not changed."""
        raise unchangeable(command, self.at)

    def watch(self, command: WatchJobCommand, /) -> AsyncIterator[JobReport]:
        """See `AsyncTransport`."""
        return self.transport.watch(command)

    async def close(self) -> None:
        """See `AsyncTransport`."""
        await self.transport.close()
