"""Actors on a Ray cluster that answer a lake's questions together with this process."""

from typing import TYPE_CHECKING

from saelake.store.errors import extra
from saelake.workers.fleet.ray_cluster import RayCluster

if TYPE_CHECKING:  # a name in a signature costs nothing until it is used
    from saelake.workers.ray.owners import RayOwners


def ray_owners(ray: str | RayCluster, memory_bytes: int | None = None) -> "RayOwners":
    """The actors, the first of which is there; each keeps up to `memory_bytes` (None: 1 GiB).

    Raises `InvalidInput` for what is no address, `MissingExtra` without Ray, and `Unavailable`
    when no cluster answers.
    """
    cluster = RayCluster(address=ray) if isinstance(ray, str) else ray
    with extra("ray", "To answer on a Ray cluster"):
        from saelake.workers.ray.owners import DEFAULT_OWNER_BYTES, RayOwners
    kept = DEFAULT_OWNER_BYTES if memory_bytes is None else memory_bytes
    return RayOwners(cluster, kept).open()
