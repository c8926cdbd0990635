"""Pieces of work as tasks on a Ray cluster; see `store.codes.executor`."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Self, TypeVar

import ray
from ray.exceptions import RayError, RayTaskError

from saelake.store.errors import Unavailable
from saelake.workers.fleet.ray_cluster import RayCluster
from saelake.workers.ray.session import RaySession, cause

T = TypeVar("T")
R = TypeVar("R")

ATTEMPTS = 3  # at a piece whose worker or machine dies
QUEUED = 2  # pieces under way for each worker that there is room for: one of them waits


class RayExecutor:
    """Runs pieces wherever the cluster has CPUs; a piece whose machine dies is run elsewhere.

    So `work` must be able to run twice for an item, as what writes without committing is. To be
    entered before use.
    """

    def __init__(self, cluster: RayCluster) -> None:
        self._n_workers = cluster.workers
        self._session = RaySession(replace(cluster, gpus_per_worker=0))

    def __enter__(self) -> Self:
        """Raises `Unavailable` when there is no cluster, or no room in one that is started here."""
        self._session.open()
        try:
            self._session.await_room()
        except BaseException:
            self._session.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def map(self, work: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """See `Executor`.

        Raises what `work` raises, `Unavailable` when workers die of it, and `InvalidInput` where
        there is no room for one.
        """
        options = {"num_cpus": self._session.share.cpus, "max_retries": ATTEMPTS - 1}
        task = ray.remote(_done).options(**options)
        carried = ray.put(work)
        running: deque[Any] = deque()
        try:
            for item in items:
                while len(running) >= self._n_at_once:
                    yield _result(running.popleft())
                running.append(task.remote(carried, item))
            while running:
                yield _result(running.popleft())
        finally:
            for answer in running:  # the caller stopped, or a piece failed
                ray.cancel(answer, force=True)

    @property
    def _n_at_once(self) -> int:
        """As many as were asked for, else by the machines that the cluster has now."""
        return self._n_workers or QUEUED * self._session.share.workers


def _done(work: Callable[[T], R], item: T) -> R:
    return work(item)


def _result(answer: Any) -> Any:
    try:
        return ray.get(answer)
    except RayTaskError as error:
        raise error.cause from None
    except RayError as error:
        raise Unavailable(
            f"A piece of work was tried {ATTEMPTS} times on the Ray cluster, and its worker died "
            f"each time: {cause(error)} Where it ran out of memory, give --memory less.",
        ) from error
