"""Serve a lake: in the foreground until a signal, or in the background of this process."""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, TypeVar

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from saelake.store.codes.executor import Executor
from saelake.store.engine import Engine
from saelake.store.errors import InvalidInput, SaelakeError
from saelake.store.lake.lake import Lake
from saelake.store.service.access.audit import auditing
from saelake.store.service.access.gate import Gate
from saelake.store.service.access.protection import Access
from saelake.store.service.arriving import InTime
from saelake.store.service.calls import Calls
from saelake.store.service.changes import Allowed, ChangesService
from saelake.store.service.computing import lanes
from saelake.store.service.doors import Door, InnerSocket, OpenDoor
from saelake.store.service.jobs.models import JobModels
from saelake.store.service.jobs.runner import JobRunner
from saelake.store.service.lanes.parcels import ChildSettings
from saelake.store.service.lifetime import Lifetime
from saelake.store.service.limits import Limits
from saelake.store.service.reflection import add_reflection
from saelake.store.service.rehearsal import rehearse
from saelake.store.service.rpc import LakeService
from saelake.store.service.signals import stopping_signal
from saelake.store.service.telemetry.logs import configure
from saelake.store.service.telemetry.observing import Observing
from saelake.store.service.telemetry.settings import Telemetry
from saelake.store.snapshot.models import Texts
from saelake.store.tables.diskcache import DiskCache
from saelake.store.wire.address import Address as Address
from saelake.store.wire.address import cannot_listen
from saelake.store.wire.commands import CHANGES
from saelake.store.wire.requests import SERVICE

log = logging.getLogger("saelake.server")

T = TypeVar("T")

