"""Options that say where a command's workers are."""

from itertools import pairwise
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from saelake.store.errors import InvalidInput
from saelake.workers.fleet.ray_cluster import ADDRESS, RayCluster

RAY, NEAREST = "--ray", "auto"
PANEL = "Workers on a Ray cluster"

RayOption = Annotated[
    str | None,
    typer.Option(
        RAY,
        metavar="[ADDRESS]",
        help="Work on a Ray cluster: auto (also when no address follows), HOST:PORT, "
        "ray://HOST:PORT, or local to start one on this machine.",
        rich_help_panel=PANEL,
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        help="How many workers. [default: as many as there are GPUs, or room on the CPUs]",
        rich_help_panel=PANEL,
    ),
]
GpusOption = Annotated[
    float | None,
    typer.Option(
        help="GPUs of a worker, as 1 or 0.25; 4 for a model that is spread over as many. "
        "[default: 1, where there are any]",
        rich_help_panel=PANEL,
    ),
]
CpusOption = Annotated[
    int | None,
    typer.Option(
        help="CPUs of a worker, and its threads. [default: 2, or 1]", rich_help_panel=PANEL
    ),
]


class ClusterCommand(TyperCommand):
    """A command whose `--ray` may stand without an address."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments, with the address that `--ray` alone means."""
        return super().parse_args(ctx, with_address(args))


def with_address(args: list[str]) -> list[str]:
    """The arguments, with an address after each `--ray` that has none."""
    addressed = []
    for word, following in pairwise([*args, ""]):
        addressed.append(word)
        if word == RAY and not ADDRESS.fullmatch(following):
            addressed.append(NEAREST)
    return addressed


def cluster_options(
    *,
    ray: RayOption = None,
    workers: WorkersOption = None,
    gpus_per_worker: GpusOption = None,
    cpus_per_worker: CpusOption = None,
) -> RayCluster | None:
    """The cluster that these options name, or None. Raises `InvalidInput`."""
    return _cluster(
        ray,
        workers=workers,
        gpus_per_worker=gpus_per_worker,
        cpus_per_worker=cpus_per_worker,
    )


def cpu_cluster_options(
    *, ray: RayOption = None, workers: WorkersOption = None, cpus_per_worker: CpusOption = None
) -> RayCluster | None:
    """The cluster that options of work without GPUs name, or None. Raises `InvalidInput`."""
    return _cluster(ray, workers=workers, cpus_per_worker=cpus_per_worker)


def _cluster(ray: str | None, **sizes: Any) -> RayCluster | None:
    if ray is not None:
        return RayCluster(address=ray, **sizes)
    for name, size in sizes.items():
        if size is not None:
            raise InvalidInput(f"--{name.replace('_', '-')} is of a Ray cluster: give --ray too.")
    return None
