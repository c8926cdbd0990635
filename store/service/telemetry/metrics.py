"""Metrics for Prometheus, of one process or of several that serve one port.

Several processes count in files of a folder that all know (`MULTIPROC_DIR`, prometheus_client's own
way), and the one that started them answers scrapes for all.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    start_http_server,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from saelake.store.errors import InvalidInput
from saelake.store.service.telemetry.call import Ended
from saelake.store.snapshot.inmemory import InMemory
from saelake.store.wire.address import Address, cannot_listen

MULTIPROC_DIR = "PROMETHEUS_MULTIPROC_DIR"
# From a cached answer to the longest that `Limits` allows for an analysis, in steps of 2 to 2.5.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600)


class Metrics:
    """Counts calls, and answers scrapes where this process is not one of several.

    What `sample` is told now and then is shown beside them. Raises `InvalidInput` for an address
    that is taken.
    """

    def __init__(self, address: Address) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self._calls = Counter(
            "saelake_calls", "Calls that have ended.", ["method", "code"], registry=registry
        )
        self._seconds = Histogram(
            "saelake_call_seconds",
            "How long calls took, to the last byte.",
            ["method"],
            buckets=SECONDS,
            registry=registry,
        )
        self._bytes = Counter(
            "saelake_answer_bytes", "Bytes of answers sent.", ["method"], registry=registry
        )
        self._in_flight = self._gauge("saelake_calls_in_flight", "Calls under way.", "method")
        self._waiting = self._gauge(
            "saelake_calls_waiting", "Calls that wait for their turn.", "cost"
        )
        self._cache_bytes = self._gauge("saelake_cache_bytes", "Bytes that are kept in memory.")
        self._cache_limit = self._gauge("saelake_cache_limit_bytes", "Bytes kept at most.")
        self._found = Counter(
            "saelake_cache_lookups",
            "Whether what a question needs was in memory.",
            ["found"],
            registry=registry,
        )
        self._age = Gauge(
            "saelake_snapshot_age_seconds",
            "How long ago a newer state was looked for; of several processes the longest.",
            registry=registry,
            multiprocess_mode="livemax",
        )
        self._before: dict[str, int] = {}
        self._scrapes = None if MULTIPROC_DIR in os.environ else Scrapes(address, registry)
        if self._scrapes is not None:
            ProcessCollector(registry=registry)
            PlatformCollector(registry=registry)

    def begins(self, method: str) -> None:
        """See `Observer`."""
        self._in_flight.labels(method).inc()

    def ends(self, call: Ended) -> None:
        """See `Observer`."""
        self._in_flight.labels(call.method).dec()
        self._calls.labels(call.method, call.code).inc()
        self._seconds.labels(call.method).observe(call.seconds)
        self._bytes.labels(call.method).inc(call.n_bytes)

    def close(self) -> None:
        """Answer no more scrapes."""
        if self._scrapes is not None:
            self._scrapes.close()

    def sample(self, held: InMemory, waiting: Mapping[str, int]) -> None:
        """Show what is in memory, and how many calls of each cost wait."""
        self._cache_bytes.set(held.n_bytes)
        self._cache_limit.set(held.capacity)
        self._age.set(held.age_s)
        for found, n in (("yes", held.n_found), ("no", held.n_missed)):
            self._found.labels(found).inc(n - self._before.get(found, 0))
            self._before[found] = n
        for cost, n in waiting.items():
            self._waiting.labels(cost).set(n)

    @property
    def address(self) -> Address | None:
        """Where this process answers scrapes; None where another does."""
        return None if self._scrapes is None else self._scrapes.address

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        """A gauge whose values over several living processes are added up."""
        return Gauge(name, about, labels, registry=self._registry, multiprocess_mode="livesum")


class Scrapes:
    """Answers scrapes at an address, in a thread."""

    def __init__(self, address: Address, registry: CollectorRegistry) -> None:
        try:
            self._server, self._thread = start_http_server(address.port, address.host, registry)
        except OSError as error:
            raise cannot_listen(address, "--metrics", error) from error
        self.address = Address(host=address.host, port=self._server.server_port)

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class SharedMetrics:
    """What several processes count, in one answer. Make it before they are started."""

    def __init__(self, address: Address) -> None:
        self._folder = tempfile.mkdtemp(prefix="saelake-metrics-")
        os.environ[MULTIPROC_DIR] = self._folder
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        try:
            self._scrapes = Scrapes(address, registry)
        except InvalidInput:
            self._remove()
            raise

    @property
    def address(self) -> Address:
        """Where scrapes are answered."""
        return self._scrapes.address

    def forget(self, process: int) -> None:
        """That a process has ended: what it has in work is no more; what it counted stays."""
        mark_process_dead(process, self._folder)  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Answer no more scrapes."""
        self._scrapes.close()
        self._remove()

    def _remove(self) -> None:
        os.environ.pop(MULTIPROC_DIR, None)
        shutil.rmtree(self._folder, ignore_errors=True)
