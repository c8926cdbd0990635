"""A lake behind a server, asked through gRPC and awaited."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from concurrent.futures import Future
from typing import Any

import grpc
import pyarrow as pa

from saelake.aio.transports import AsyncReader
from saelake.served.calls import (
    RemoteCall,
    call_of,
    command_call,
    report_of,
    version_call,
    version_of,
)
from saelake.served.channels import Connection, closed
from saelake.served.hearing import Hearing
from saelake.store.errors import SaelakeError, Unavailable
from saelake.store.reports import JobReport, ServerVersion
from saelake.store.requests.commands.command import Command
from saelake.store.requests.commands.jobs import WatchJobCommand
from saelake.store.requests.request import Request
from saelake.store.wire import frames
from saelake.store.wire.errors import to_error


class AsyncRemote:
    """Asks a server, or several in turns, from one event loop, by one connection.

    It asks again as `Remote` does. A task that is cancelled ends its call.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._address = str(connection.servers)
        self._opened: Any = None  # a channel is of the loop that first asks
        self._is_closed = False

    def as_caller(self, token: str) -> "AsyncRemote":
        """These servers by this connection, asked by somebody else."""
        other = AsyncRemote(self._connection.with_token(token))
        other._opened = self._channel
        return other

    async def table(self, request: Request, /, *, at: str | None = None) -> pa.Table:
        """The server's answer; see `AsyncTransport`."""
        call = call_of(request, self._connection, at)
        whole = [frame async for frame in self._frames(call)]
        return pa.ipc.open_stream(b"".join(whole)).read_all()

    async def reader(self, request: Request, /, *, at: str | None = None) -> AsyncReader:
        """The server's answer, as it comes; see `AsyncTransport`."""
        found = self._frames(call_of(request, self._connection, at))
        waited = _Waited(found, asyncio.get_running_loop())
        return AsyncReader(await asyncio.to_thread(frames.answer, waited), waited.aclose)

    async def version(self) -> ServerVersion:
        """Which server this is. Raises `MissingExtra` of one that has no such question."""
        call = version_call(self._connection)
        return version_of(b"".join([frame async for frame in self._frames(call)]))

    async def tell(self, command: Command, /) -> Any:
        """What the server reports of a command, which is sent once; see `AsyncTransport`."""
        call = command_call(command, self._connection)
        reply = [part async for part in self._received(call, call.timeout_s)]
        return report_of(command, b"".join(reply))

    async def watch(self, command: WatchJobCommand, /) -> AsyncIterator[JobReport]:
        """What the server tells; asked again, as it only reads. See `AsyncTransport`."""
        call, told = command_call(command, self._connection), None
        attempts = call.attempts(self._connection.retries)
        while True:
            try:
                async for reply in self._received(call, None):
                    if reply != told:
                        attempts.went_on()
                        yield report_of(command, reply)
                    told = reply
                return
            except SaelakeError as error:
                wait_s = attempts.wait_after_s(error)
                if wait_s is None:
                    raise
            await asyncio.sleep(wait_s)

    async def close(self) -> None:
        """Close the connection."""
        self._is_closed = True
        if self._opened is not None:
            await self._opened.close()

    @property
    def _channel(self) -> Any:
        if self._is_closed:
            raise closed(self._address)
        if self._opened is None:
            self._opened = self._connection.channel(grpc.aio)
        return self._opened

    async def _frames(self, call: RemoteCall) -> AsyncGenerator[bytes, None]:
        """The frames of an answer, asked for again where that does no harm."""
        attempts = call.attempts(self._connection.retries)
        while True:
            try:
                hearing = Hearing()
                async for part in self._received(call, attempts.left_s):
                    for frame in hearing.pieces(part):
                        for ready in attempts.came(frame):
                            yield ready
                for ready in attempts.ended():
                    yield ready
                return
            except SaelakeError as error:
                wait_s = attempts.wait_after_s(error)
                if wait_s is None:
                    raise
            await asyncio.sleep(wait_s)

    async def _received(self, call: RemoteCall, timeout_s: float | None) -> AsyncIterator[Any]:
        """What one call gives. Raises what the other end raised."""
        ask = getattr(self._channel, call.kind)(
            call.path,
            request_serializer=call.serialized,
            response_deserializer=call.part_of,
        )
        answer = ask(call.sent, timeout=timeout_s, metadata=call.metadata)
        try:
            if call.kind == "unary_unary":
                yield await answer
                return
            async for frame in answer:
                yield frame
        except grpc.RpcError as error:
            raise to_error(error, self._address) from None
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            said = f"The server {self._address} ended before its answer did. Ask again."
            raise Unavailable(said, server=self._address) from None
        finally:
            answer.cancel()  # what is not read is not wanted


def _is_cancelled() -> bool:
    """Whether it is this task that shall end, and not only its call."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


class _Waited:
    """The frames, for a thread that waits for each."""

    def __init__(self, found: AsyncGenerator[bytes, None], loop: asyncio.AbstractEventLoop) -> None:
        self._found = found
        self._loop = loop
        self._next: Future[bytes | None] | None = None
        self._is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self._next = asyncio.run_coroutine_threadsafe(_after(self._found), self._loop)
            frame = self._next.result()
            if self._is_closed:  # which is no end of the answer
                raise Unavailable("This answer was closed before its end: ask again.")
            if frame is None:
                return
            yield frame

    async def aclose(self) -> None:
        """End the call, also while a frame of it is waited for."""
        self._is_closed = True
        if self._next is not None:
            self._next.cancel()
        while True:
            try:
                return await self._found.aclose()
            except RuntimeError:  # the frame that is waited for is about to be given up
                await asyncio.sleep(0)


async def _after(found: AsyncGenerator[bytes, None]) -> bytes | None:
    return await anext(found, None)
