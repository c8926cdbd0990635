"""A Ray cluster of several nodes on this machine, that come and go."""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest

from saelake.workers.fleet.ray_cluster import RayCluster

OBJECT_STORE_BYTES = 100 << 20
QUICK_TO_NOTICE = {
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 1000,
    "health_check_failure_threshold": 4,
}


class Machines:
    """A cluster of several nodes on this machine, the head of which has no workers."""

    def __init__(self) -> None:
        cluster_utils = pytest.importorskip("ray.cluster_utils")
        self._cluster = cluster_utils.Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 0,
                "object_store_memory": OBJECT_STORE_BYTES,
                "include_dashboard": False,
                "_system_config": QUICK_TO_NOTICE,
            },
        )

    def add(self) -> Any:
        """A node with room for one worker."""
        return self._cluster.add_node(num_cpus=1, object_store_memory=OBJECT_STORE_BYTES)

    def kill(self, node: Any) -> None:
        """End a node's processes by SIGKILL."""
        self._cluster.remove_node(node, allow_graceful=False)

    def stall(self, node: Any, workers: Iterable[int]) -> None:
        """Have a node and its workers stand still, as a machine does that is cut off."""
        for pid in (*_pids(node), *workers):
            os.kill(pid, signal.SIGSTOP)

    def go_on(self, node: Any, workers: Iterable[int]) -> None:
        """Have them go on, as if nothing had been."""
        for pid in (*_pids(node), *workers):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def room(self, workers: int) -> RayCluster:
        return RayCluster(address=self._cluster.address, workers=workers, cpus_per_worker=1)

    def close(self) -> None:
        self._cluster.shutdown()


def _pids(node: Any) -> list[int]:
    return [info.process.pid for infos in node.all_processes.values() for info in infos]
