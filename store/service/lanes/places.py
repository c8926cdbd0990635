"""Places for answers of one kind, and who gets the next one: the caller who has the fewest."""

import asyncio
import math
import time
from collections import Counter, OrderedDict, deque
from dataclasses import dataclass

from saelake.store.errors import LimitExceeded

SMOOTHING = 0.2  # of how long a place is taken, by the newest
LONGEST_S = 60.0  # that anybody is told to wait


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneRoom:
    """How many places there are, and how many may wait for one, for how long
    (None: for as long as it takes).

    One caller has at most `caller_share` of either, and at least one of each.
    """

    places: int
    waiting: int
    wait_s: float | None
    caller_share: float = 1.0
    what: str = "answers"

    @property
    def places_of_one(self) -> int:
        """How many places one caller may have."""
        return max(math.floor(self.places * self.caller_share), 1)

    @property
    def waiting_of_one(self) -> int:
        """How many answers of one caller may wait."""
        return max(math.floor(self.waiting * self.caller_share), 1)


class LanePlaces:
    """Who is at work and who waits. For one event loop."""

    def __init__(self, room: LaneRoom) -> None:
        self._room = room
        self._taken: Counter[str] = Counter()
        self._n_taken = 0
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._n_waiting = 0
        self._mean_s = 0.0

    @property
    def n_taken(self) -> int:
        """How many places are taken."""
        return self._n_taken

    @property
    def n_waiting(self) -> int:
        """How many wait for one."""
        return self._n_waiting

    async def take(self, caller: str) -> float:
        """Wait for a place; when it was given, for `give`. Raises `LimitExceeded`."""
        if self._is_free_for(caller) and caller not in self._queues:
            self._take(caller)
        else:
            await self._wait(caller)
        return time.monotonic()

    def give(self, caller: str, since: float) -> None:
        """Give a place back, which goes to who is next."""
        lasted = time.monotonic() - since
        self._mean_s += SMOOTHING * (lasted - self._mean_s)
        self._n_taken -= 1
        self._taken[caller] -= 1
        if not self._taken[caller]:
            del self._taken[caller]
        self._hand_out()

    def _is_free_for(self, caller: str) -> bool:
        room = self._room
        return self._n_taken < room.places and self._taken[caller] < room.places_of_one

    def _take(self, caller: str) -> None:
        self._n_taken += 1
        self._taken[caller] += 1

    async def _wait(self, caller: str) -> None:
        queue = self._queues.get(caller, ())
        if self._n_waiting >= self._room.waiting or len(queue) >= self._room.waiting_of_one:
            raise self._refusal()
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(caller, deque()).append(place)
        self._n_waiting += 1
        try:
            async with asyncio.timeout(self._room.wait_s):
                await place
        except BaseException as error:
            self._leave(caller, place)
            if isinstance(error, TimeoutError):
                raise self._refusal() from None
            raise

    def _leave(self, caller: str, place: "asyncio.Future[None]") -> None:
        """Wait no longer; a place that came at the last moment is given back."""
        queue = self._queues.get(caller)
        if queue is not None and place in queue:
            self._drop(caller, queue, place)
        elif place.done() and not place.cancelled():
            self.give(caller, time.monotonic())

    def _drop(
        self, caller: str, queue: "deque[asyncio.Future[None]]", place: "asyncio.Future[None]"
    ) -> None:
        queue.remove(place)
        self._n_waiting -= 1
        if not queue:
            del self._queues[caller]

    def _hand_out(self) -> None:
        """Give free places to those who have the fewest, and of these to who came first."""
        while self._queues and self._n_taken < self._room.places:
            caller = min(self._queues, key=self._taken.__getitem__)
            if self._taken[caller] >= self._room.places_of_one:
                return
            queue = self._queues[caller]
            place = queue[0]
            self._drop(caller, queue, place)
            if caller in self._queues:
                self._queues.move_to_end(caller)
            if not place.done():
                self._take(caller)
                place.set_result(None)

    def _refusal(self) -> LimitExceeded:
        room = self._room
        seconds = self._retry_after_s()
        return LimitExceeded(
            f"The server is at work on {self._n_taken} {room.what}, of at most {room.places} at "
            f"once and {room.places_of_one} of one caller, and {self._n_waiting} wait. Ask again "
            f"in {seconds} s.",
            limit_places=room.places,
            retry_after_s=seconds,
        )

    def _retry_after_s(self) -> int:
        """When a place may be free, by how long the last ones were taken."""
        expected = self._mean_s * (self._n_waiting + 1) / self._room.places
        return round(min(max(expected, 1.0), max(self._room.wait_s or LONGEST_S, 1.0)))
