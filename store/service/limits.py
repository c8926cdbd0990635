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

    `answers` to quick questions, `analyses` and `exports` are in work at once; of each `waiting`
    more wait for up to `wait_s`, and the rest is refused. One caller has at most `caller_share` of
    places, threads and of those who wait. Quick questions are answered by `threads`. Health probes
    and those who are denied access take no place among them.

    In work at once are also `changes` that take long, as imports do, `commands` that do not, and
    `watches` of jobs, with as many who wait; what has begun keeps its place until it is done. What
    is sent comes within `upload_s`, and no piece of it takes longer than `idle_s`.

    An answer has at most `answer_bytes` and takes at most `answer_s`, or `analysis_s` where it
    reads a whole selection; exports and verify may take `export_s` and have any size, since they
    are streamed no faster than they are read. What is not read for `idle_s` ends. A request has at
    most `request_bytes`; documents or labels that are sent have at most `import_bytes` together.

    A process that computes an analysis or an export has up to `memory_bytes`, of which it keeps
    `kept_bytes` of what it read for the next one. `stop_s` after nobody waits for its answer it is
    ended, where it has not stopped by itself.

    A caller makes `calls_per_s` on average, and `burst_calls` at once after a rest; without tokens
    a caller is a machine.
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
        """What each of `n` servers gives that are one to their callers."""
        shared = ("answers", "analyses", "exports", "changes", "commands", "watches", "waiting")
        return replace(self, **{name: -(-getattr(self, name) // n) for name in shared})
