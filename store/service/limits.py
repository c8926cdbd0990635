"""What one server gives at most."""

from dataclasses import dataclass, replace
from typing import Self

from saelake.store.errors import InvalidInput
from saelake.store.requests.request import Cost
from saelake.store.service.lanes.places import LaneRoom

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one server gives at most.

    Health probes and those who are denied access take no place among answers. Exports are of any
    size, since they are streamed no faster than they are read.

    - answers: quick questions that are answered at once
    - analyses: analyses that are computed at once
    - exports: exports, and verifying, at once
    - waiting: how many more of each of these wait for a place; the rest is refused
    - wait_s: seconds that a question waits for a place before it is refused
    - caller_share: the share of places, threads and of those who wait that one caller has
    - threads: threads that answer quick questions
    - answer_bytes: size of an answer, exports aside
    - answer_s: seconds that a quick answer takes
    - analysis_s: seconds that an analysis takes, which reads a whole selection
    - export_s: seconds that an export or verifying takes
    - idle_s: seconds that an answer is kept which nobody reads, and a question that does not come
    - request_bytes: size of a request
    - import_bytes: size of documents or labels that are sent, together
    - changes: changes that take long, as imports do, at once; each keeps its place until it is done
    - commands: changes that take a moment, at once
    - watches: callers who watch a job, at once
    - upload_s: seconds in which documents or labels are sent, each piece within `idle_s`
    - calls_per_s: calls of a caller a second, on average; without tokens a caller is a machine
    - burst_calls: calls of a caller at once, after a rest
    - memory_bytes: memory of a process that computes an analysis or an export
    - kept_bytes: what a process that computes keeps of what it read, for the next answer
    - stop_s: seconds to stop in for a process whose answer nobody waits for, before it is ended
    """

    answers: int = 64
    analyses: int = 4
    exports: int = 8
    changes: int = 8
    commands: int = 8
    watches: int = 64
    waiting: int = 256
    wait_s: float = 30.0
    caller_share: float = 0.5
    threads: int = 8
    answer_bytes: int = 256 * MIB
    answer_s: float = 60.0
    analysis_s: float = 600.0
    export_s: float = 24 * 3600.0
    idle_s: float = 120.0
    upload_s: float = 2 * 3600.0
    request_bytes: int = MIB
    import_bytes: int = 4096 * MIB
    calls_per_s: float = 2000.0
    burst_calls: int = 4000
    memory_bytes: int = 16384 * MIB
    kept_bytes: int = 256 * MIB
    stop_s: float = 0.5

    def __post_init__(self) -> None:
        wrong = [name for name in self.__slots__ if not getattr(self, name) > 0]
        if wrong:
            raise InvalidInput(f"The limits {', '.join(wrong)} must be more than 0.")
        if self.caller_share > 1:
            raise InvalidInput(f"A share is at most 1, not caller_share = {self.caller_share:g}.")

    def seconds(self, cost: Cost) -> float:
        """How long an answer may take."""
        limits = {"quick": self.answer_s, "analysis": self.analysis_s, "export": self.export_s}
        return limits[cost]

    def most_bytes(self, cost: Cost) -> int | None:
        """How large an answer may be; None: of any size."""
        return None if cost == "export" else self.answer_bytes

    def room(self, cost: Cost) -> LaneRoom:
        """The places for answers of a kind."""
        places = {"quick": self.answers, "analysis": self.analyses, "export": self.exports}
        named = {"quick": "answers", "analysis": "analyses", "export": "exports"}
        return self.room_of(places[cost], named[cost])

    def room_of(self, places: int, what: str) -> LaneRoom:
        """So many places, and who waits for one as for all others."""
        return LaneRoom(
            places=places,
            waiting=self.waiting,
            wait_s=self.wait_s,
            caller_share=self.caller_share,
            what=what,
        )

    def divided(self, n: int) -> Self:
        """What each of `n` processes gives that are one server.

        They share the places and those who wait for one, rounded up; the rest is of each process.
        """
        shared = ("answers", "analyses", "exports", "changes", "commands", "watches", "waiting")
        return replace(self, **{name: -(-getattr(self, name) // n) for name in shared})
