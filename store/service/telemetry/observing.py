"""Everyone who is told of a server's calls, from its start to its end."""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from saelake.store.errors import extra
from saelake.store.service.telemetry.call import Observer
from saelake.store.service.telemetry.logs import CallLog
from saelake.store.service.telemetry.settings import Telemetry
from saelake.store.snapshot.inmemory import InMemory
from saelake.store.wire.address import Address

if TYPE_CHECKING:
    from saelake.store.service.telemetry.metrics import Metrics, SharedMetrics

SAMPLE_S = 5.0  # between two looks at what is in memory
# OpenTelemetry's own variables: one of them asks for traces.
TRACE_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Observing:
    """The observers of one process that serves.

    `look` says what it has in memory, `waiting` how many calls of each cost wait for their turn;
    `others` are told of calls as well.
    Raises `MissingExtra` for a library that is not installed, and `InvalidInput` for an address
    that is taken.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        look: Callable[[], InMemory],
        waiting: Callable[[], Mapping[str, int]] = dict,
        others: Sequence[Observer] = (),
    ) -> None:
        self._look, self._waiting = look, waiting
        traces = _traces(telemetry)
        self.metrics = _metrics(telemetry)
        found = (CallLog(), traces, self.metrics, *others)
        self.observers: tuple[Observer, ...] = tuple(each for each in found if each is not None)
        self._sampling: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Look at what is in memory now and then, in the event loop that runs."""
        if self.metrics is not None:
            self._sampling = asyncio.ensure_future(self._sample(self.metrics))

    async def _sample(self, metrics: "Metrics") -> None:
        while True:
            metrics.sample(self._look(), self._waiting())
            await asyncio.sleep(SAMPLE_S)

    async def close(self) -> None:
        """End all of it, once; what is not yet sent is sent."""
        if self._sampling is not None:
            self._sampling.cancel()
            with suppress(asyncio.CancelledError):
                await self._sampling
        closing, self.observers = self.observers, ()
        for observer in closing:
            await asyncio.to_thread(observer.close)


def shared_metrics(address: Address) -> "SharedMetrics":
    """What answers scrapes for several processes, made before they are started."""
    with extra("metrics", "Metrics"):
        from saelake.store.service.telemetry.metrics import SharedMetrics
    return SharedMetrics(address)


def _metrics(telemetry: Telemetry) -> "Metrics | None":
    if telemetry.metrics is None:
        return None
    with extra("metrics", "Metrics"):
        from saelake.store.service.telemetry.metrics import Metrics
    return Metrics(telemetry.metrics)


def _traces(telemetry: Telemetry) -> Observer | None:
    if telemetry.traces is None and not any(map(os.environ.get, TRACE_VARIABLES)):
        return None
    with extra("traces", "Traces"):
        from saelake.store.service.telemetry.traces import Traces
    return Traces(telemetry.traces or "")