BACKGROUND_GRACE_S = 5.0  # of one in this process, whose program waits for it
ENDING_S = 5.0  # for telling callers that there is no more
KEEPALIVE_MS = 60_000
METADATA_BYTES = 128 << 10  # by itself grpc refuses tokens of issuers from 8 KiB on, by chance
LEAST_PING_MS = 10_000  # grpc hangs up on a client that asks more often; its default is 5 minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """A lake to serve, where, to whom, how much of it, and what reads the texts of questions.

    Files of a lake in an object store are kept in `disk_cache`, and fetched as the server starts.
    With `at`, a tag or a time, it answers of the lake as it was then. The `executor` is where
    analyses run (None: here); it is closed with the server. Without one analyses and exports may be
    computed `apart`: in processes of their own. Several `processes` share the port, of which each
    has a part of the limits; `shares_port` is what they are told. One that `rehearses` asks itself
    questions before it is ready.

    `allowed` says what may be changed, and `job_program` what runs a job: a command line, to which
    the lake and the job's id are added (None: nothing does).

    `doors` ask it beside gRPC, as the page does.
    """

    uri: str
    at: str | None = None
    address: Address = field(default_factory=Address)
    access: Access = field(default_factory=Access)
    limits: Limits = field(default_factory=Limits)
    texts: Texts | None = None
    disk_cache: DiskCache | None = None
    executor: Executor | None = None
    allowed: Allowed = field(default_factory=Allowed)
    job_program: tuple[str, ...] | None = None
    telemetry: Telemetry = field(default_factory=Telemetry)
    lifetime: Lifetime = field(default_factory=Lifetime)
    apart: bool = False
    rehearses: bool = False
    processes: int = 1
    shares_port: bool = False
    doors: tuple[Door, ...] = ()

    def __post_init__(self) -> None:
        if self.processes < 1:
            raise InvalidInput(f"A server is at least one process, not {self.processes}.")
        if self.at is not None and self.allowed.rights:
            raise InvalidInput("A lake as it was cannot be changed: serve it without --at.")

    @property
    def child(self) -> ChildSettings | None:
        """What processes are told that compute apart; None where none do."""
        if not self.apart or self.executor is not None:
            return None
        return ChildSettings(
            uri=self.uri,
            at=self.at,
            texts=self.texts,
            disk_cache=self.disk_cache,
            kept_bytes=self.limits.kept_bytes,
        )

    @property
    def jobs(self) -> JobRunner | None:
        """What runs jobs, where they are allowed and there is a program for them."""
        if self.job_program is None or "encode" not in self.allowed.rights:
            return None
        models = JobModels(hub=self.allowed.hub, sentences=self.allowed.sentence_model)
        return JobRunner(Lake(self.uri), self.job_program, models)


class Server:
    """A gRPC server with health and reflection. Use it inside one event loop."""

    def __init__(self, settings: ServerSettings) -> None:
        for address in (settings.address, *(door.address for door in settings.doors)):
            settings.access.check_host(address.host)
        self._settings = settings
        self._gate = Gate(settings.access, settings.limits, settings.uri)
        self._engine = Engine(
            settings.uri,
            at=settings.at,
            texts=settings.texts,
            executor=settings.executor,
            disk_cache=settings.disk_cache,
        )
        self._engine.lake.tables()  # a server of nothing is a mistake
        self._engine.prefetch_all()
        found = lanes(self._engine, settings.limits, settings.child)
        self._service = LakeService(found, settings.limits, self._engine.version)
        self._changes = ChangesService(
            Lake(settings.uri), settings.allowed, settings.limits, settings.jobs
        )
        self._health = health.aio.HealthServicer()
        self._observing = Observing(
            settings.telemetry,
            self._engine.in_memory,
            self._service.waiting,
            auditing(settings.access),
        )

    async def start(self) -> Address:
        """Listen; the address with the port that was taken. Raises `InvalidInput`.

        It answers at once, and is healthy when it is `ready`.
        """
        settings = self._settings
        self._calls = Calls(self._gate, settings.limits, self._observing.observers)
        self._server = grpc.aio.server(
            interceptors=[self._calls],
            options=[
                ("grpc.max_receive_message_length", settings.limits.request_bytes),
                ("grpc.max_metadata_size", METADATA_BYTES),
                ("grpc.absolute_max_metadata_size", METADATA_BYTES),
                ("grpc.so_reuseport", int(settings.shares_port)),  # or two share calls
                ("grpc.keepalive_time_ms", KEEPALIVE_MS),  # a client that vanished frees its place
                ("grpc.http2.min_recv_ping_interval_without_data_ms", LEAST_PING_MS),
            ],
        )
        handlers = (self._service.handler(), self._changes.handler())
        self._server.add_generic_rpc_handlers(handlers)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        add_reflection((SERVICE, CHANGES, health.SERVICE_NAME), self._server)
        address = Address(host=settings.address.host, port=self._listen())
        await self._say_healthy(healthy=False)
        self._probed = await self._start_probed()
        await self._open_doors()
        self._observing.begin()
        await self._server.start()
        self._service.prepare()
        # of its own: whoever closes the loop waits for the threads that it has itself
        self._warming = ThreadPoolExecutor(1, thread_name_prefix="saelake-warm")
        self._becoming_ready = asyncio.ensure_future(self._become_ready())
        return address

    async def _open_doors(self) -> None:
        """Let doors ask by a socket of their own; it answers when the server does."""
        self._inner, self._doors = None, list[OpenDoor]()
        if self._settings.doors:
            self._inner = InnerSocket.take()
            self._server.add_insecure_port(self._inner.target)
        for door in self._settings.doors:
            assert self._inner is not None
            self._doors.append(await door.open(self._inner.target, self._settings.access))

    async def _close_doors(self, grace_s: float) -> None:
        """Let those who came by doors have their answers: each may take several questions."""
        await asyncio.gather(*(door.close(grace_s) for door in self._doors))
        if self._inner is not None:
            self._inner.close()

    async def _start_probed(self) -> grpc.aio.Server | None:
        """What answers of health alone, where that is wanted."""
        where = self._settings.lifetime.health
        if where is None:
            return None
        server = grpc.aio.server(
            interceptors=[InTime(self._settings.limits)],
            options=[("grpc.so_reuseport", int(self._settings.shares_port))],
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        self.health_port = _listening(server, where, "--health")
        await server.start()
        return server

    async def _become_ready(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._warming, self._warm)
        await self._say_healthy(healthy=True)

    async def _say_healthy(self, *, healthy: bool) -> None:
        states = health_pb2.HealthCheckResponse
        for name in ("", SERVICE):
            await self._health.set(name, states.SERVING if healthy else states.NOT_SERVING)

    def _warm(self) -> None:
        for name in self._settings.lifetime.preload:
            self._engine.preload(name)
        try:
            self._engine.warm()
            if self._settings.rehearses:
                rehearse(self._engine)
        except Exception as error:  # of one collection: who asks of it is told
            log.warning("Not everything could be read before questions come: %s", error)

    async def ready(self) -> None:
        """Return when the lake is open, its indexes mapped and the models loaded that were asked
        for. Raises what hinders that.
        """
        await asyncio.shield(self._becoming_ready)

    def _listen(self) -> int:
        credentials = self._settings.access.credentials()
        return _listening(self._server, self._settings.address, "--port", credentials)

    async def stop(self, grace_s: float | None = None, delay_s: float = 0.0) -> bool:
        """Say that the server stops, wait for answers under way, then end them.

        Whether all has ended; if not, threads may still compute or load what nobody waits for.
        """
        await self._health.enter_graceful_shutdown()
        await asyncio.sleep(delay_s)
        grace_s = self._settings.lifetime.grace_s if grace_s is None else grace_s
        until = time.monotonic() + grace_s
        await self._close_doors(grace_s)
        grace_s = max(until - time.monotonic(), 0.0)
        self._calls.close()
        await self._changes.end_jobs()
        stopping = asyncio.ensure_future(self._server.stop(grace_s + ENDING_S))
        loading = asyncio.ensure_future(self._loaded(grace_s))
        whole = await self._calls.finished(grace_s)
        if not whole:
            await self._calls.end()
        await asyncio.wait((stopping,), timeout=ENDING_S)
        await self._server.stop(None)  # callers that do not even say that they have read it
        await stopping
        if self._probed is not None:
            await self._probed.stop(None)
        has_loaded = await loading
        self._changes.close()
        await self._service.close()
        await self._observing.close()
        self._engine.close()
        return whole and has_loaded and not self._service.is_computing

    async def _loaded(self, grace_s: float) -> bool:
        """Wait for what is loaded as the server begins, as long as that; whether it is."""
        loaded, _ = await asyncio.wait((self._becoming_ready,), timeout=grace_s)
        self._becoming_ready.cancel()
        self._warming.shutdown(wait=False, cancel_futures=True)
        for each in loaded:
            if not each.cancelled():
                each.exception()  # who waited for it was told
        return bool(loaded)

    @property
    def door_addresses(self) -> tuple[Address, ...]:
        """Where its doors listen."""
        return tuple(door.address for door in self._doors)

    @property
    def metrics_address(self) -> Address | None:
        """Where Prometheus asks this process; None where it answers no scrapes."""
        metrics = self._observing.metrics
        return None if metrics is None else metrics.address

    async def wait(self) -> None:
        """Return when the server has stopped."""
        await self._server.wait_for_termination()


def _listening(
    server: grpc.aio.Server,
    address: Address,
    option: str,
    credentials: grpc.ServerCredentials | None = None,
) -> int:
    """The port that a server has taken. Raises `InvalidInput`."""
    try:
        if credentials is None:
            return int(server.add_insecure_port(str(address)))
        return int(server.add_secure_port(str(address), credentials))
    except RuntimeError as error:
        raise cannot_listen(address, option, error) from error


def serve(
    settings: ServerSettings,
    on_ready: Callable[[Address], object] = lambda _: None,
    on_open: Callable[[Address], object] = lambda _: None,
    on_warm: Callable[[], object] = lambda: None,
) -> bool:
    """Serve until SIGINT or SIGTERM, then stop as `settings` say; whether all answers were whole.

    `on_ready` is told the address at once. When the server is ready `on_warm` is called, and
    `on_open` told the address of each door, since who looks would wait for that. A second signal
    ends the process at once.
    """

    if settings.telemetry.log is not None:
        configure(settings.telemetry.log)

    async def run() -> bool:
        server = Server(settings)
        address = await server.start()
        stopped = stopping_signal()
        on_ready(address)
        ready = asyncio.ensure_future(server.ready())
        await asyncio.wait((stopped, ready), return_when=asyncio.FIRST_COMPLETED)
        if ready.done() and ready.exception() is not None:
            await server.stop(grace_s=0)
            ready.result()
        if ready.done():
            on_warm()
            for opened in server.door_addresses:
                on_open(opened)
        await stopped
        return await server.stop(delay_s=settings.lifetime.drain_delay_s)

    return asyncio.run(run())


@asynccontextmanager
async def serving(settings: ServerSettings) -> AsyncIterator[Address]:
    """A server in this event loop for as long as the block, which may end before it is ready.

    What is not answered at its end is ended. Raises `NotFound` and `InvalidInput`.
    """
    server = Server(settings)
    address = await server.start()
    try:
        yield address
    finally:
        await server.stop(grace_s=0)


class BackgroundServer:
    """A server in this process, as a context manager; it stops at the end of the block.

    >>> with BackgroundServer(ServerSettings(uri="lake")) as server:  # doctest: +SKIP
    ...     saelake.connect(server.target)
    """

    def __init__(self, settings: ServerSettings, *, until_ready: bool = True) -> None:
        """With `until_ready` the block begins when the server is ready, else when it listens."""
        self._settings = settings
        self._until_ready = until_ready
        self.address = settings.address

    @property
    def target(self) -> str:
        """What `saelake.connect` takes."""
        return f"{'grpcs' if self._settings.access.certificate else 'grpc'}://{self.address}"

    @property
    def door_addresses(self) -> tuple[Address, ...]:
        """Where its doors listen."""
        return self._server.door_addresses

    @property
    def metrics_address(self) -> Address | None:
        """Where Prometheus asks; None where there are no metrics."""
        return self._server.metrics_address

    def __enter__(self) -> "BackgroundServer":
        async def start() -> tuple[Server, Address]:
            server = Server(self._settings)
            address = await server.start()
            try:
                if self._until_ready:
                    await server.ready()
            except SaelakeError:
                await server.stop(grace_s=0)
                raise
            return server, address

        self._server, self.address = _loop().run(start())
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self, grace_s: float = BACKGROUND_GRACE_S) -> None:
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
