"""Questions as calls: what is sent where, and for how long."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from saelake.proto.v1 import lake_pb2 as pb
from saelake.served.attempts import Attempts
from saelake.served.channels import Connection, Metadata
from saelake.served.retries import Retries
from saelake.store.reports import ServerVersion
from saelake.store.requests.commands.command import Command
from saelake.store.requests.request import Request
from saelake.store.wire import commands
from saelake.store.wire.requests import SERVICE, Message, method_of, to_message


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCall:
    """A call of a method, whose answer comes as bytes; `kind` is what gRPC calls its form.

    An answer that `streams` is read while it comes, any other when it is there as a whole.
    """

    path: str
    message: Message
    metadata: Metadata
    timeout_s: float | None
    streams: bool
    kind: str = "unary_stream"

    def attempts(self, retries: Retries) -> Attempts:
        """What becomes of it, from now on."""
        return Attempts(retries, timeout_s=self.timeout_s, streams=self.streams)

    @property
    def serialized(self) -> Callable[[Any], bytes]:
        """What makes bytes of the message."""
        return type(self.message).SerializeToString

    @property
    def frame_of(self) -> Callable[[bytes], bytes] | None:
        """What makes a frame of what is received; None: it is one."""
        return _arrow if self.kind == "unary_stream" else None


def call_of(request: Request, connection: Connection, at: str | None) -> RemoteCall:
    """A question as a call; quick ones are bounded in time."""
    return RemoteCall(
        path=f"/{SERVICE}/{method_of(request)}",
        message=to_message(request),
        metadata=connection.metadata(at),
        timeout_s=connection.timeout_s if request.cost == "quick" else None,
        streams=request.cost == "export",
    )


def version_call(connection: Connection) -> RemoteCall:
    """The call that asks which server this is."""
    return RemoteCall(
        path=f"/{SERVICE}/Version",
        message=pb.VersionRequest(),
        metadata=connection.metadata(None),
        timeout_s=connection.timeout_s,
        streams=False,
        kind="unary_unary",
    )


def version_of(reply: bytes) -> ServerVersion:
    """The version that a server's reply says."""
    said = pb.VersionReply.FromString(reply)
    return ServerVersion(
        version=said.version, wire=said.wire, features=tuple(said.features), state=said.state
    )


def command_call(command: Command, connection: Connection) -> RemoteCall:
    """A command without rows as a call."""
    return RemoteCall(
        path=commands.path_of(command.command),
        message=commands.to_message(commands.input_type(command.command), command),
        metadata=connection.metadata(None),
        timeout_s=None if command.is_long else connection.timeout_s,
        streams=False,
        kind="unary_unary",
    )


def report_of(command: Command, reply: bytes) -> Any:
    """What a server's reply to a command reports."""
    said = commands.output_type(command.command).FromString(reply)
    return commands.from_message(command.report, said)


def _arrow(frame: bytes) -> bytes:
    arrow: bytes = pb.Frame.FromString(frame).arrow
    return arrow
