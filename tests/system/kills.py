"""Kills at random moments, and a count of where they fell."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from random import Random
from time import sleep
from types import MappingProxyType
from typing import Self

from tests.system.builders import (
    COMMITTING,
    MERGING,
    PHASES,
    STARTING,
    WORKING,
    WRITING,
    Builder,
)

# About as long as each phase takes, so that kills fall anywhere in it and a little beyond.
LONGEST_S: Mapping[str, float] = MappingProxyType(
    {STARTING: 0.8, WORKING: 0.02, WRITING: 0.006, COMMITTING: 0.012, MERGING: 0.006}
)
MOST_TIMES = 4

Tally = Counter[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """When a process is to die: `delay_s` after it began `phase` for the `times`-th time."""

    phase: str
    times: int
    delay_s: float

    @classmethod
    def drawn(cls, random: Random, *, merges: bool) -> Self:
        """A random plan; every phase is as likely, of those that there are."""
        phase = random.choice([phase for phase in PHASES if merges or phase != MERGING])
        times = 0 if phase == STARTING else random.randint(1, MOST_TIMES)
        return cls(phase=phase, times=times, delay_s=random.uniform(0, LONGEST_S[phase]))


class Victim:
    """A builder that is to die."""

    def __init__(self, builder: Builder, plan: Plan) -> None:
        self.builder = builder
        self._plan = plan
        self._left = plan.times

    @property
    def is_due(self) -> bool:
        """Whether the phase has come."""
        return self._left == 0

    def advance(self) -> bool:
        """Wait for its next moment; False when it ended before it was due."""
        if not self.builder.advance():
            return False
        self._left -= self.builder.phase == self._plan.phase
        return True

    def kill(self) -> bool:
        """Kill it after the plan's delay; whether it was still at work."""
        sleep(self._plan.delay_s)
        return self.builder.kill()


def killed(
    start: Callable[[], Builder], *, n_builders: int, n_kills: int, random: Random, merges: bool
) -> Iterator[str]:
    """The phase that each of up to `n_kills` builders was killed in; then the last one ends well.

    So many are at work at once; each that is killed is followed by another. There are fewer kills
    when a builder comes to the end of the work before it is due. `merges` is whether it merges
    segments.
    """
    victims = [Victim(start(), Plan.drawn(random, merges=merges)) for _ in range(n_builders)]
    for _ in range(n_kills):
        due = _next_due(victims)
        if due is None or not due.kill():
            break
        yield due.builder.phase
        victims[victims.index(due)] = Victim(start(), Plan.drawn(random, merges=merges))
    codes = [victim.builder.finish() for victim in victims]
    assert set(codes) <= {0}, f"a builder failed: {codes}"
    assert start().finish() == 0


def _next_due(victims: Sequence[Victim]) -> Victim | None:
    """The first that is due; None when one has ended."""
    while True:
        for victim in victims:
            if victim.is_due:
                return victim
        ready = wait([victim.builder.moments for victim in victims])
        if not all(v.advance() for v in victims if v.builder.moments in ready):
            return None


def table(tally: Tally) -> list[str]:
    """The lines of a table: the kills of each task in each phase."""
    tasks = sorted({task for task, _ in tally})
    rows = [["", *PHASES, "all"]]
    for task in tasks:
        counts = [tally[task, phase] for phase in PHASES]
        rows.append([task, *map(str, counts), str(sum(counts))])
    sums = [sum(tally[task, phase] for task in tasks) for phase in PHASES]
    rows.append(["all", *map(str, sums), str(sum(sums))])
    return [f"{row[0]:24}" + "".join(f"{cell:>12}" for cell in row[1:]) for row in rows]
