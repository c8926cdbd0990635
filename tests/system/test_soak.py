"""Killed again and again, and built by two at once: no document is lost, and none is doubled.

`make soak` runs the long form, and prints where the kills fell.
"""

from collections.abc import Callable
from contextlib import suppress
from itertools import accumulate, product
from pathlib import Path
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from saelake.store.documents.documents import Documents
from saelake.store.engine import Engine
from saelake.store.errors import NotFound
from saelake.store.index.totals import Totals
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.requests.codes import CodesQuery
from saelake.store.requests.verify import VerifyQuery
from saelake.store.snapshot.collection import Collection
from saelake.store.tables.tables import Table
from tests.system.builders import (
    COMMITTING,
    CORPUS,
    DICTIONARY,
    MERGING,
    TASKS,
    WRITING,
    Builder,
    Parts,
)
from tests.system.conftest import split
from tests.system.kills import Tally, killed

NAME = CollectionName(CORPUS, DICTIONARY)
DATA = Path(__file__).parents[2].parent / "shared" / "data"
LONG_KILLS = 210  # of one at a time, and as many of two at once
REAL_KILLS = 15  # the same of a real model


class Soak:
    """Lakes that are built under kills, each to be equal to one that was built in peace."""

    def __init__(self, parts: Parts, folder: Path, tally: Tally, *, seed: int) -> None:
        self.parts = parts
        self.random = Random(seed)
        self._folder = folder
        self._tally = tally
        self._whole = folder / "whole"
        for task in TASKS.values():
            task(str(self._whole), parts)

    def run(self, *, n_builders: int, kills: dict[str, int]) -> int:
        """Build a lake with so many kills in each task, at most; how many there were."""
        lake = self._folder / f"lake{self.random.getrandbits(32)}"
        checks = {"import": self._imported, "encode": self._encoded, "index": self._indexed}
        n_killed = sum(
            self._through(task, lake, n_builders, n_kills, checks[task])
            for task, n_kills in kills.items()
        )
        self._assert_whole(lake)
        return n_killed

    def stall(self, task: str, phase: str) -> None:
        """Build a lake while one that has come to a phase stands still, until all is done."""
        lake = self._folder / "lake"
        tasks = list(TASKS)
        for earlier in tasks[: tasks.index(task)]:
            TASKS[earlier](str(lake), self.parts)
        stalled = Builder(task, lake, self.parts)
        while stalled.phase != phase:
            assert stalled.advance()
        stalled.stall()
        for left in tasks[tasks.index(task) :]:
            assert Builder(left, lake, self.parts).finish() == 0
        stalled.go_on()
        assert stalled.finish() == 0
        self._assert_whole(lake)

    def _through(
        self, task: str, lake: Path, n_builders: int, n_kills: int, check: Callable[[Path], None]
    ) -> int:
        n_killed = 0
        for phase in killed(
            lambda: Builder(task, lake, self.parts),
            n_builders=n_builders,
            n_kills=n_kills,
            random=self.random,
            merges=task == "index",
        ):
            n_killed += 1
            self._tally[f"{task}, {n_builders} at once", phase] += 1
            check(lake)
        check(lake)
        return n_killed

    def _imported(self, lake: Path) -> None:
        """Whole files are there, and nothing else."""
        sizes = [pq.read_metadata(file).num_rows for file in self.parts.files]
        with suppress(NotFound):
            n_documents = Documents.open(Lake(str(lake)), CORPUS).n_documents
            assert n_documents in list(accumulate(sizes))

    def _encoded(self, lake: Path) -> None:
        """What is there is there once."""
        with suppress(NotFound):
            docs = [np.asarray(b["doc"]) for b in codes_table(lake).scan(["doc"])]
            found = np.concatenate([np.empty(0, np.uint64), *docs])
            assert len(np.unique(found)) == len(found) <= self.parts.n_documents

    def _indexed(self, lake: Path) -> None:
        """A feature's postings are those of the whole lake, indexed or not."""
        feature = self.random.randrange(Collection(Lake(str(lake)), NAME).settings.d_sae)
        found, expected = (postings(of, feature) for of in (lake, self._whole))
        assert found == expected

    def _assert_whole(self, lake: Path) -> None:
        """The lake has what an uninterrupted one has, no row more, and its tables agree."""
        checks = Engine(str(lake)).ask(VerifyQuery()).read_all().to_pylist()
        assert [check for check in checks if not check["ok"]] == []
        assert set(Lake(str(lake)).tables()) == set(Lake(str(self._whole)).tables())
        assert codes_table(lake).n_rows == self.parts.n_documents
        for exported in (documents, codes):
            assert exported(lake).equals(exported(self._whole))
        assert_same_features(lake, self._whole)
        assert Collection(Lake(str(lake)), NAME).unindexed == ()


