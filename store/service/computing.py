"""Which lane answers which questions."""

from collections.abc import Mapping

from saelake.store.engine import Engine
from saelake.store.requests.request import Cost
from saelake.store.service.lanes.children import ChildLane
from saelake.store.service.lanes.lane import Lane
from saelake.store.service.lanes.parcels import ChildSettings
from saelake.store.service.lanes.threads import ThreadLane
from saelake.store.service.limits import Limits


def lanes(engine: Engine, limits: Limits, apart: ChildSettings | None) -> Mapping[Cost, Lane]:
    """The lanes of a server: threads for quick questions, and others for the rest.

    Those are processes that answer `apart`, or threads again (None).
    """
    quick = ThreadLane(engine, limits.threads, limits.caller_share)
    heavy: Lane
    if apart is None:
        heavy = ThreadLane(engine, limits.threads, limits.caller_share)
    else:
        heavy = ChildLane(apart, n_kept=limits.analyses, stop_s=limits.stop_s)
    return {"quick": quick, "analysis": heavy, "export": heavy}
