"""Several serving processes on one port, so that more than one core answers short questions.

The kernel gives each new connection to one of them (SO_REUSEPORT). Who starts them serves nothing
itself: it holds the port, starts another in place of one that dies, and hands signals on.
"""

import asyncio
import logging
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from dataclasses import replace

from saelake.store.errors import InvalidInput, SaelakeError, Unavailable
from saelake.store.service.begun import ending, environment
from saelake.store.service.lanes import parcels
from saelake.store.service.lanes.child import send
from saelake.store.service.lanes.parcels import Kind, pickled
from saelake.store.service.ports import HeldPort
from saelake.store.service.serve import Address, ServerSettings, serve
from saelake.store.service.telemetry.logs import configure
from saelake.store.service.telemetry.observing import shared_metrics

log = logging.getLogger("saelake.server")

MODULE = "saelake.store.service.process"
SOON_S = 10.0  # one that dies before that is started again later and later
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
CAN_SHARE = sys.platform == "linux"  # elsewhere one of those that share gets all connections


class Died(Unavailable):
    """A serving process that ended before it served, without a word."""


class Processes:
    """The serving processes. For one event loop."""

    def __init__(self, settings: ServerSettings) -> None:
        self._port = HeldPort.take(settings.address)
        self._doors = [HeldPort.take(door.address, "--http") for door in settings.doors]
        self._settings = replace(
            settings,
            address=self._port.address,
            limits=settings.limits.divided(settings.processes),
            processes=1,
            shares_port=True,
            doors=tuple(
                door.sharing(held.address)
                for door, held in zip(settings.doors, self._doors, strict=True)
            ),
        )
        self._n = settings.processes
        metrics = settings.telemetry.metrics
        self._metrics = None if metrics is None else shared_metrics(metrics)
        self._running: dict[int, Process] = {}
        self._keeping: list[asyncio.Task[None]] = []
        self._warming: list[asyncio.Task[SaelakeError | None]] = []

    @property
    def address(self) -> Address:
        """Where they listen."""
        return self._port.address

    @property
    def door_addresses(self) -> tuple[Address, ...]:
        """Where their doors listen."""
        return tuple(held.address for held in self._doors)

    async def start(self) -> None:
        """Start all, and return when they listen; they are kept running.

        One that ends without a word is started again as long as another serves. Raises what the
        first of them says that cannot.
        """
        try:
            first = await self._all_started()
        except BaseException:
            await self.stop()
            raise
        self._warming = [asyncio.create_task(_warm(process)) for process in first]
        self._keeping = [asyncio.create_task(self._keep(process)) for process in first]
        self._keeping += [
            asyncio.create_task(self._begin_anew()) for _ in range(self._n - len(first))
        ]

    async def ready(self) -> None:
        """Return when those that were started are ready. Raises what hinders one of them.

        One that ends before, without a word, is not waited for: another is started.
        """
        for found in asyncio.as_completed(self._warming):
            if (error := await found) is not None:
                raise error

    def hurry(self) -> None:
        """Hand a signal to stop on."""
        for process in self._running.values():
            send(process, signal.SIGTERM)

    async def stop(self) -> None:
        """Let all stop gracefully, and return when they have."""
        for task in (*self._keeping, *self._warming):
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)  # none is started any more
        self.hurry()
        await asyncio.gather(*(process.wait() for process in [*self._running.values()]))
        for port in (self._port, *self._doors):
            port.close()
        if self._metrics is not None:
            self._metrics.close()

    async def _all_started(self) -> list[Process]:
        """Those that serve, when each has said how it went."""
        starting = (self._started() for _ in range(self._n))
        ended = await asyncio.gather(*starting, return_exceptions=True)
        started = [each for each in ended if isinstance(each, Process)]
        for each in ended:
            if isinstance(each, BaseException) and not (started and isinstance(each, Died)):
                raise each
            if isinstance(each, Died):
                log.error("%s Another is started", each)
        return started

    async def _started(self) -> Process:
        """A process that serves."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", MODULE),
            stdin=PIPE,
            stdout=PIPE,
            env=environment(),
            start_new_session=True,  # Ctrl-C is handed on, once
        )
        self._running[process.pid] = process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(pickled(Kind.SETTINGS, self._settings))
        try:
            kind, contents = await parcels.received(process.stdout)
        except asyncio.IncompleteReadError:
            code = await process.wait()
            self._forget(process)
            raise Died(f"A serving process ended at once ({ending(code)}).") from None
        if kind is Kind.ERROR:
            raise parcels.error_in(contents)
        return process

    async def _keep(self, process: Process) -> None:
        """Start another whenever one has died."""
        pause_s = FIRST_PAUSE_S
        while True:
            since = time.monotonic()
            code = await process.wait()
            self._forget(process)
            if time.monotonic() - since > SOON_S:
                pause_s = FIRST_PAUSE_S
            log.error("A serving process ended (%s); another is started", ending(code))
            process = await self._again(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _forget(self, process: Process) -> None:
        self._running.pop(process.pid, None)
        if self._metrics is not None:
            self._metrics.forget(process.pid)

    async def _begin_anew(self) -> None:
        await self._keep(await self._again(FIRST_PAUSE_S))

    async def _again(self, pause_s: float) -> Process:
        while True:
            await asyncio.sleep(pause_s)
            try:
                return await self._started()
            except Exception as error:
                log.error("A serving process does not start: %s", error)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


async def _warm(process: Process) -> SaelakeError | None:
    """Return when a process that listens is ready, or has ended: what hinders it, if it says."""
    assert process.stdout is not None
    try:
        kind, contents = await parcels.received(process.stdout)
    except asyncio.IncompleteReadError:
        return None
    return parcels.error_in(contents) if kind is Kind.ERROR else None


def serve_all(
    settings: ServerSettings,
    on_ready: Callable[[Address], object] = lambda _: None,
    on_open: Callable[[Address], object] = lambda _: None,
) -> bool:
    """Serve by `settings.processes`, until SIGINT or SIGTERM; see `serve`.

    Raises `InvalidInput` for several with an executor, which is one process's.
    """
    if settings.processes == 1:
        return serve(settings, on_ready, on_open)
    if settings.executor is not None:
        raise InvalidInput("Several processes cannot share the workers of a cluster: serve by one.")
    if not CAN_SHARE:
        log.warning("Processes do not share a port on this system: one serves")
        return serve(replace(settings, processes=1), on_ready, on_open)
    if settings.telemetry.log is not None:
        configure(settings.telemetry.log)
    asyncio.run(_run(Processes(settings), on_ready, on_open))
    return True


async def _run(
    processes: Processes,
    on_ready: Callable[[Address], object],
    on_open: Callable[[Address], object],
) -> None:
    signalled = asyncio.Event()
    _on_signals(signalled.set)
    await processes.start()
    on_ready(processes.address)
    stopped = asyncio.ensure_future(signalled.wait())
    ready = asyncio.ensure_future(processes.ready())
    await asyncio.wait((stopped, ready), return_when=asyncio.FIRST_COMPLETED)
    error = ready.exception() if ready.done() else None
    if ready.done() and error is None:
        for opened in processes.door_addresses:
            on_open(opened)
        await stopped
    for task in (stopped, ready):
        task.cancel()
    _on_signals(processes.hurry)  # a second one is handed on as well
    await processes.stop()
    if error is not None:
        raise error


def _on_signals(react: Callable[[], None]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, react)