def codes_table(lake: Path) -> Table:
    return Table.open(Lake(str(lake)).codes(NAME))


def documents(lake: Path) -> pa.Table:
    return pa.Table.from_batches(
        Documents.open(Lake(str(lake)), CORPUS).table.scan(["doc", "id", "text", "label"])
    )


def codes(lake: Path) -> pa.Table:
    return Engine(str(lake)).ask(CodesQuery(collection=str(NAME))).read_all()


def postings(lake: Path, feature: int) -> list[tuple[int, int, int]]:
    found = Collection(Lake(str(lake)), NAME).posting_list(feature)
    return list(zip(*(c.tolist() for c in (found.doc, found.max, found.position)), strict=True))


def assert_same_features(lake: Path, whole: Path) -> None:
    ours, theirs = (Totals.of(Table.open(Lake(str(of)).features(NAME))) for of in (lake, whole))
    for counted in ("token_frequency", "document_frequency", "max"):
        assert np.array_equal(getattr(ours, counted), getattr(theirs, counted))
    for part in ("keys", "counts"):
        assert np.array_equal(getattr(ours.cells, part), getattr(theirs.cells, part))
    assert np.allclose(ours.sum, theirs.sum)


@pytest.fixture
def soak(tmp_path: Path, tiny: Parts, tally: Tally) -> Soak:
    return Soak(tiny, tmp_path, tally, seed=0)


@pytest.fixture
def stories(tmp_path: Path, forks: None) -> Parts:
    """A real model and a dictionary of it, and 90 stories."""
    if not DATA.is_dir():
        pytest.skip("needs the shared data")
    stories = pq.read_table(DATA / "corpora" / "tinystories_sample.parquet").slice(0, 90)
    return Parts(
        model=DATA / "models" / "stories260K",
        dictionary=DATA / "dictionaries" / "stories260k-l3-1024",
        files=split(stories.append_column("label", pa.nulls(90, pa.string())), tmp_path),
        n_documents=90,
        max_tokens=40,
    )


@pytest.mark.parametrize("n_builders", [1, 2])
def test_what_was_killed_is_built_to_its_end(soak: Soak, n_builders: int) -> None:
    assert soak.run(n_builders=n_builders, kills={"import": 1, "encode": 5, "index": 3}) > 0


@pytest.mark.parametrize(
    ("task", "phase"), [*product(["encode", "index"], [WRITING, COMMITTING]), ("index", MERGING)]
)
def test_one_that_stalls_and_returns_doubles_nothing(soak: Soak, task: str, phase: str) -> None:
    soak.stall(task, phase)


@pytest.mark.slow
@pytest.mark.parametrize("n_builders", [1, 2])
def test_hundreds_of_kills_lose_and_double_nothing(soak: Soak, n_builders: int) -> None:
    n_killed = 0
    while n_killed < LONG_KILLS:
        kills = {"import": 3, "encode": 14, "index": 8}
        n_killed += soak.run(n_builders=n_builders, kills=kills)


@pytest.mark.slow
@pytest.mark.parametrize("n_builders", [1, 2])
def test_a_real_model_is_killed_as_well(
    tmp_path: Path, stories: Parts, tally: Tally, n_builders: int
) -> None:
    soak = Soak(stories, tmp_path, tally, seed=1)
    n_killed = 0
    while n_killed < REAL_KILLS:
        n_killed += soak.run(n_builders=n_builders, kills={"import": 3, "encode": 20, "index": 8})
