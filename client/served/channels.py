"""How gRPC connects to servers: certificates, keep-alive, and turns among several."""

import json
import warnings
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import grpc

from saelake.served.retries import Retries
from saelake.served.servers import Servers
from saelake.store.errors import InvalidInput, NotFound, SentInClear, Unavailable
from saelake.store.format.schema import LONGEST_NAME
from saelake.store.lake.states import LakeState, is_state
from saelake.store.wire.hosts import stays_here
from saelake.store.wire.metadata import AT
from saelake.store.wire.tls import UNSENDABLE, is_sendable, read_pair, read_roots
from saelake.store.wire.tracing import trace_headers
from saelake.store.wire.versions import own_version

File = str | PathLike[str]
Metadata = tuple[tuple[str, str], ...]
# Servers take turns. gRPC's own retries stay off: they end where an answer begins, and do not know
# what a server says of when to ask again (see `retries`).
SERVICE_CONFIG = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})
OPTIONS: Sequence[tuple[str, Any]] = (
    ("grpc.max_receive_message_length", 4 << 20),  # frames have up to 1 MiB
    ("grpc.max_metadata_size", 64 << 10),  # the longest error in any script
    ("grpc.absolute_max_metadata_size", 64 << 10),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.service_config", SERVICE_CONFIG),
    ("grpc.enable_retries", 0),
    # A server that was restarted is found again before the retries are used up.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Servers, and how they are asked; see `saelake.connect` for what it means."""

    servers: Servers
    token: str | None = None
    ca: File | None = None
    certificate: File | None = None
    key: File | None = None
    timeout_s: float | None = 60.0
    retries: Retries = field(default_factory=Retries)

    def __post_init__(self) -> None:
        if not self.servers.secure and any((self.ca, self.certificate, self.key)):
            raise InvalidInput("Certificates need a server with TLS: write grpcs://HOST:PORT.")
        if self.token and not is_sendable(self.token):
            raise InvalidInput(UNSENDABLE)
        if self.token and not self.servers.secure and not stays_here(str(self.servers)):
            warnings.warn(_in_clear(self.servers), SentInClear, stacklevel=5)

    def with_token(self, token: str) -> "Connection":
        """This connection for who has the token; of tokens in clear it was warned already."""
        if not is_sendable(token):
            raise InvalidInput(UNSENDABLE)
        other = copy(self)
        object.__setattr__(other, "token", token)
        return other

    def check_files(self) -> None:
        """Read the certificates, as the first question would. Raises `InvalidInput`, `NotFound`."""
        if self.servers.secure:
            self._credentials()

    def channel(self, kind: Any) -> Any:
        """A channel of `grpc` or `grpc.aio`."""
        options = [*OPTIONS, ("grpc.primary_user_agent", f"saelake/{own_version()}")]
        if not self.servers.secure:
            return kind.insecure_channel(self.servers.target(), options)
        if self.servers.name is not None:
            options.append(("grpc.ssl_target_name_override", self.servers.name))
        return kind.secure_channel(self.servers.target(), self._credentials(), options)

    def metadata(self, at: str | None) -> Metadata:
        """What goes with a question of a state. Raises `InvalidInput` and `NotFound` for none."""
        who = (("authorization", f"Bearer {self.token}"),) if self.token else ()
        state = () if at is None else ((AT, _sendable(at)),)
        return (*who, *state, *trace_headers())

    def _credentials(self) -> grpc.ChannelCredentials:
        if (self.certificate is None) != (self.key is None):
            raise InvalidInput("A client certificate needs its key as well, and the key it.")
        mine, its_key = None, None
        if self.certificate is not None and self.key is not None:
            mine, its_key = read_pair(Path(self.certificate), Path(self.key))
        roots = None if self.ca is None else read_roots(Path(self.ca))
        return grpc.ssl_channel_credentials(roots, its_key, mine)


def _in_clear(servers: Servers) -> str:
    return (
        f"The token goes to {servers} in clear, for all on the way to read. Write "
        f"grpcs://{servers}, if the server has TLS; else give it TLS, or take another token."
    )


def _sendable(at: str) -> str:
    """A tag, time or state, as a header carries it."""
    if is_state(at):
        LakeState.parse(at)
    elif not is_sendable(at) or not at or len(at) > LONGEST_NAME:
        raise NotFound(f"No lake has a tag {at!r}.", tag=at)
    return at


def closed(address: str) -> Unavailable:
    """That a connection was closed here."""
    return Unavailable(
        f"The connection to {address} is closed: connect again.", server=address, closed=True
    )
