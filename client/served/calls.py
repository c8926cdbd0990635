"""Questions as calls: what is sent where, and for how long."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from saelake.proto.v1 import lake_pb2 as pb
from saelake.served.channels import Connection, Metadata
from saelake.store.reports import ServerVersion
from saelake.store.requests.request import Request
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

    def ends_s(self, now_s: float) -> float | None:
        """When the answer must be there, retries and all; None: it may take its time."""
        return None if self.timeout_s is None else now_s + self.timeout_s

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


def _arrow(frame: bytes) -> bytes:
    arrow: bytes = pb.Frame.FromString(frame).arrow
    return arrow
