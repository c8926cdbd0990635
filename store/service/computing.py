"""Which lane answers which questions."""

from collections.abc import Mapping

from saelake.store.engine import Engine
from saelake.store.requests.request import Cost
from saelake.store.service.lanes.children import ChildLane, ChildRoom
from saelake.store.service.lanes.lane import Lane
from saelake.store.service.lanes.parcels import ChildSettings
from saelake.store.service.lanes.threads import ThreadLane
from saelake.store.service.limits import Limits

OWN_BYTES = 512 << 20  # of a process: libraries, and what is free but not given back


def lanes(engine: Engine, limits: Limits, apart: ChildSettings | None) -> Mapping[Cost, Lane]:
    """The lanes of a server: threads for quick questions, and others for the rest.

    Those are processes that answer `apart`, or threads again (None).
    """
    quick = ThreadLane(engine, limits.threads, limits.caller_share)
    heavy: Lane
    if apart is None:
        heavy = ThreadLane(engine, limits.threads, limits.caller_share)
    else:
        heavy = ChildLane(apart, _room(limits))
    return {"quick": quick, "analysis": heavy, "export": heavy}


def _room(limits: Limits) -> ChildRoom:
    return ChildRoom(
        n_kept=limits.analyses,
        kept_bytes=limits.kept_bytes + OWN_BYTES,
        most_bytes=limits.memory_bytes,
        stop_s=limits.stop_s,
    )
