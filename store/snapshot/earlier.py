"""Earlier states of a lake, each opened once for as long as questions are asked of it."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from saelake.store.errors import InvalidInput
from saelake.store.format.moments import moment_of, zoned
from saelake.store.lake.lake import Lake
from saelake.store.lake.states import LakeState, is_state
from saelake.store.lake.tags import check_state
from saelake.store.snapshot.session import Session
from saelake.store.tables.opening import gone
from saelake.store.tables.seen import ABSENT
from saelake.store.tables.tables import Table

MOST = 16  # states that are kept open; what was read of them is in the cache that all share


class EarlierStates:
    """Sessions by state, the least recently used forgotten; thread-safe.

    A `lake` that is itself opened at a tag or time has only states of that.
    """

    def __init__(self, lake: Lake, session: Callable[[str], Session], most: int = MOST) -> None:
        self._lake = lake
        self._session = session
        self._most = most
        self._known: OrderedDict[str, Session] = OrderedDict()
        self._lock = Lock()

    def session(self, at: str) -> Session:
        """The session of a tag, time or state. Raises `NotFound` and `InvalidInput`."""
        with self._lock:
            if at in self._known:
                self._known.move_to_end(at)
                return self._known[at]
        check_there(self._lake, at)
        made = self._session(at)
        with self._lock:
            known = self._known.setdefault(at, made)
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return known

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._known.clear()


def check_there(lake: Lake, at: str) -> None:
    """Raise `NotFound` unless a tag, or every table of a state, is in the lake as it is opened."""
    state = LakeState.parse(at) if is_state(at) else LakeState(at=at)
    if lake.at is not None and state.at != zoned(lake.at):
        raise InvalidInput(
            f"Only the state of {lake.at!r} is open here. Ask without `at`, or open the lake "
            "without it.",
            at=at,
        )
    newest = Lake(lake.uri)
    if moment_of(state.at) is None:
        check_state(newest, state.at)
    there, known = Lake(lake.uri, at), set(newest.tables())
    for table, pin in state.tables.items():
        if table not in known and pin != ABSENT:  # nothing is opened that is no table of the lake
            raise gone(table)
        Table.find(there.table(table))
