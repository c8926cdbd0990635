"""What an answer says of the state that it is of, so that it can be asked of again."""

from datetime import UTC, datetime
from functools import lru_cache

from saelake.store.format.moments import zoned
from saelake.store.lake.lake import Lake
from saelake.store.lake.states import LakeState, is_state
from saelake.store.requests.request import Request
from saelake.store.snapshot.sampled import UNSAMPLED
from saelake.store.tables.opening import SUFFIX, parted
from saelake.store.tables.seen import Seen

STATE = "state"  # the key in the metadata of an answer's schema


def now_of(lake: Lake) -> str:
    """The tag, time or state that a lake is opened at; of the newest, the time that it is now."""
    return datetime.now(UTC).isoformat() if lake.at is None else zoned(lake.at)


def state_said(at: str, request: Request, seen: Seen) -> str:
    """The state of an answer to a question that was asked at a tag, time or state.

    A question that goes through all tables is of that time, and names none of them.
    """
    if is_state(at):
        return at
    if request.question in UNSAMPLED:
        return str(LakeState(at=at))
    return str(LakeState(at=at, tables={_name(place): pin for place, pin in seen.pins().items()}))


@lru_cache(maxsize=4096)  # asked for every table of every answer
def _name(place: str) -> str:
    return parted(place)[0].removesuffix(SUFFIX).rpartition("/")[2]
