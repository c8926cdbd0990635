"""What can happen to a run: workers come and go, and what becomes of their shards."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from saelake.store.errors import DeadlineExceeded, SaelakeError, Unavailable
from saelake.workers.encoder.shard import Shard
from saelake.workers.fleet.encoded import EncodedShard

Blame = Literal["document", "place", "run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a shard was not encoded.

    `blame` says whether another document could be encoded all the same ("document"), another
    worker could ("place"), or nobody ("run"). `error` is what is raised when the run stops.
    """

    blame: Blame
    reason: str
    error: BaseException | None = None

    @classmethod
    def of(cls, error: BaseException) -> "Failure":
        """The failure that an error of a worker is."""
        blame: Blame = "document"
        if isinstance(error, Unavailable | DeadlineExceeded):
            blame = "place"
        elif isinstance(error, SaelakeError) or not isinstance(error, Exception):
            blame = "run"
        elif isinstance(error, OSError):
            blame = "place"
        reason = next(iter(str(error).splitlines()), "")
        return cls(blame=blame, reason=f"{type(error).__name__}: {reason}", error=error)


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A worker is ready for shards."""

    worker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """A worker is gone, with what it had."""

    worker: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A shard is encoded, and its rows are written; by the driver itself without a `worker`."""

    worker: str | None
    encoded: EncodedShard


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A worker could not encode a shard."""

    worker: str
    shard: Shard
    failure: Failure


@dataclass(frozen=True, slots=True)
class Tick:
    """Time went by."""


Event: TypeAlias = Joined | Lost | Written | Failed | Tick
