"""Who may ask: bearer tokens, TLS, and what may listen where."""

import hmac
import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import grpc

from saelake.store.errors import InvalidInput
from saelake.store.wire.tls import UNSENDABLE, is_sendable, read_pair, read_roots

HEALTH = "/grpc.health.v1.Health/"  # open to all: those who probe have no token
MIN_TOKEN_CHARACTERS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a server is protected.

    `token`: what clients send as a bearer token. `certificate` and `key`: PEM files for TLS.
    `client_ca`: a PEM file; clients must then show a certificate that it signed (mTLS).
    `insecure` allows other machines without either.
    """

    token: str | None = None
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    insecure: bool = False

    def __post_init__(self) -> None:
        problems = []
        if (self.certificate is None) != (self.key is None):
            problems.append("TLS needs both a certificate and its key.")
        if self.client_ca and not self.certificate:
            problems.append("mTLS needs the server's own certificate and key as well.")
        if self.token is not None and len(self.token) < MIN_TOKEN_CHARACTERS:
            problems.append(f"A token needs at least {MIN_TOKEN_CHARACTERS} characters.")
        if self.token is not None and not is_sendable(self.token):
            problems.append(UNSENDABLE)
        if problems:
            raise InvalidInput(" ".join(problems))

    def check_host(self, host: str) -> None:
        """Raise `InvalidInput` when this is too little protection to listen on `host`."""
        if is_loopback(host) or self.insecure or self.client_ca:
            return
        if self.token and self.certificate:
            return
        raise InvalidInput(
            f"Listening on {host} lets other machines in. Protect the server with a token and TLS "
            "(SAELAKE_TOKEN or --token-file, with --cert and --key), or with mTLS (--cert, --key, "
            "--client-ca), or say --insecure if the network is trusted.",
            host=host,
        )

    def credentials(self) -> grpc.ServerCredentials | None:
        """The TLS credentials, or None without TLS.

        Raises `NotFound` for a missing file, `InvalidInput` for one that is something else.
        """
        if self.certificate is None or self.key is None:
            return None
        certificate, key = read_pair(self.certificate, self.key)
        roots = read_roots(self.client_ca) if self.client_ca else None
        pair = (key, certificate)
        return grpc.ssl_server_credentials(
            [pair], root_certificates=roots, require_client_auth=roots is not None
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class TokenCheck(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # grpc has no types
    """Refuses calls without the bearer token."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        """The method's handler, or one of the same kind that refuses."""
        handler = await continuation(handler_call_details)
        if handler is None or handler_call_details.method.startswith(HEALTH):
            return handler
        sent = dict(handler_call_details.invocation_metadata).get("authorization", "")
        sent = sent.encode() if isinstance(sent, str) else sent
        return handler if hmac.compare_digest(sent, self._expected) else _refusing(handler)


def _refusing(handler: grpc.RpcMethodHandler) -> grpc.RpcMethodHandler:
    """A handler that refuses, with the streaming kind that grpc expects of the method."""
    message = "a token is missing or wrong; set SAELAKE_TOKEN or give token="

    async def one(_: object, context: grpc.aio.ServicerContext) -> None:
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, message)

    async def many(_: object, context: grpc.aio.ServicerContext):  # type: ignore[no-untyped-def]
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, message)
        yield  # makes it a stream

    if handler.request_streaming:
        kind = (
            grpc.stream_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.stream_unary_rpc_method_handler
        )
    else:
        kind = (
            grpc.unary_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.unary_unary_rpc_method_handler
        )
    return kind(many if handler.response_streaming else one)
