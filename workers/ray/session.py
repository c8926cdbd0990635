"""A connection to a Ray cluster, for as long as something runs there."""

import gc
import logging
import os
import re
import socket
import time
import warnings
from collections.abc import Mapping
from typing import Any

import ray
from ray.exceptions import RayError

from saelake.store.errors import AwaitsRoom, InvalidInput, Unavailable
from saelake.workers.fleet.ray_cluster import RayCluster, Share, share_of

OBJECT_STORE_BYTES = 128 << 20  # of a Ray that is started here: only small answers go through it
KNOCK_S = 10.0
ROOM_S = 10.0  # for what others give back, of which Ray tells within a second or two
STARTS = 3
_SLOW = re.compile("timed out (during startup|waiting for file)", re.IGNORECASE)
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # a run tells nobody of itself
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else Ray warns that it will be
}


_users: set[int] = set()  # the sessions that share the connection of this process, which is ours


class RaySession:
    """Connects to a cluster, or starts one here; one that the caller has connected to stays so.

    A process has one connection, which goes with the last session.
    """

    def __init__(self, cluster: RayCluster) -> None:
        self._cluster = cluster

    def open(self) -> None:
        """Connect. Raises `Unavailable` when there is no cluster."""
        if ray.is_initialized():
            if _users:  # and not by whoever calls us
                _users.add(id(self))
            return
        _let_print(allowed=False)
        try:
            _knock(self._cluster.address)
            start(self._cluster.address)
            _users.add(id(self))
        except (OSError, RuntimeError, ValueError) as error:
            raise Unavailable(
                f"No Ray cluster answers at {self._cluster.address!r}: {_first_line(error)} Start "
                "one with `ray start --head`, or use --ray local.",
                address=self._cluster.address,
            ) from error

    @property
    def share(self) -> Share:
        """What workers get of the machines that the cluster has now.

        Raises `InvalidInput` for a worker that has no room on this machine, where Ray was started
        here: it gets no more machines.
        """
        n_cpus, n_gpus = _resources()
        share = share_of(self._cluster, n_cpus, n_gpus)
        if self._cluster.address == "local" and (share.cpus > n_cpus or share.gpus > n_gpus):
            raise InvalidInput(
                f"A worker with {share.cpus} CPUs and {share.gpus:g} GPUs has no room on this "
                f"machine, which has {n_cpus:.0f} CPUs and {n_gpus:.0f} GPUs."
            )
        return share

    def await_room(self) -> None:
        """Wait for room for a worker, if others have taken it.

        If it is not given back in some seconds, `AwaitsRoom` warns of it, as a cluster may get more
        machines. Raises `Unavailable` where Ray was started here, which only this process has.
        """
        patience = time.monotonic() + ROOM_S
        while (taken := _taken(self.share)) and time.monotonic() < patience:
            time.sleep(0.2)
        if not taken:
            return
        if self._cluster.address == "local":
            raise Unavailable(
                f"{taken} Others are taken in this process, as by a lake that was opened with "
                "ray=: close it first, or open it with fewer workers."
            )
        warnings.warn(f"{taken} Work begins as soon as there is room.", AwaitsRoom, stacklevel=3)

    def close(self) -> None:
        """Disconnect, and end what was started here."""
        if id(self) not in _users:
            return
        _users.discard(id(self))
        if not _users:
            ray.shutdown()
            _let_print(allowed=True)


def start(address: str, **here: Any) -> None:
    """Connect, or start Ray with these options: again where it gave up waiting for its processes.

    It waits for 30 seconds, which a busy machine needs to read its files for the first time. Raises
    `RuntimeError` after `STARTS` attempts, and what Ray itself raises.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address == "local":
        options |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES, **here}
    for _ in range(STARTS):
        if _begun(address, options):
            return
        with warnings.catch_warnings():  # what the attempt left behind is let go here
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
    raise RuntimeError(f"Ray did not start in {STARTS} attempts of 30 s.")


def _begun(address: str, options: dict[str, Any]) -> bool:
    """Connect, or start Ray; False where its processes took too long."""
    try:
        with warnings.catch_warnings():  # Ray's own processes never touch Lance
            warnings.filterwarnings("ignore", message="lance is not fork-safe")
            ray.init(address, **options)
    except Exception as error:  # of no narrower type
        if not _SLOW.search(str(error)):
            raise
        ray.shutdown()
        return False
    return True


def cause(error: RayError) -> str:
    """What ended an actor or a task, in a line: of errors that Python raised there, the last."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[-1] if "creation task" in lines[0] else lines[0]


def _resources() -> tuple[float, float]:
    """The CPUs and GPUs of the whole cluster."""
    return _of(ray.cluster_resources())


def _taken(share: Share) -> str:
    """What a worker lacks, if others have taken it."""
    cpus, gpus = _of(ray.available_resources())
    if cpus >= share.cpus and gpus >= share.gpus:
        return ""
    return (
        f"Of the Ray cluster {cpus:g} CPUs and {gpus:g} GPUs are free, and a worker takes "
        f"{share.cpus} and {share.gpus:g}."
    )


def _of(found: Mapping[str, float]) -> tuple[float, float]:
    return found.get("CPU", 0.0), found.get("GPU", 0.0)


def _let_print(*, allowed: bool) -> None:
    """Whether Ray may tell of each lost worker on standard output, where only answers belong."""
    ray._private.worker._worker_logs_enabled = allowed


def _knock(address: str) -> None:
    """Raise an `OSError` where nobody listens: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host:
        socket.create_connection((host, int(port)), timeout=KNOCK_S).close()


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
