"""A lake behind a server, asked through gRPC."""

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa

from saelake.proto.v1 import lake_pb2 as pb
from saelake.store.errors import InvalidInput, SaelakeError, Unavailable
from saelake.store.reports import JobReport
from saelake.store.requests.commands.command import Command
from saelake.store.requests.commands.jobs import WatchJobCommand
from saelake.store.requests.request import Request
from saelake.store.wire import frames
from saelake.store.wire.commands import (
    from_message,
    input_type,
    output_type,
    path_of,
    pieces,
)
from saelake.store.wire.commands import to_message as to_command_message
from saelake.store.wire.errors import to_error
from saelake.store.wire.requests import SERVICE, Message, method_of, to_message
from saelake.store.wire.tls import UNSENDABLE, is_sendable, read_pair, read_roots

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

    def tell(self, command: Command, rows: pa.RecordBatchReader | None = None, /) -> Any:
        """What the server reports; see `Transport`."""
        method = command.command
        make = self._channel.unary_unary if rows is None else self._channel.stream_unary
        call = make(
            path_of(method),
            request_serializer=input_type(method).SerializeToString,
            response_deserializer=output_type(method).FromString,
        )
        sent = (
            to_command_message(input_type(method), command)
            if rows is None
            else pieces(command, frames.frames(rows))
        )
        timeout_s = None if command.is_long else self._timeout_s
        with self._errors():
            reply = call(sent, timeout=timeout_s, metadata=self._metadata)
        return from_message(command.report, reply)

    def watch(self, command: WatchJobCommand, /) -> Iterator[JobReport]:
        """What the server tells; see `Transport`."""
        method = command.command
        call = self._channel.unary_stream(
            path_of(method),
            request_serializer=input_type(method).SerializeToString,
            response_deserializer=output_type(method).FromString,
        )
        with self._errors():
            told = call(to_command_message(input_type(method), command), metadata=self._metadata)
            try:
                for message in told:
                    yield from_message(JobReport, message)
            finally:
                told.cancel()

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
            raise _closed(self._address) from error

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
            call = ask(message, timeout=timeout_s, metadata=self._metadata)
        except ValueError as error:  # what grpc says of a closed channel
            raise _closed(self._address) from error

        def received() -> Iterator[bytes]:
            try:
                for frame in call:
                    yield frame.arrow
            except grpc.RpcError as error:
                raise to_error(error, self._address) from None
            finally:
                call.cancel()  # what is not read is not wanted

        return frames.answer(received())


def _closed(address: str) -> Unavailable:
    return Unavailable(f"The connection to {address} is closed: connect again.", server=address)


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
