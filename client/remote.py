"""A lake behind a server, asked through gRPC."""

import warnings
from collections.abc import Iterator
from os import PathLike
from pathlib import Path

import grpc
import pyarrow as pa

from saelake.proto.v1 import lake_pb2 as pb
from saelake.store.errors import InvalidInput, SentInClear, Unavailable
from saelake.store.requests.request import Request
from saelake.store.wire import frames
from saelake.store.wire.errors import to_error
from saelake.store.wire.hosts import stays_here
from saelake.store.wire.requests import SERVICE, Message, method_of, to_message
from saelake.store.wire.tls import UNSENDABLE, is_sendable, read_pair, read_roots
from saelake.store.wire.tracing import trace_headers

File = str | PathLike[str]
PLAIN, SECURE = "grpc://", "grpcs://"
OPTIONS = [
    ("grpc.max_receive_message_length", 4 << 20),  # frames have up to 1 MiB
    ("grpc.max_metadata_size", 64 << 10),  # the longest error in any script
    ("grpc.absolute_max_metadata_size", 64 << 10),
    ("grpc.keepalive_time_ms", 60_000),
]


class Remote:
    """Asks a server; thread-safe. Nothing is sent before the first question."""

    def __init__(
        self,
        target: str,
        *,
        token: str | None = None,
        ca: File | None = None,
        certificate: File | None = None,
        key: File | None = None,
        timeout_s: float | None = 60.0,
    ) -> None:
        secure = target.startswith(SECURE)
        self._address = target.removeprefix(SECURE).removeprefix(PLAIN).rstrip("/")
        if not self._address:
            raise InvalidInput(f"{target!r} names no server: write grpc://HOST:PORT.")
        if not secure and any((ca, certificate, key)):
            raise InvalidInput("Certificates need a server with TLS: write grpcs://HOST:PORT.")
        if token and not is_sendable(token):
            raise InvalidInput(UNSENDABLE)
        if token and not secure and not stays_here(self._address):
            warnings.warn(_in_clear(self._address), SentInClear, stacklevel=3)
        self._channel = (
            grpc.secure_channel(self._address, _credentials(ca, certificate, key), OPTIONS)
            if secure
            else grpc.insecure_channel(self._address, OPTIONS)
        )
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self._timeout_s = timeout_s

    def ask(self, request: Request, /) -> pa.RecordBatchReader:
        """The server's answer; see `Transport`."""
        method, message = method_of(request), to_message(request)
        bounded = request.cost == "quick"
        return self._stream(method, message, self._timeout_s if bounded else None)

    @property
    def local_lake(self) -> None:
        """None: the lake is the server's."""

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def _stream(
        self, method: str, message: Message, timeout_s: float | None
    ) -> pa.RecordBatchReader:
        ask = self._channel.unary_stream(
            f"/{SERVICE}/{method}",
            request_serializer=type(message).SerializeToString,
            response_deserializer=pb.Frame.FromString,
        )
        try:
            metadata = (*self._metadata, *trace_headers())
            call = ask(message, timeout=timeout_s, metadata=metadata)
        except ValueError as error:  # what grpc says of a closed channel
            raise Unavailable(
                f"The connection to {self._address} is closed: connect again.",
                server=self._address,
            ) from error

        def received() -> Iterator[bytes]:
            try:
                for frame in call:
                    yield frame.arrow
            except grpc.RpcError as error:
                raise to_error(error, self._address) from None
            finally:
                call.cancel()  # what is not read is not wanted

        return frames.answer(received())


def _in_clear(address: str) -> str:
    return (
        f"The token goes to {address} in clear, for all on the way to read. Write "
        f"grpcs://{address}, if the server has TLS; else give it TLS, or take another token."
    )


def _credentials(
    ca: File | None, certificate: File | None, key: File | None
) -> grpc.ChannelCredentials:
    if (certificate is None) != (key is None):
        raise InvalidInput("A client certificate needs its key as well, and the key it.")
    mine, its_key = None, None
    if certificate is not None and key is not None:
        mine, its_key = read_pair(Path(certificate), Path(key))
    roots = None if ca is None else read_roots(Path(ca))
    return grpc.ssl_channel_credentials(roots, its_key, mine)
