"""What a driver's commits cost, and a model of a driver with up to 1,000 workers.

The costs are measured: commits of groups of shards to a real table with many fragments, and what
Ray takes of the driver for each shard. The model runs the real schedule in simulated time, in
which the driver is busy for as long as its work takes here.
"""

import heapq
import json
import os
import shutil
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np

from saelake.store.format.schema import CollectionSettings, codes_schema, terse_schema
from saelake.store.growth.shards import ShardCommitter, ShardDraft, ShardWriter
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.tables.changes import Draft
from saelake.workers.encoder.pack import PageCodes, Part, pack
from saelake.workers.encoder.shard import Shard
from saelake.workers.fleet.actions import Action, Commit, Send
from saelake.workers.fleet.encoded import Counts, EncodedShard
from saelake.workers.fleet.events import Event, Joined, Tick, Written
from saelake.workers.fleet.schedule import Policy, begin, step

LINKS = 50_000  # of one file: file systems end at 65,000
GROUPS = (1, 16, 256)
ROUNDS = 5
COLLECTION = CollectionName("corpus", "dictionary")
SETTINGS = CollectionSettings(
    corpus=COLLECTION.corpus,
    dictionary=COLLECTION.dictionary,
    fingerprint="0",
    architecture="topk",
    d_in=2,
    d_sae=4,
    signed=False,
    model="none",
    model_fingerprint="0",
    hook="none",
    window=16,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitCost:
    """Seconds of a commit: `fixed`, and more for each fragment there and each shard added."""

    fixed: float
    per_fragment: float
    per_shard: float

    def seconds(self, n_fragments: int, n_shards: int) -> float:
        """What a commit of so many shards takes on top of so many fragments."""
        return self.fixed + self.per_fragment * n_fragments + self.per_shard * n_shards


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The median seconds of commits of `n_shards` to a table of `n_fragments`."""

    n_fragments: int
    n_shards: int
    seconds: float


class Fragments:
    """Shards of one document each, for one table: few files under many names."""

    def __init__(self, lake: Lake) -> None:
        writer = ShardWriter(lake, SETTINGS, buffer_bytes=1)
        writer.add(_row())
        (self._fragment,) = writer.finish(0, 1).draft.fragments
        self._data = Path(lake.codes(COLLECTION), "data")
        self._numbers = count()

    def make(self, n: int) -> list[ShardDraft]:
        """The next n shards."""
        return [self._draft(next(self._numbers)) for _ in range(n)]

    def _draft(self, number: int) -> ShardDraft:
        fragment = json.loads(self._fragment)
        first = fragment["files"][0]["path"]
        path = fragment["files"][0]["path"] = f"{number:08}-{first}"
        if number % LINKS:
            os.link(self._data / f"{number - number % LINKS:08}-{first}", self._data / path)
        else:
            shutil.copy(self._data / first, self._data / path)
        return ShardDraft(
            start=number,
            stop=number + 1,
            draft=Draft((json.dumps(fragment),)),
            documents=(((number, number + 1),),),
            columns=tuple(terse_schema(SETTINGS).names),
        )


def _row() -> object:
    nothing = np.empty(0, np.int32)
    part = Part(
        doc=0,
        token_ids=nothing,
        starts=nothing.astype(np.uint32),
        lengths=nothing.astype(np.uint16),
    )
    schema = codes_schema(SETTINGS)
    return pack([part], PageCodes.joined([]), schema=schema, codec=SETTINGS.codec)


def measure(folder: Path, sizes: Sequence[int]) -> list[Measured]:
    """Commits of each group at tables of about these numbers of fragments, ascending."""
    lake = Lake(str(folder / "lake"))
    fragments = Fragments(lake)
    committer = ShardCommitter(lake, SETTINGS)
    n_fragments, measured = 0, []
    for size in sizes:
        committer.commit(fragments.make(size - n_fragments))
        n_fragments = size
        for n_shards in GROUPS:
            taken = []
            for _ in range(ROUNDS):
                drafts = fragments.make(n_shards)
                begun = time.perf_counter()
                assert len(committer.commit(drafts)) == n_shards
                taken.append(time.perf_counter() - begun)
                n_fragments += n_shards
            seconds = statistics.median(taken)
            measured.append(Measured(n_fragments=size, n_shards=n_shards, seconds=seconds))
    return measured


def fitted(measured: Sequence[Measured]) -> CommitCost:
    """The cost that fits best, with errors counted relative to each commit."""
    rows = np.array([(1.0, m.n_fragments, m.n_shards) for m in measured])
    seconds = np.array([m.seconds for m in measured])
    found = np.linalg.lstsq(rows / seconds[:, None], np.ones(len(rows)), rcond=None)[0]
    fixed, per_fragment, per_shard = (max(float(x), 0.0) for x in found)
    return CommitCost(fixed=fixed, per_fragment=per_fragment, per_shard=per_shard)


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Workers that take about `shard_s` for a shard, on a table that has fragments already."""

    workers: int
    shard_s: float
    n_fragments: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a driver did with a load for `seconds`."""

    seconds: float
    n_shards: int
    n_commits: int
    busy_s: float


class SimulatedDriver:
    """The real schedule in simulated time."""

    def __init__(self, load: Load, policy: Policy, cost: CommitCost, call_s: float) -> None:
        self._load = load
        self._cost = cost
        self._call_s = call_s
        gap = Shard(start=0, stop=1 << 60, collections=(SETTINGS.name,))
        self._state = begin([gap], replace(policy, shard_documents=1))
        self._random = np.random.default_rng(0)
        self._finishes: list[tuple[float, int, str, Shard]] = []
        self._free: dict[str, float] = {}
        self._order = count()
        self._n_fragments = load.n_fragments
        self._n_shards = self._n_commits = 0
        self._now = self._busy_s = 0.0

    def run(self, seconds: float) -> Outcome:
        """The outcome of so long, after every worker has had time for its first shards."""
        for number in range(self._load.workers):
            self._take(Joined(worker=f"w{number}"))
        begun = 2 * self._load.shard_s
        self._drive_until(begun)
        begun, n_shards, n_commits = self._now, self._n_shards, self._n_commits
        self._busy_s = 0.0
        self._drive_until(begun + seconds)
        return Outcome(
            seconds=self._now - begun,
            n_shards=self._n_shards - n_shards,
            n_commits=self._n_commits - n_commits,
            busy_s=self._busy_s,
        )

    def _drive_until(self, end: float) -> None:
        """As a driver does: hear all that has come, then commit what is due, and again."""
        while self._now < end:
            self._wait()
            while self._finishes and self._finishes[0][0] <= min(self._now, end):
                _, _, worker, shard = heapq.heappop(self._finishes)
                encoded = EncodedShard(shard=shard, drafts={}, counts=Counts())
                self._work(self._call_s)
                self._take(Written(worker=worker, encoded=encoded))
            self._take(Tick())

    def _wait(self) -> None:
        following = self._finishes[0][0] if self._finishes else self._now + 0.5
        self._now = max(self._now, min(following, self._now + 0.5))

    def _work(self, seconds: float) -> None:
        self._now += seconds
        self._busy_s += seconds

    def _take(self, event: Event) -> None:
        begun = time.process_time()
        self._state, actions = step(self._state, event, self._now)
        self._work(time.process_time() - begun)
        for action in actions:
            self._perform(action)

    def _perform(self, action: Action) -> None:
        match action:
            case Send():  # a worker turns to it when it has finished what it had before
                begins = max(self._free.get(action.worker, 0.0), self._now)
                ends = begins + self._load.shard_s * self._random.uniform(0.8, 1.2)
                self._free[action.worker] = ends
                heapq.heappush(
                    self._finishes, (ends, next(self._order), action.worker, action.shard)
                )
            case Commit():
                n = len(action.shards)
                self._work(self._cost.seconds(self._n_fragments, n))
                self._n_fragments += n
                self._n_shards += n
                self._n_commits += 1
