"""Commands to a server, which are sent once: what they do may be done when no report comes.

To watch a job only reads, and is asked again.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pyarrow as pa

from saelake.served.attempts import Attempts
from saelake.served.channels import Connection, closed
from saelake.store.errors import SaelakeError
from saelake.store.reports import JobReport
from saelake.store.requests.commands.command import Command
from saelake.store.requests.commands.jobs import WatchJobCommand
from saelake.store.wire import frames
from saelake.store.wire.commands import (
    from_message,
    input_type,
    output_type,
    path_of,
    pieces,
    to_message,
)
from saelake.store.wire.errors import to_error


class Orders:
    """Tells a server what to do, over a channel; thread-safe."""

    def __init__(self, connection: Connection, channel: Any) -> None:
        self._connection = connection
        self._channel = channel
        self._address = str(connection.servers)

    def tell(self, command: Command, rows: pa.RecordBatchReader | None) -> Any:
        """What the server reports; see `Transport`."""
        call = self._call("unary_unary" if rows is None else "stream_unary", command)
        if rows is None:
            sent: Any = to_message(input_type(command.command), command)
        else:
            sent = pieces(command, frames.frames(rows))
        timeout_s = None if command.is_long else self._connection.timeout_s
        with self._errors():
            reply = call(sent, timeout=timeout_s, metadata=self._connection.metadata(None))
        return from_message(command.report, reply)

    def watch(self, command: WatchJobCommand) -> Iterator[JobReport]:
        """What the server tells; asked again, as it only reads, where that is interrupted."""
        attempts = Attempts(self._connection.retries, timeout_s=None, streams=False)
        last = None
        while True:
            try:
                for report in self._told(command):
                    if report != last:
                        attempts.went_on()
                        yield report
                    last = report
                return
            except SaelakeError as error:
                wait_s = attempts.wait_after_s(error)
                if wait_s is None:
                    raise
            time.sleep(wait_s)

    def _told(self, command: WatchJobCommand) -> Iterator[JobReport]:
        sent = to_message(input_type(command.command), command)
        with self._errors():
            call = self._call("unary_stream", command)
            told = call(sent, metadata=self._connection.metadata(None))
            try:
                for message in told:
                    yield from_message(JobReport, message)
            finally:
                told.cancel()

    def _call(self, kind: str, command: Command) -> Any:
        return getattr(self._channel, kind)(
            path_of(command.command),
            request_serializer=input_type(command.command).SerializeToString,
            response_deserializer=output_type(command.command).FromString,
        )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what grpc raises into what was raised at the other end."""
        try:
            yield
        except grpc.RpcError as error:
            raise to_error(error, self._address) from None
        except ValueError as error:  # what grpc says of a closed channel
            if isinstance(error, SaelakeError):
                raise
            raise closed(self._address) from error
