"""Connect to a lake: a folder, an object store, or a server."""

import os
import re
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saelake.lake import Lake
from saelake.making.quantities import parse_size
from saelake.served.owners import ray_owners
from saelake.store.errors import InvalidInput, extra
from saelake.texts import model_texts
from saelake.workers.fleet.ray_cluster import RayCluster

if TYPE_CHECKING:
    from saelake.served.channels import Connection
    from saelake.store.tables.diskcache import DiskCache

SCHEMES = ("grpc://", "grpcs://")
SERVER = re.compile(r"https?://.*|(\[[0-9a-fA-F:]+\]|[\w.-]+):\d+/?")
RETRIES = 4
TOKEN_VARIABLE = "SAELAKE_TOKEN"  # a name, not a secret
DISK_CACHE_VARIABLE = "SAELAKE_DISK_CACHE"
DISK_CACHE_BYTES_VARIABLE = "SAELAKE_DISK_CACHE_BYTES"


def connect(
    target: str | os.PathLike[str],
    *,
    token: str | None = None,
    ca: str | os.PathLike[str] | None = None,
    certificate: str | os.PathLike[str] | None = None,
    key: str | os.PathLike[str] | None = None,
    timeout_s: float | None = 60.0,
    retries: int = RETRIES,
    at: str | None = None,
    disk_cache: str | os.PathLike[str] | None = None,
    disk_cache_bytes: int | None = None,
    ray: str | RayCluster | None = None,
    ray_memory_bytes: int | None = None,
) -> Lake:
    """The lake at a path, an object-store URI, `grpc://HOST:PORT` or (with TLS) `grpcs://…`.

    Servers of one lake take turns: `grpc://HOST:PORT,HOST:PORT`, or one name that has several
    addresses. Then one that ends costs its clients a moment.

    Both kinds have the same methods, raise the same errors and return the same values. A path
    needs not exist yet: the first import makes the lake.

    For a server: `token` (default: the variable SAELAKE_TOKEN) is sent with every question; `ca`
    is a file of root certificates (default: the usual public ones); `certificate` and `key` are
    files that prove who asks, for servers with mTLS; `timeout_s` bounds every question except
    exports and analyses of whole selections, which the server bounds (None: no bound). A question
    that a server does not answer, or refuses for a moment, is asked again up to `retries` times
    within that time; see `Retries`. Nothing is sent before the first question. A token that is sent
    without TLS to another machine is a warning, `SentInClear`.

    With `at`, a tag, a time (ISO 8601, local if it names no zone) or the `state` of an answer, the
    lake is as it was then, and can only be read.

    `disk_cache` (default: the variable SAELAKE_DISK_CACHE) is a folder for files of a lake in an
    object store, up to `disk_cache_bytes` (default: SAELAKE_DISK_CACHE_BYTES, or 16 GiB); without
    one nothing is kept on this machine's disk. Other lakes have no use of it.

    With `ray`, the address of a Ray cluster (`auto`, `HOST:PORT`, `ray://HOST:PORT`, or `local` to
    start Ray on this machine) or a `RayCluster`, actors there read what this lake's questions need
    and keep it, each up to `ray_memory_bytes` (1 GiB): the answers are those of one process. Every
    machine must reach the lake. `close` the lake to end them.

    Raises `InvalidInput` for a target that cannot be meant, `MissingExtra` when a lake in this
    process needs parts that are not installed, `NotFound` for a tag that the lake has not, and
    `Unavailable` when no Ray cluster answers.
    """
    uri = _uri(target)
    if ray is None and ray_memory_bytes is not None:
        raise InvalidInput("ray_memory_bytes is of a Ray cluster: give ray too.")
    if uri.startswith(SCHEMES) and ray is not None:
        raise InvalidInput(
            "A server answers with the cluster that it was started with, by `saelake serve --ray`: "
            "connect to it without ray.",
            target=uri,
        )
    if uri.startswith(SCHEMES):
        from saelake.served.remote import Remote

        connection = connection_to(
            uri,
            token=token,
            ca=ca,
            certificate=certificate,
            key=key,
            timeout_s=timeout_s,
            retries=retries,
        )
        served = Lake(uri, Remote(connection), is_remote=True)
        return served if at is None else served.as_of(at)
    with extra("store", "A lake in this process", "or ask a server with grpc://HOST:PORT"):
        from saelake.store.engine import Engine
    cache = disk_cache_of(uri, disk_cache, disk_cache_bytes)
    with ExitStack() as failing:
        owners = None if ray is None else failing.enter_context(ray_owners(ray, ray_memory_bytes))
        engine = Engine(uri, at=at, texts=model_texts(), executor=owners, disk_cache=cache)
        failing.pop_all()
    return Lake(uri, engine, is_remote=False, at=at)


def connection_to(uri: str, *, token: str | None, retries: int, **given: Any) -> "Connection":
    """How servers are asked. Raises `InvalidInput`."""
    from saelake.served.channels import Connection
    from saelake.served.retries import Retries
    from saelake.served.servers import Servers

    return Connection(
        servers=Servers.parse(uri),
        token=token or os.environ.get(TOKEN_VARIABLE),
        retries=Retries(most=retries),
        **given,
    )


def disk_cache_of(
    uri: str, folder: str | os.PathLike[str] | None = None, size_bytes: int | None = None
) -> "DiskCache | None":
    """The disk cache for a lake, as given or as the variables say; None where it needs none.

    Raises `InvalidInput`.
    """
    chosen = folder or os.environ.get(DISK_CACHE_VARIABLE)
    if not chosen or not uri.startswith("s3://"):
        return None
    from saelake.store.tables.diskcache import DEFAULT_SIZE_BYTES, DiskCache

    said = os.environ.get(DISK_CACHE_BYTES_VARIABLE)
    if size_bytes is None:
        size_bytes = parse_size(said) if said else DEFAULT_SIZE_BYTES
    return DiskCache(chosen, size_bytes)


def _uri(target: str | os.PathLike[str]) -> str:
    """The target as text. Raises `InvalidInput` for what can be neither a lake nor a server."""
    uri = os.fspath(target) if isinstance(target, os.PathLike) else target
    if not isinstance(uri, str) or not uri:
        given = f", not {target!r}" if uri != "" else ""
        raise InvalidInput(f"Name a lake: a path, an object-store URI, or grpc://HOST:PORT{given}.")
    if SERVER.fullmatch(uri) and not Path(uri).exists():
        address = uri.partition("://")[2] or uri
        scheme = "grpcs" if uri.startswith("https") else "grpc"
        raise InvalidInput(
            f"{uri} is the address of a server, and no folder: write {scheme}://{address}.",
            target=uri,
        )
    return uri
