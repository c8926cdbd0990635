"""Where the workers of a run are: what the driver needs of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from saelake.store.growth.shards import TableSettings
from saelake.workers.encoder.shard import Shard
from saelake.workers.fleet.encoded import Counts
from saelake.workers.fleet.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Paged:
    """A worker has encoded a page more of the shard that it is at."""

    worker: str
    counts: Counts


News: TypeAlias = Event | Paged


class Pool(Protocol):
    """Workers, that come and go by themselves."""

    def open(self) -> Sequence[TableSettings]:
        """Begin to load workers, and wait for one; the collections, which it has registered.

        Raises the errors of `Worker.load` and `Worker.register`.
        """

    @property
    def notes(self) -> Sequence[str]:
        """What a user must be told of the collections, once it is open."""

    def send(self, worker: str, shard: Shard) -> None:
        """Have a worker encode a shard, after those that it has."""

    def drop(self, worker: str) -> None:
        """End a worker, and have another one take its place."""

    def news(self, timeout_s: float) -> Sequence[News]:
        """What happened, waiting for it so long at most."""

    def close(self) -> None:
        """End the workers."""
