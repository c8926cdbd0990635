"""How a server is protected: tokens, TLS, and what may listen where."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc

from saelake.store.errors import InvalidInput
from saelake.store.service.access.issuer import TrustedIssuer
from saelake.store.wire.hosts import is_loopback
from saelake.store.wire.tls import UNSENDABLE, is_sendable, read_pair, read_roots

MIN_TOKEN_CHARACTERS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How a server is protected.

    `token`: what clients send as a bearer token, with all rights. `tokens`: a file of `saelake
    token`, with names, rights and corpora. `issuer`: whose tokens are taken as well. `certificate`
    and `key`: PEM files for TLS. `client_ca`: a PEM file; clients must then show a certificate that
    it signed (mTLS). `insecure` allows other machines without either.

    Calls are noted in the file `audit`, with `audit_questions` whole questions.
    """

    token: str | None = None
    tokens: Path | None = None
    issuer: TrustedIssuer | None = None
    certificate: Path | None = None
    key: Path | None = None
    client_ca: Path | None = None
    insecure: bool = False
    audit: Path | None = None
    audit_questions: bool = False

    def __post_init__(self) -> None:
        if problems := list(self._problems()):
            raise InvalidInput(" ".join(problems))

    def _problems(self) -> Iterator[str]:
        if (self.certificate is None) != (self.key is None):
            yield "TLS needs both a certificate and its key."
        if self.client_ca and not self.certificate:
            yield "mTLS needs the server's own certificate and key as well."
        if self.token is not None and len(self.token) < MIN_TOKEN_CHARACTERS:
            yield f"A token needs at least {MIN_TOKEN_CHARACTERS} characters."
        if self.token is not None and not is_sendable(self.token):
            yield UNSENDABLE
        if self.audit_questions and self.audit is None:
            yield "Questions are noted in an audit file: name one."

    @property
    def takes_tokens(self) -> bool:
        """Whether a call needs a token, or a certificate that is known."""
        return any((self.token, self.tokens, self.issuer))

    def check_host(self, host: str) -> None:
        """Raise `InvalidInput` when this is too little protection to listen on `host`."""
        if is_loopback(host) or self.insecure or self.client_ca:
            return
        if self.takes_tokens and self.certificate:
            return
        raise InvalidInput(
            f"Listening on {host} lets other machines in. Protect the server with tokens and TLS "
            "(--tokens, SAELAKE_TOKEN or --token-file, with --cert and --key), or with mTLS "
            "(--cert, --key, --client-ca), or say --insecure if the network is trusted.",
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
