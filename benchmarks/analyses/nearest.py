"""The 10 documents nearest to a document: how fast, and how many of the true ones."""

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import product
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.analyses.bandwidth import Bandwidth
from benchmarks.analyses.peer import Peer, Reply, run
from benchmarks.analyses.rows import Rows
from benchmarks.analyses.searchers import (
    Answer,
    Approximate,
    Asked,
    Exact,
    K,
    Other,
    SciPy,
    Searcher,
)
from benchmarks.analyses.subject import ALL, Filter
from benchmarks.analyses.trial import OWN, Trial
from benchmarks.common.cores import kept_to
from benchmarks.common.report import Cell, Table
from benchmarks.common.turns import TURN, in_turn
from saelake.store.codes.executor import Threads
from saelake.store.engine import Engine
from saelake.store.query.similar import APPROXIMATE_ABOVE

SAME_SCORE = 1e-6  # a document as near as the tenth is a right answer
LEAST_RECALL = 0.99
N_TUNING = 50  # questions by which a peer's fastest setting is found; the race has others
QUERY_CUTS = (4, 6, 8, 12, 16, 24, 32, 48)
HEAP_FACTORS = (1.0, 0.9, 0.8)

WHOLE_NOTE = (
    "Engine.ask, with the hits' texts, metadata and shared features. MB to move: as in the table "
    "of the search alone."
)
SEARCH_NOTE = (
    "Ids and scores. MB to move: of exact search and SciPy the 4-byte numbers and 4-byte values of "
    "all features of the documents (those kept, where saelake filters); of approximate search the "
    "2-byte postings in its budget and its candidates' features. The floor is the time to read "
    "them from memory. Recall counts documents as near as the tenth. Seismic (query_cut, "
    "heap_factor): the fastest setting with a recall of .99 or more on other questions. "
    "saelake searches approximately by itself only where there are 50,000 documents or more."
)
MILVUS_NOTE = "milvus-lite's index is in Python, and exact: it takes no drop_ratio but 0."
BUILD_NOTE = (
    "On all cores, saelake from the lake's files, the others from the rows in memory or, Seismic, "
    "in its own format. MiB: saelake and SciPy in memory, Seismic and milvus-lite on disk."
)


