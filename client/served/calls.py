"""Questions as calls: what is sent where, and for how long."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from saelake.proto.v1 import lake_pb2 as pb
from saelake.served.attempts import Attempts
from saelake.served.channels import Connection, Metadata
from saelake.served.retries import Retries
from saelake.store.reports import ServerVersion
from saelake.store.requests.commands.command import Command
from saelake.store.requests.commands.jobs import WatchJobCommand
from saelake.store.requests.request import Request
from saelake.store.requests.waited.progress import listening
from saelake.store.wire import commands, frames
from saelake.store.wire.metadata import PROGRESS, YES
from saelake.store.wire.progress import Part, part_of
from saelake.store.wire.requests import SERVICE, method_of, to_message


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCall:
    """A call of a method, whose answer comes as bytes; `kind` is what gRPC calls its form.

    What is `sent` is a message or an iterator of them, `serialized` by this. An answer that
    `streams` is read while it comes, any other when it is there as a whole; of frames it is what
    they hold, which may be how far it is.
    """

    path: str
    sent: Any
    serialized: Callable[[Any], bytes]
    metadata: Metadata
    timeout_s: float | None
    streams: bool = False
    kind: str = "unary_stream"
    part_of: Callable[[bytes], Part] | None = None

    def attempts(self, retries: Retries) -> Attempts:
        """What becomes of it, from now on."""
        return Attempts(retries, timeout_s=self.timeout_s, streams=self.streams)


def call_of(request: Request, connection: Connection, at: str | None) -> RemoteCall:
    """A question as a call; quick ones are bounded in time. Who listens here is told of it."""
    message = to_message(request)
    asks = ((PROGRESS, YES),) if request.tells and listening() is not None else ()
    return RemoteCall(
        path=f"/{SERVICE}/{method_of(request)}",
        sent=message,
        serialized=type(message).SerializeToString,
        metadata=(*connection.metadata(at), *asks),
        timeout_s=connection.timeout_s if request.cost == "quick" else None,
        streams=request.cost == "export",
        part_of=part_of,
    )


def version_call(connection: Connection) -> RemoteCall:
    """The call that asks which server this is."""
    return RemoteCall(
        path=f"/{SERVICE}/Version",
        sent=pb.VersionRequest(),
        serialized=pb.VersionRequest.SerializeToString,
        metadata=connection.metadata(None),
        timeout_s=connection.timeout_s,
        kind="unary_unary",
    )


def version_of(reply: bytes) -> ServerVersion:
    """The version that a server's reply says."""
    said = pb.VersionReply.FromString(reply)
    return ServerVersion(
        version=said.version, wire=said.wire, features=tuple(said.features), state=said.state
    )


def command_call(
    command: Command, connection: Connection, rows: pa.RecordBatchReader | None = None
) -> RemoteCall:
    """A command as a call, with its rows where it has some. One that watches has many replies."""
    kind = commands.input_type(command.command)
    is_watching = isinstance(command, WatchJobCommand)
    sent: Any = (
        commands.to_message(kind, command)
        if rows is None
        else commands.pieces(command, frames.frames(rows))
    )
    return RemoteCall(
        path=commands.path_of(command.command),
        sent=sent,
        serialized=kind.SerializeToString,
        metadata=connection.metadata(None),
        timeout_s=None if command.is_long or is_watching else connection.timeout_s,
        kind=f"{'unary' if rows is None else 'stream'}_{'stream' if is_watching else 'unary'}",
    )


def report_of(command: Command, reply: bytes) -> Any:
    """What a server's reply to a command reports."""
    said = commands.output_type(command.command).FromString(reply)
    return commands.from_message(command.report, said)
