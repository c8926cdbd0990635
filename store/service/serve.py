"""Serve a lake: in the foreground until a signal, or in the background of this process."""

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from saelake.store.codes.executor import Executor
from saelake.store.engine import Engine
from saelake.store.errors import InvalidInput, SaelakeError
from saelake.store.lake.lake import Lake
from saelake.store.service.auth import Access, TokenCheck
from saelake.store.service.changes import Allowed, ChangesService
from saelake.store.service.jobs.runner import JobRunner
from saelake.store.service.limits import Limits
from saelake.store.service.rpc import LakeService
from saelake.store.snapshot.models import Texts
from saelake.store.tables.diskcache import DiskCache
from saelake.store.wire.commands import CHANGES
from saelake.store.wire.requests import SERVICE

T = TypeVar("T")

DEFAULT_HOST, DEFAULT_PORT = "127.0.0.1", 50051
LARGEST_PORT = 65_535
GRACE_S = 5.0  # for answers under way when the server stops
KEEPALIVE_MS = 60_000
LEAST_PING_MS = 10_000  # grpc hangs up on a client that asks more often; its default is 5 minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a server listens; port 0 takes a free one."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT

    def __post_init__(self) -> None:
        if not 0 <= self.port <= LARGEST_PORT:
            raise InvalidInput(f"A port is a number up to {LARGEST_PORT}, not {self.port}.")

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """A lake to serve, where, to whom, how much of it, and what reads the texts of questions.

    Files of a lake in an object store are kept in `disk_cache`, and fetched as the server starts.
    The `executor` is where analyses run (None: in threads); it is closed with the server. `allowed`
    says what may be changed, and `job_program` what runs a job: a command line, to which the lake
    and the job's id are added (None: nothing does).
    """

    uri: str
    address: Address = field(default_factory=Address)
    access: Access = field(default_factory=Access)
    limits: Limits = field(default_factory=Limits)
    texts: Texts | None = None
    disk_cache: DiskCache | None = None
    executor: Executor | None = None
    allowed: Allowed = field(default_factory=Allowed)
    job_program: tuple[str, ...] | None = None

    @property
    def jobs(self) -> JobRunner | None:
        """What runs jobs, where they are allowed and there is a program for them."""
        if self.job_program is None or "encode" not in self.allowed.rights:
            return None
        return JobRunner(Lake(self.uri), self.job_program, allows_hub=self.allowed.hub)


class Server:
    """A gRPC server with health and reflection. Use it inside one event loop."""

    def __init__(self, settings: ServerSettings) -> None:
        settings.access.check_host(settings.address.host)
        self._settings = settings
        self._engine = Engine(
            settings.uri,
            texts=settings.texts,
            executor=settings.executor,
            disk_cache=settings.disk_cache,
        )
        self._engine.lake.tables()  # a server of nothing is a mistake
        self._engine.prefetch_all()
        self._service = LakeService(self._engine, settings.limits)
        self._changes = ChangesService(
            Lake(settings.uri), settings.allowed, settings.limits, settings.jobs
        )
        self._health = health.aio.HealthServicer()

    async def start(self) -> Address:
        """Listen; the address with the port that was taken. Raises `InvalidInput`."""
        settings = self._settings
        token = settings.access.token
        self._server = grpc.aio.server(
            interceptors=[TokenCheck(token)] if token else [],
            options=[
                ("grpc.max_receive_message_length", settings.limits.request_bytes),
                ("grpc.so_reuseport", 0),  # else two servers on one port share the calls
                ("grpc.keepalive_time_ms", KEEPALIVE_MS),  # a client that vanished frees its place
                ("grpc.http2.min_recv_ping_interval_without_data_ms", LEAST_PING_MS),
            ],
        )
        handlers = (self._service.handler(), self._changes.handler())
        self._server.add_generic_rpc_handlers(handlers)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (SERVICE, CHANGES, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        address = Address(host=settings.address.host, port=self._listen())
        await self._server.start()
        for name in ("", SERVICE):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        self._warming = asyncio.get_running_loop().run_in_executor(None, self._warm)
        return address

    def _warm(self) -> None:
        with suppress(SaelakeError):  # who asks is told
            self._engine.warm()

    def _listen(self) -> int:
        where, credentials = str(self._settings.address), self._settings.access.credentials()
        try:
            if credentials is None:
                return int(self._server.add_insecure_port(where))
            return int(self._server.add_secure_port(where, credentials))
        except RuntimeError as error:
            raise InvalidInput(
                f"Cannot listen on {where}: is another server there, or is the host not this "
                "machine's? Choose another --port, or 0 for a free one.",
                address=where,
            ) from error

    async def stop(self, grace_s: float = GRACE_S) -> None:
        """Take no more questions, wait for answers under way, then stop."""
        await self._health.enter_graceful_shutdown()
        await self._changes.close()
        await self._server.stop(grace_s)
        await self._warming
        self._service.close()
        self._engine.close()

    async def wait(self) -> None:
        """Return when the server has stopped."""
        await self._server.wait_for_termination()


def serve(settings: ServerSettings, on_ready: Callable[[Address], object] = lambda _: None) -> None:
    """Serve until SIGINT or SIGTERM, then stop gracefully; `on_ready` is told the address."""

    async def run() -> None:
        server = Server(settings)
        on_ready(await server.start())
        stopped = asyncio.Event()
        for signal_number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(signal_number, stopped.set)
        await stopped.wait()
        await server.stop()

    asyncio.run(run())


class BackgroundServer:
    """A server in this process, as a context manager; it stops at the end of the block.

    >>> with BackgroundServer(ServerSettings(uri="lake")) as server:  # doctest: +SKIP
    ...     saelake.connect(server.target)
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self.address = settings.address

    @property
    def target(self) -> str:
        """What `saelake.connect` takes."""
        return f"{'grpcs' if self._settings.access.certificate else 'grpc'}://{self.address}"

    def __enter__(self) -> "BackgroundServer":
        async def start() -> tuple[Server, Address]:
            server = Server(self._settings)
            return server, await server.start()

        self._server, self.address = _loop().run(start())
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self, grace_s: float = GRACE_S) -> None:
        """Stop now; a second time does nothing."""
        _loop().run(self._server.stop(grace_s))


class _Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="saelake-serve", daemon=True).start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine that runs in the loop."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result()


@cache
def _loop() -> _Loop:
    """The one loop of all background servers: grpc.aio keeps to one loop in a process."""
    return _Loop()