@dataclass(frozen=True, slots=True)
class Marks:
    """The seconds and the recall of each answer, by contender."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    recalls: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, name: str, answer: Answer, right: frozenset[int]) -> None:
        """Take in an answer to a question whose right answers are known."""
        self.seconds[name].append(answer.seconds)
        self.recalls[name].append(len(right.intersection(answer.docs)) / min(K, len(right)))

    def recall(self, name: str) -> float:
        """The mean."""
        return float(np.mean(self.recalls[name]))

    def median(self, name: str) -> float:
        """Seconds."""
        return float(np.median(self.seconds[name]))

    def row(self, name: str) -> dict[str, Cell]:
        """Milliseconds at the median and in the tail, and how many questions a second."""
        seconds = np.array(self.seconds[name])
        return {
            "questions": len(seconds),
            "p50 ms": 1e3 * self.median(name),
            "p99 ms": 1e3 * float(np.quantile(seconds, 0.99)),
            "questions/s": float(1 / seconds.mean()),
            f"recall@{K}": self.recall(name),
        }


class Truth:
    """The right answers, by the exact search."""

    def __init__(self, exact: Exact) -> None:
        self._exact = exact

    def of(self, row: int, kept: Filter) -> frozenset[int]:
        """The documents that are as near as the tenth; fewer where fewer share a feature."""
        found = self._exact.scores(row, kept)
        if len(found) == 0:
            return frozenset()
        last = len(found) - min(K, len(found))
        least = np.partition(found.score, last)[last]
        return frozenset(found.doc[found.score >= least - SAME_SCORE].tolist())


def race(searchers: Sequence[Searcher], asked: Sequence[int], kept: Filter, truth: Truth) -> Marks:
    """Ask everyone everything, `TURN` questions at a time.

    The first turn is a warm-up and not counted; neither are questions without a right answer.
    """
    marks = Marks()
    for searcher in searchers:
        for row in asked[:TURN]:
            searcher.nearest(row, kept)
    right = {row: truth.of(row, kept) for row in asked[TURN:]}
    meant = [row for row in right if right[row]]
    for number, begin in enumerate(range(0, len(meant), TURN)):
        for searcher in in_turn(searchers, number):
            for row in meant[begin : begin + TURN]:
                marks.add(searcher.name, searcher.nearest(row, kept), right[row])
    return marks


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """The questions of a race, under each of some filters."""

    title: str
    asked: Sequence[int]
    filters: Sequence[Filter]
    truth: Truth
    bandwidth: Bandwidth

    def table(self, what: str, searchers: Sequence[Searcher], note: str) -> Table:
        """Everyone under each filter that it can keep: peers elsewhere have no metadata."""
        rows: list[Mapping[str, Cell]] = []
        for kept in self.filters:
            able = [s for s in searchers if kept.mask is None or not isinstance(s, Other)]
            marks = race(able, self.asked, kept, self.truth)
            rows += [self._row(searcher, kept, marks) for searcher in able]
        return Table(title=f"{self.title}: {K} nearest, {what}", rows=rows, note=note)

    def _row(self, searcher: Searcher, kept: Filter, marks: Marks) -> Mapping[str, Cell]:
        floor = self.bandwidth.cells(searcher.least_bytes(kept), marks.median(searcher.name))
        return {"": searcher.name, "kept": kept.name, **marks.row(searcher.name), **floor}


def fastest(peer: Peer, rows: Rows, asked: Sequence[int], truth: Truth) -> Other:
    """Seismic at its fastest setting that finds enough, or else at the one that finds most."""
    right = {row: truth.of(row, ALL) for row in asked}
    found: list[tuple[bool, float, int]] = []
    settings = [
        Other(f"Seismic ({cut}, {heap})", peer, rows, query_cut=cut, heap_factor=heap)
        for cut, heap in product(QUERY_CUTS, HEAP_FACTORS)
    ]
    for number, other in enumerate(settings):
        marks = Marks()
        for row in asked:
            marks.add(other.name, other.nearest(row, ALL), right[row])
        lacks = marks.recall(other.name) < LEAST_RECALL
        rank = -marks.recall(other.name) if lacks else marks.median(other.name)
        found.append((lacks, rank, number))
    return settings[min(found)[-1]]


def questions(rows: Rows, n: int, seed: int) -> tuple[list[int], list[int]]:
    """Random rows: a warm-up and `n` to race with, and others to tune by, or what there is."""
    live = np.flatnonzero(np.diff(rows.offsets))
    chosen = np.random.default_rng(seed).permutation(live)[: TURN + n + N_TUNING].tolist()
    return chosen[: TURN + n], chosen[TURN + n :]


def nearest_tables(trial: Trial) -> list[Table]:
    """The whole question, the search alone, and what is built before the first question."""
    rows, conditions = trial.rows, trial.conditions
    asked, tuning = questions(rows, conditions.n_questions, conditions.seed)
    exact, near, scipy = Exact(rows), Approximate(rows), SciPy(rows)
    race = Race(
        title=trial.title,
        asked=asked,
        filters=trial.subject.filters(),
        truth=Truth(exact),
        bandwidth=conditions.bandwidth,
    )
    built = {"saelake": _held(trial), scipy.name: scipy.built}
    alone: list[Searcher] = [*([near] if near.budget else []), exact, scipy]
    with ExitStack() as stack:
        peers = []
        if conditions.peers_python:
            folder = str(trial.folder / "seismic")
            peers.append(stack.enter_context(closing(trial.peer("seismic_nearest", folder))))
            built["Seismic"] = peers[0].ready
        stack.enter_context(kept_to(conditions.n_cores, [os.getpid(), *(p.pid for p in peers)]))
        alone += [fastest(peer, rows, tuning, race.truth) for peer in peers]
        tables = [
            race.table("asked of the engine", _asked(trial, near, exact), WHOLE_NOTE),
            race.table("the search alone", alone, SEARCH_NOTE),
        ]
    return [*tables, build_table(trial.title, built)]


def _asked(trial: Trial, near: Approximate, exact: Exact) -> list[Asked]:
    """saelake as a user asks it: in both ways, where there are documents enough for two."""
    engine = Engine(trial.subject.uri, executor=Threads(trial.conditions.n_cores))
    name = trial.subject.name
    asked = [Asked(engine, name, exact, exact=True)]
    if near.budget and len(trial.rows) >= APPROXIMATE_ABOVE:
        asked.insert(0, Asked(engine, name, near, exact=False))
    return asked


def _held(trial: Trial) -> Reply:
    """What saelake takes to hold the embeddings and their lists, in a new process."""
    command = (*OWN, "nearest", trial.subject.uri, trial.subject.name)
    return run(command, sorted(os.sched_getaffinity(0)))


def milvus_tables(trial: Trial) -> list[Table]:
    """milvus-lite on the first documents, beside exact searches of the same."""
    conditions = trial.conditions
    rows = trial.rows.first(conditions.milvus_documents)
    exact, scipy = Exact(rows), SciPy(rows)
    race = Race(
        title=f"{trial.subject.name}, the first {len(rows):,} documents",
        asked=questions(rows, conditions.n_questions, conditions.seed)[0],
        filters=[ALL],
        truth=Truth(exact),
        bandwidth=conditions.bandwidth,
    )
    with TemporaryDirectory(dir=trial.folder) as folder, ExitStack() as stack:
        peer = trial.peer("milvus_nearest", folder, str(len(rows)))
        stack.enter_context(closing(peer))
        stack.enter_context(kept_to(conditions.n_cores, [os.getpid(), peer.pid]))
        searchers: list[Searcher] = [exact, scipy, Other("milvus-lite", peer, rows)]
        table = race.table("the search alone", searchers, MILVUS_NOTE)
    return [table, build_table(race.title, {scipy.name: scipy.built, "milvus-lite": peer.ready})]


def build_table(title: str, built: Mapping[str, Reply]) -> Table:
    """What was taken before the first question."""
    rows: list[Mapping[str, Cell]] = [
        {
            "": name,
            "CPU seconds": one["cpu_seconds"],
            "seconds": one["seconds"],
            "MiB": one["n_bytes"] / 2**20,
        }
        for name, one in built.items()
    ]
    return Table(title=f"{title}: before the first question", rows=rows, note=BUILD_NOTE)
