"""A Ray cluster to encode on, as a user names it."""

import re
from dataclasses import dataclass

from saelake.store.errors import InvalidInput

ADDRESS = re.compile(r"auto|local|ray://\S+|[^\s/]+:\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RayCluster:
    """Where the cluster is, and how many workers of what size it gets.

    Attributes:
        address: `auto` (the cluster that this machine belongs to), `HOST:PORT` or `ray://HOST:PORT`
            of a cluster, or `local` to start Ray on this machine for the run.
        workers: how many workers; None is as many as the cluster has GPUs, or where it has none,
            as its CPUs have room for. Fewer begin where there is no room yet; the others follow
            when machines join.
        gpus_per_worker: a fraction, for several small models on one GPU, or a whole number: above
            1 the model is spread over so many. None is 1 where the cluster has GPUs, else 0.
        cpus_per_worker: also the threads of each worker's torch; None is 2, or 1 where the
            cluster has fewer for so many workers.
    """

    address: str = "auto"
    workers: int | None = None
    gpus_per_worker: float | None = None
    cpus_per_worker: int | None = None

    def __post_init__(self) -> None:
        problems = []
        if not ADDRESS.fullmatch(self.address):
            problems.append(
                f"a Ray cluster is auto, local, HOST:PORT or ray://HOST:PORT, not {self.address!r}"
            )
        if self.workers is not None and self.workers < 1:
            problems.append(f"there must be at least 1 worker, not {self.workers}")
        if self.gpus_per_worker is not None and self.gpus_per_worker < 0:
            problems.append(f"a worker cannot have {self.gpus_per_worker} GPUs")
        gpus = self.gpus_per_worker or 0
        if gpus > 1 and gpus != int(gpus):
            problems.append(f"a worker has a part of one GPU or whole ones, not {gpus} GPUs")
        if self.cpus_per_worker is not None and self.cpus_per_worker < 1:
            problems.append(f"a worker has at least 1 CPU, not {self.cpus_per_worker}")
        if problems:
            raise InvalidInput("; ".join(problems) + ".")


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """How many workers there are to be, and the GPUs and CPUs of each."""

    workers: int
    gpus: float
    cpus: int

    def device(self, asked: str | None) -> str | None:
        """The device of a worker's model: as `asked`, or all of several GPUs, which Ray numbers."""
        if asked is not None or self.gpus <= 1:
            return asked
        return ",".join(f"cuda:{number}" for number in range(int(self.gpus)))


def share_of(cluster: RayCluster, n_cpus: float, n_gpus: float) -> Share:
    """What the workers get of a cluster with so many CPUs and GPUs."""
    gpus = cluster.gpus_per_worker
    if gpus is None:
        gpus = 1.0 if n_gpus else 0.0
    cpus = cluster.cpus_per_worker or max(min(2, int(n_cpus) // (cluster.workers or 1)), 1)
    room = n_gpus // gpus if gpus else n_cpus // cpus
    return Share(workers=cluster.workers or max(int(room), 1), gpus=gpus, cpus=cpus)
