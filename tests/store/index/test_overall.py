"""What a search of all blocks finds: as by dense matrices, chosen by some, and said by others."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import saelake
from saelake.store.engine import Engine
from saelake.store.format.lists import Array
from saelake.store.growth import impacts
from saelake.store.growth.impacts import index_impacts
from saelake.store.index import nearest as by_impacts
from saelake.store.index import overall
from saelake.store.index.impact_blocks import ImpactsTable, Measured, Overall, StoredBlock
from saelake.store.index.nearest import N_NEAREST, NearestDocuments, n_candidates, n_sketched
from saelake.store.query.parts import nearest as of_queries
from saelake.store.requests.similar import SimilarQuery
from saelake.store.snapshot.collection import Collection
from saelake.store.tables.changes import Change
from tests.lakes import MadeLake, make_lake

N = 600


@pytest.fixture(autouse=True)
def every_lake_has_impacts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(impacts, "LEAST_DOCUMENTS", 1)


@pytest.fixture(params=[False, True], ids=["plain", "sketched"])
def made(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> MadeLake:
    """Of three blocks, with few candidates."""
    monkeypatch.setattr(impacts, "is_worth_sketches", lambda _: request.param)
    monkeypatch.setattr(by_impacts, "LEAST_SKETCHED", 1)
    monkeypatch.setattr(by_impacts, "SKETCHES", 1)
    monkeypatch.setattr(overall, "SKETCHED", (0, 10, 4))
    monkeypatch.setattr(by_impacts, "CANDIDATES", 1)
    monkeypatch.setattr(by_impacts, "BUDGETS", (8, 16))
    monkeypatch.setattr(overall, "LEAST_RECALL", 2.0)  # so that all are tried
    monkeypatch.setattr(overall, "BUDGETS", (8, 16))
    monkeypatch.setattr(overall, "ONE_IN", (40, 20))
    monkeypatch.setattr(overall, "LEAST_COMPARED", 1)
    monkeypatch.setattr(overall, "N_ASKED", 100)
    return make_lake(
        tmp_path,
        n_documents=N,
        n_features=80,
        tokens=(2, 9),
        density=0.2,
        levels=200,
        n_fragments=3,
        n_indexed=3,
    )


def opened(made: MadeLake) -> NearestDocuments:
    found = Collection(made.lake, made.name).nearest
    assert found is not None
    return found


def impacts_of(search: NearestDocuments, width: int) -> Array:
    """The impacts of all documents, in the order of blocks, float32 (n, width)."""
    dense = np.zeros((search.n_documents, width), np.float32)
    first = 0
    for block in search.blocks:
        for part in search.table.scanned(block):
            dense[first + part.rows, part.features] = part.values
            first += len(part)
    length = np.linalg.norm(dense, axis=1, keepdims=True)
    unit: Array = np.divide(dense, length, out=np.zeros_like(dense), where=length > 0)
    return unit


def estimates(
    search: NearestDocuments, query: Array, budget: float, sketched: int, place: int
) -> Array:
    """Of all documents; -1 where they are not told apart by sketches, though others are."""
    found, first = [], 0
    for block in search.blocks:
        chosen = block.features.chosen(query, budget)
        mine = search.table.levels(block).estimates(query, chosen)
        if sketched:
            if first <= place < first + len(mine):
                mine[place - first] = -1
            best = np.sort(np.argsort(-mine)[: len(mine) // sketched])
            mine[:] = -1
            mine[best] = search.table.sketched(block, best, query)
        found.append(mine)
        first += len(mine)
    return np.concatenate(found)


def test_sketches_are_near_the_cosines(made: MadeLake) -> None:
    search = opened(made)
    if not search.has_sketches:
        assert not any(block.has_sketches for block in search.blocks)
        return
    dense = impacts_of(search, 80)
    first = 0
    for block in search.blocks:
        mine = dense[first : first + len(block.docs)]
        assert len(block.features.sketched) == len(block.features.numbers)
        for row in (3, 50):
            found = search.table.sketched(block, np.arange(len(mine)), mine[row])
            assert np.abs(found - mine @ mine[row]).max() < 0.03
        first += len(mine)


def test_it_is_the_share_of_the_nearest_of_all_that_are_candidates(made: MadeLake) -> None:
    search = opened(made)
    assert len(search.blocks) == 3
    (found,) = search.overall
    assert found.covers == search.covers
    assert (found.budgets, found.one_in) == ((8, 16), (40, 20))
    dense = impacts_of(search, 80)
    places = ((np.arange(100) + 0.5) * N / 100).astype(int)
    asked = [place for place in places.tolist() if dense[place].any()]
    assert found.n_asked == len(asked)
    assert found.sketched == ((0, 10, 4) if search.has_sketches else (0,))
    tried = (enumerate(found.budgets), enumerate(found.sketched), enumerate(found.one_in))
    for (i, budget), (j, sketched), (k, one_in) in product(*tried):
        room = n_candidates(N, N_NEAREST, one_in)
        assert room == N // one_in
        shares = []
        for place in asked:
            exact = dense @ dense[place]
            near = estimates(search, dense[place], budget, sketched, place)
            exact[place] = near[place] = -1
            best = np.argsort(-exact)[:N_NEAREST]
            shares.append(np.isin(best, np.argsort(-near)[:room]).mean())
        choose, say = np.array(shares[::2]), np.array(shares[1::2])
        error = choose.std() / len(choose) ** 0.5
        assert found.assured[i, j, k] == pytest.approx(
            choose.mean() - overall.ERRORS * error, abs=0.03
        )
        assert found.recalls[i, j, k] == pytest.approx(say.mean(), abs=0.03)  # ties
    assert 0.3 < found.recalls[0, 0, 0] < found.recalls[1, 0, 1] <= 1
    if search.has_sketches:
        assert found.recalls[0, 0, 0] < found.recalls[0, 2, 0]


def test_what_was_indexed_before_is_measured_once(made: MadeLake) -> None:
    """Until then each block counts by itself, and the answers are exact ones all the same."""
    table = ImpactsTable(opened(made).table.table)
    (fragment,) = table.overall
    before = ImpactsTable(table.table.commit(lambda _: Change(remove=(fragment,))))
    assert not before.overall
    assert opened(made).overall == ()
    codes = Collection(made.lake, made.name).codes
    index_impacts(made.lake, made.name, codes)
    after = opened(made).table
    (again,) = after.overall.values()
    assert np.array_equal(again.recalls, table.overall[fragment].recalls)
    assert [b.covers for b in after.blocks] == [b.covers for b in table.blocks]
    index_impacts(made.lake, made.name, codes)
    assert opened(made).table.table.key == after.table.key
    assert list(saelake.connect(made.lake.uri).verify().problems) == []


def test_the_engine_says_what_was_measured_of_all(
    made: MadeLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_impacts, "LEAST_RECALL", 0.2)
    monkeypatch.setattr(of_queries, "EXHAUSTIVE", 1e9)
    (found,) = opened(made).overall
    query = SimilarQuery(collection=str(made.name), docs=(3,), k=5)
    said = Engine(made.lake.uri).ask(query).schema.metadata[b"recall"]
    assert float(said) == pytest.approx(float(found.recalls[0, 0, 0]), abs=1e-3)


def block(n: int, covers: int, recall: float = 1.0) -> StoredBlock:
    unknown: Any = None
    return StoredBlock(
        fragment=covers,
        covers=(covers,),
        docs=np.zeros(n),
        typical=unknown,
        scales=unknown,
        starts=np.array([0, 2000 * n]),
        features=unknown,
        measured=Measured(budgets=(32, 64), recalls=(recall, recall), n_asked=10_000),
    )


MEASURED = Overall(
    covers=frozenset({1, 2}),
    budgets=(32, 64),
    sketched=(0,),
    one_in=(1000, 500, 100),
    assured=np.array([[[0.9, 0.98, 0.991]], [[0.98, 0.992, 0.999]]]),
    recalls=np.array([[[0.91, 0.981, 0.996]], [[0.982, 0.994, 1.0]]]),
    n_asked=256,
)


def searching(*blocks: StoredBlock, overall: Overall = MEASURED) -> NearestDocuments:
    unknown: Any = None
    return NearestDocuments(table=unknown, blocks=blocks, overall=(overall,))


def test_the_quickest_that_surely_finds_enough_is_taken() -> None:
    search = searching(block(10**6, 1), block(10**6, 2))
    assert search.plan is not None
    assert (search.budget, search.plan.one_in) == (64, 500)  # rows take longer than columns
    assert search.recall == pytest.approx(0.994)  # of those who had no part in the choice
    assert search.room(10) == 4000
    assert search.room(15) == 6000
    assert search.room(300) == 7812  # as where nothing was measured of all
    assert search.room(1000) == 20_000
    few = replace(MEASURED, assured=MEASURED.assured - 0.0095)
    assert searching(block(100, 1), block(100, 2), overall=few).budget == 32  # by themselves


def test_more_answers_take_more_sketches() -> None:
    assert n_sketched(32_000, 10, 128) == 250
    assert n_sketched(32_000, 20, 128) == 500
    assert n_sketched(32_000, 100, 128) == 1000  # one in 32
    assert n_sketched(32_000, 100, 16) == 2000  # as was measured
    assert n_sketched(32_000, 1000, 128) == 4000
    assert n_sketched(500, 10, 128) == 128


def test_blocks_that_were_not_measured_with_others_count_by_themselves() -> None:
    search = searching(block(900, 1), block(900, 2), block(200, 3, recall=0.95))
    assert search.plan is not None
    assert search.plan.one_in == 100
    assert search.budget == 64
    assert search.recall == pytest.approx(0.9 * 1.0 + 0.1 * 0.95)
    many = searching(block(900, 1), block(1000, 3, recall=0.995))
    assert many.plan is not None
    assert many.plan.one_in is None
    assert many.recall == pytest.approx((900 + 995) / 1900)


def test_what_is_mostly_gone_says_nothing() -> None:
    gone = replace(MEASURED, covers=frozenset({1, 2, 3}))
    search = searching(block(1000, 1, recall=0.995), overall=gone)
    assert search.plan is not None
    assert search.plan.one_in is None


def test_documents_without_features_are_not_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overall, "N_ASKED", 4)
    made = make_lake(tmp_path, n_documents=90, tokens=(1, 2), density=0.004, n_fragments=2)
    search = opened(made)
    some = {row for row in range(90) if impacts_of(search, 64)[row].any()}
    assert 0 < len(some) < 60, "most have none"
    (found,) = search.overall
    assert found.n_asked <= min(4, len(some))
    nothing = make_lake(tmp_path / "nothing", n_documents=30, density=0.0)
    (found,) = opened(nothing).overall
    assert found.n_asked == 0


def test_an_approximate_search_is_never_said_to_find_all(made: MadeLake) -> None:
    search = opened(made)
    ones = np.ones_like(search.overall[0].recalls)
    certain = replace(search.overall[0], assured=ones, recalls=ones)
    plan = replace(search, overall=(certain,)).plan
    assert plan is not None
    assert plan.recall == 1 - 1 / (N_NEAREST * (certain.n_asked // 2)) < 1
