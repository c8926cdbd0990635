"""What a schedule has the driver of a run do."""

from dataclasses import dataclass
from typing import TypeAlias

from saelake.workers.encoder.shard import Shard
from saelake.workers.fleet.encoded import EncodedShard
from saelake.workers.fleet.events import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Send:
    """Give a worker a shard."""

    worker: str
    shard: Shard


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """Commit written shards in one step."""

    shards: tuple[EncodedShard, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """End a worker that stalls or only fails; another one takes its place."""

    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Write a row that says why a document has no codes, and report it as `Written`."""

    shard: Shard
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """End the run."""

    failure: Failure


Action: TypeAlias = Send | Commit | Drop | Record | Stop
