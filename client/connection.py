"""Connect to a lake: a folder, an object store, or a server."""

import os

from saelake.lake import Lake
from saelake.store.errors import InvalidInput, MissingExtra
from saelake.texts import model_texts

SCHEMES = ("grpc://", "grpcs://")
TOKEN_VARIABLE = "SAELAKE_TOKEN"  # a name, not a secret


def connect(
    target: str | os.PathLike[str],
    *,
    token: str | None = None,
    ca: str | os.PathLike[str] | None = None,
    certificate: str | os.PathLike[str] | None = None,
    key: str | os.PathLike[str] | None = None,
    timeout_s: float | None = 60.0,
    at: str | None = None,
) -> Lake:
    """The lake at a path, an object-store URI, `grpc://HOST:PORT` or (with TLS) `grpcs://…`.

    Both kinds have the same methods, raise the same errors and return the same values. A path
    needs not exist yet: the first import makes the lake.

    For a server: `token` (default: the variable SAELAKE_TOKEN) is sent with every question; `ca`
    is a file of root certificates (default: the usual public ones); `certificate` and `key` are
    files that prove who asks, for servers with mTLS; `timeout_s` bounds every question except
    exports and analyses of whole selections, which the server bounds (None: no bound). Nothing is
    sent before the first question.

    With `at`, a tag or a time (ISO 8601, local if it names no zone), the lake is as it was then,
    and can only be read; a server answers of the newest state only.

    Raises `InvalidInput` for a target that cannot be meant, `MissingExtra` when a lake in this
    process needs parts that are not installed, and `NotFound` for a tag that the lake has not.
    """
    uri = os.fspath(target)
    if not uri:
        raise InvalidInput("Name a lake: a path, an object-store URI, or grpc://HOST:PORT.")
    if uri.startswith(SCHEMES) and at is not None:
        raise InvalidInput(
            f"A server answers of the newest state, not of {at!r}: open the lake where it is, "
            "with a path.",
            at=at,
        )
    if uri.startswith(SCHEMES):
        from saelake.remote import Remote

        remote = Remote(
            uri,
            token=token or os.environ.get(TOKEN_VARIABLE),
            ca=ca,
            certificate=certificate,
            key=key,
            timeout_s=timeout_s,
        )
        return Lake(uri, remote, is_remote=True)
    try:
        from saelake.store.engine import Engine
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"A lake in this process needs {error.name}: pip install 'saelake[store]', or ask a "
            "server with grpc://HOST:PORT.",
            extra="store",
        ) from error
    return Lake(uri, Engine(uri, at=at, texts=model_texts()), is_remote=False, at=at)
