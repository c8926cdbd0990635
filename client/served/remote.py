"""A lake behind a server, asked through gRPC."""

import time
from collections.abc import Iterator
from typing import Any

import grpc
import pyarrow as pa

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
from saelake.store.errors import SaelakeError
from saelake.store.reports import JobReport, ServerVersion
from saelake.store.requests.commands.command import Command
from saelake.store.requests.commands.jobs import WatchJobCommand
from saelake.store.requests.request import Request
from saelake.store.wire import frames
from saelake.store.wire.errors import to_error


class Remote:
    """Asks a server, or several in turns; thread-safe. Nothing is sent before the first question.

    What is not answered is asked again, as the connection's `retries` say: an export only as long
    as nothing of it was given out, and every other question until its answer is there as a whole.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._address = str(connection.servers)
        self._channel = connection.channel(grpc)

    def ask(self, request: Request, /, *, at: str | None = None) -> pa.RecordBatchReader:
        """The server's answer; see `Transport`."""
        call = call_of(request, self._connection, at)
        if call.streams:
            return frames.answer(self._frames(call))
        return pa.ipc.open_stream(b"".join(self._frames(call)))

    def version(self) -> ServerVersion:
        """Which server this is. Raises `MissingExtra` of one that has no such question."""
        return version_of(b"".join(self._frames(version_call(self._connection))))

    def tell(self, command: Command, rows: pa.RecordBatchReader | None = None, /) -> Any:
        """What the server reports of a command, which is sent once: it may be done when no report
        comes. See `Transport`.
        """
        call = command_call(command, self._connection, rows)
        return report_of(command, b"".join(self._received(call, call.timeout_s)))

    def watch(self, command: WatchJobCommand, /) -> Iterator[JobReport]:
        """What the server tells; asked again, as it only reads. See `Transport`."""
        call, told = command_call(command, self._connection), None
        attempts = call.attempts(self._connection.retries)
        while True:
            try:
                for reply in self._received(call, None):
                    if reply != told:
                        attempts.went_on()
                        yield report_of(command, reply)
                    told = reply
                return
            except SaelakeError as error:
                wait_s = attempts.wait_after_s(error)
                if wait_s is None:
                    raise
            time.sleep(wait_s)

    @property
    def local_lake(self) -> None:
        """None: the lake is the server's."""

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def _frames(self, call: RemoteCall) -> Iterator[bytes]:
        """The frames of an answer, asked for again where that does no harm."""
        attempts = call.attempts(self._connection.retries)
        while True:
            try:
                hearing = Hearing()
                for part in self._received(call, attempts.left_s):
                    for frame in hearing.pieces(part):
                        yield from attempts.came(frame)
                yield from attempts.ended()
                return
            except SaelakeError as error:
                wait_s = attempts.wait_after_s(error)
                if wait_s is None:
                    raise
            time.sleep(wait_s)

    def _received(self, call: RemoteCall, timeout_s: float | None) -> Iterator[Any]:
        """What one call gives. Raises what the other end raised."""
        ask = getattr(self._channel, call.kind)(
            call.path,
            request_serializer=call.serialized,
            response_deserializer=call.part_of,
        )
        try:
            answer = ask(call.sent, timeout=timeout_s, metadata=call.metadata)
        except ValueError as error:  # what grpc says of a closed channel
            raise closed(self._address) from error
        except grpc.RpcError as error:
            raise to_error(error, self._address) from None
        if isinstance(answer, bytes):
            yield answer
            return
        try:
            yield from answer
        except grpc.RpcError as error:
            raise to_error(error, self._address) from None
        finally:
            answer.cancel()  # what is not read is not wanted
