"""What proves who somebody is: tokens as a header carries them, certificates and keys."""

import ssl
from pathlib import Path

from saelake.store.errors import InvalidInput, NotFound

UNSENDABLE = "A token has printable ASCII characters only, and no spaces around it."


def is_sendable(token: str) -> bool:
    """Whether a header can carry this token as it is."""
    return token.isascii() and token.isprintable() and token == token.strip()


def read_pair(certificate: Path, key: Path) -> tuple[bytes, bytes]:
    """A certificate and its key. Raises `NotFound`, and `InvalidInput` when they are no such."""
    pair = _read(certificate), _read(key)
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.expanduser(), key.expanduser(), password="")
    except ssl.SSLError as error:  # of which grpc would say that nothing answers
        raise InvalidInput(
            f"{certificate} and {key} are not a certificate and its key (PEM, without a password).",
            certificate=certificate,
            key=key,
        ) from error
    return pair


def read_roots(path: Path) -> bytes:
    """Certificates to trust. Raises `NotFound`, and `InvalidInput` when there are none."""
    roots = _read(path)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path.expanduser())
    except ssl.SSLError as error:
        raise InvalidInput(f"{path} holds no certificates as PEM.", path=path) from error
    return roots


def _read(path: Path) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except OSError as error:
        raise NotFound(f"Cannot read {path}: {error.strerror}.", path=path) from error
