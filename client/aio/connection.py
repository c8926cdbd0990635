"""Connect to a lake whose questions are awaited."""

import os

from saelake.aio.lake import AsyncLake
from saelake.aio.transports import AsyncTransport, InThreads
from saelake.connection import RETRIES, SCHEMES, connection_to
from saelake.connection import connect as connect_waiting


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
) -> AsyncLake:
    """The lake at a path, an object-store URI or `grpc://HOST:PORT`, whose questions are awaited.

    See `saelake.connect` for the arguments and errors. One connection serves any number of tasks
    of one event loop; a task that is cancelled ends its call. A lake in this process is asked in
    threads.

    >>> async with saelake.aio.connect("grpc://localhost:50051") as lake:  # doctest: +SKIP
    ...     await lake["imdb/minilm-l4"].tokens(1234)
    """
    if not isinstance(target, str) or not target.startswith(SCHEMES):
        waiting = connect_waiting(
            target, at=at, disk_cache=disk_cache, disk_cache_bytes=disk_cache_bytes
        )
        return AsyncLake(waiting.uri, InThreads(waiting.transport), is_remote=False, at=at)
    from saelake.aio.remote import AsyncRemote

    remote: AsyncTransport = AsyncRemote(
        connection_to(
            target,
            token=token,
            ca=ca,
            certificate=certificate,
            key=key,
            timeout_s=timeout_s,
            retries=retries,
        )
    )
    lake = AsyncLake(target, remote, is_remote=True)
    return lake if at is None else lake.as_of(at)
