"""Similar documents by the impacts in a lake, against dense matrices of the same codes."""

import os
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import fs

import saelake
from saelake.store.engine import Engine
from saelake.store.errors import Corrupt
from saelake.store.growth import impacts
from saelake.store.health.repair import repair
from saelake.store.index import nearest as by_impacts
from saelake.store.index import overall
from saelake.store.index.nearest import NearestDocuments
from saelake.store.query.parts import nearest
from saelake.store.query.parts.found import _largest
from saelake.store.requests.similar import SimilarQuery
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.store.snapshot.embeddings import Embeddings
from saelake.store.tables.files import filesystem_of
from saelake.store.tables.tables import drop
from tests.lakes import MadeLake, make_lake
from tests.store.query.test_similar import (
    COLLECTION,
    N_DOCUMENTS,
    N_FEATURES,
    WHERES,
    Asked,
    brute_force,
    check,
    features,
    positive,
    ways,
)

plain_ways = st.fixed_dictionaries(
    {"k": st.sampled_from([1, 5, 20]), "where": st.sampled_from(WHERES)}
)
things = st.one_of(
    st.fixed_dictionaries(
        {"docs": st.lists(st.integers(0, N_DOCUMENTS - 1), min_size=1, max_size=3).map(tuple)}
    ),
    st.fixed_dictionaries({"features": st.lists(positive, min_size=1, max_size=4).map(tuple)}),
    st.fixed_dictionaries({"features": st.just(()), "docs": st.tuples(features)}),
)


@pytest.fixture(scope="module", autouse=True)
def every_lake_has_impacts() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(impacts, "LEAST_DOCUMENTS", 1)
        patch.setattr(nearest, "EXHAUSTIVE", 1e9)
        yield


@pytest.fixture(scope="module", params=["plain", "sketched", "signed", "signed of before"])
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """Of six fragments, five in blocks of impacts."""
    signed = request.param.startswith("signed")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "sketched":
            patch.setattr(impacts, "is_worth_sketches", lambda _: True)
            patch.setattr(overall, "SKETCHED", (3,))
        made = make_lake(
            tmp_path_factory.mktemp("nearest") / "lake",
            seed=4,
            n_documents=N_DOCUMENTS,
            n_features=N_FEATURES // 2 if signed else N_FEATURES,
            n_fragments=6,
            n_indexed=5,
            signed=signed,
            by_pole=request.param == "signed",
            failed={(7, 0)},
        )
    found = Asked(made)
    collection = found.engine._session.collection(COLLECTION)
    assert collection.nearest is not None
    assert len(collection.nearest.blocks) == 5
    assert len(collection.unindexed) == 1
    if request.param == "sketched":
        assert collection.nearest.plan is not None
        assert collection.nearest.plan.sketched == 3
    return found


@settings(max_examples=80, deadline=None)
@given(thing=things, way=plain_ways)
def test_what_is_compared_exactly_is_as_by_dense_rows(
    asked: Asked, thing: dict[str, Any], way: dict[str, Any]
) -> None:
    check(asked, thing | way)


@settings(max_examples=80, deadline=None)
@given(thing=things, way=plain_ways)
def test_few_candidates_have_exact_scores(
    asked: Asked, thing: dict[str, Any], way: dict[str, Any]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(by_impacts, "LEAST_CANDIDATES", 1)
        patch.setattr(by_impacts, "CANDIDATES", 1)
        patch.setattr(by_impacts, "LEAST_SKETCHED", 1)
        patch.setattr(by_impacts, "SKETCHES", 1)
        query = SimilarQuery(collection=COLLECTION, **thing, **way)
        expected = brute_force(asked, query)
        if not expected:
            return
        for hit in asked.similar(**thing, **way):
            assert hit["score"] == pytest.approx(expected[hit["doc"]], rel=1e-4, abs=1e-5)


def test_shared_features_are_of_the_codes(asked: Asked) -> None:
    for hit in asked.similar(docs=(3,), k=20):
        for shared in hit["shared_features"]:
            assert shared["value"] == asked.dense["max"][hit["doc"], shared["feature"]]


def test_the_answer_says_the_recall(asked: Asked) -> None:
    nearest_documents = asked.engine._session.collection(COLLECTION).nearest
    assert nearest_documents is not None
    reader = asked.engine.ask(asked.named(SimilarQuery(collection=COLLECTION, docs=(3,))))
    assert float(reader.schema.metadata[b"recall"]) == pytest.approx(
        nearest_documents.recall, abs=1e-3
    )


def recalled(asked: Asked, monkeypatch: pytest.MonkeyPatch, cache_bytes: int) -> set[bytes]:
    """The answers of an engine with so much memory."""
    engine = Engine(asked.made.lake.uri, cache_bytes=cache_bytes)
    found = set()
    for doc in (3, 5, 11):
        rows = engine.ask(SimilarQuery(collection=COLLECTION, docs=(doc,))).read_all()
        found.add(repr(rows.to_pylist()).encode())
    return found


def test_what_does_not_fit_is_read_for_each_question(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = []
    search = NearestDocuments.candidates

    def seen(self: NearestDocuments, *args: Any) -> Any:
        kept.append(self.kept is not None)
        return search(self, *args)

    monkeypatch.setattr(NearestDocuments, "candidates", seen)
    assert recalled(asked, monkeypatch, 100) == recalled(asked, monkeypatch, 1 << 30)
    assert kept == [False] * 3 + [True] * 3


@pytest.fixture(scope="module")
def read_by_rows(asked: Asked) -> Asked:
    """An engine whose memory no embeddings fit into."""
    found = Asked(asked.made)
    found.engine = Engine(asked.made.lake.uri, cache_bytes=100)
    return found


@settings(max_examples=80, deadline=None)
@given(thing=things, way=ways, exact=st.booleans())
def test_all_rows_are_scored_as_dense_rows(
    read_by_rows: Asked, thing: dict[str, Any], way: dict[str, Any], exact: bool
) -> None:
    check(read_by_rows, thing | way | {"pooling": "max", "exact": exact})


@pytest.mark.parametrize(
    "way", [{"exact": True}, {"idf": True}, {"measure": "dot"}, {"measure": "jaccard"}]
)
def test_codes_that_blocks_cover_are_not_read(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, way: dict[str, Any]
) -> None:
    """Beyond memory, what is exact reads the rows of blocks, and codes of other fragments."""
    engine = Engine(asked.made.lake.uri, cache_bytes=100)
    query = asked.named(SimilarQuery(collection=COLLECTION, docs=(3,), **way))
    expected = asked.engine.ask(query).read_all()
    left_out = []
    scan = Embeddings.map

    def seen(self: Embeddings, *args: Any, without: Any = (), **kwargs: Any) -> Any:
        left_out.append(len(without))
        return scan(self, *args, without=without, **kwargs)

    monkeypatch.setattr(Embeddings, "map", seen)
    found = engine.ask(query).read_all()
    assert found["doc"] == expected["doc"]
    assert found["score"].to_pylist() == pytest.approx(expected["score"].to_pylist())
    assert left_out[-1] == 5


def test_a_filter_of_few_documents_compares_them_all(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_impacts, "LEAST_CANDIDATES", 13)
    monkeypatch.setattr(by_impacts, "CANDIDATES", 3)
    estimates: list[Any] = []
    monkeypatch.setattr(by_impacts.Estimate, "estimated", estimates.append)
    check(asked, {"docs": (3,), "k": 5, "where": "label = 'pos'"})
    assert estimates == []


def test_a_server_is_warm_before_the_first_question(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has asked itself one, of a collection that has blocks."""
    done = Event()
    answers: list[list[Any]] = []
    warm = Engine.warm

    def seen(self: Engine) -> None:
        warm(self)
        answers.append(list(self._session._collections))
        done.set()

    monkeypatch.setattr(Engine, "warm", seen)
    with BackgroundServer(ServerSettings(uri=asked.made.lake.uri, address=Address(port=0))):
        assert done.wait(60)
    assert [list(map(str, names)) for names in answers] == [[COLLECTION]]


def test_in_an_object_store_ranges_are_read(asked: Asked, bucket: str) -> None:
    source = asked.made.lake.uri
    there, folder = filesystem_of(f"{bucket}/lake")
    fs.copy_files(source, folder, fs.LocalFileSystem(), there)
    for cache_bytes in (1 << 30, 100):
        engine = Engine(f"{bucket}/lake", cache_bytes=cache_bytes)
        nearest_documents = engine._session.collection(COLLECTION).nearest
        assert nearest_documents is not None
        assert not nearest_documents.table.is_local
        for way in ({}, {"exact": True}, {"where": "label = 'pos'"}):
            query = SimilarQuery(collection=COLLECTION, docs=(3, 5), **way)
            expected = asked.engine.ask(query).read_all()
            found = engine.ask(query).read_all()
            assert found["doc"] == expected["doc"]
            assert found["score"].to_pylist() == pytest.approx(expected["score"].to_pylist())
    assert list(saelake.connect(f"{bucket}/lake").verify().problems) == []


def test_sketches_are_the_same_in_an_object_store(asked: Asked, bucket: str) -> None:
    here = asked.engine._session.collection(COLLECTION).nearest
    assert here is not None
    there, folder = filesystem_of(f"{bucket}/sketched")
    fs.copy_files(asked.made.lake.uri, folder, fs.LocalFileSystem(), there)
    copied = Engine(f"{bucket}/sketched")._session.collection(COLLECTION).nearest
    assert copied is not None
    assert not copied.has_sketches
    query = np.random.default_rng(0).random(here.table.settings.width).astype(np.float32)
    for mine, other in zip(here.blocks, copied.blocks, strict=True):
        if mine.features.sketch_bytes:
            rows = np.arange(len(mine.docs))[::3]
            expected = here.table.sketched(mine, rows, query)
            assert np.array_equal(copied.table.sketched(other, rows, query), expected)


def test_a_file_that_is_cut_short_is_said(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=40, tokens=(4, 12), n_fragments=3, n_indexed=3)
    engine = Engine(made.lake.uri)
    query = SimilarQuery(collection=COLLECTION, docs=(5,))
    engine.ask(query)
    for path in tmp_path.glob("*.nearest.lance/data/*/01*.blob"):  # rows, the second of a block
        os.truncate(path, path.stat().st_size // 2)
    for asked_again in (engine, Engine(made.lake.uri)):
        with pytest.raises(Corrupt, match=r"nearest\.lance is damaged.*verify --repair"):
            asked_again.ask(query).read_all()
    repair(made.lake)
    assert Engine(made.lake.uri).ask(query).read_all().num_rows > 0
    assert list(saelake.connect(made.lake.uri).verify().problems) == []


def test_deleted_documents_are_no_hits(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=40, tokens=(4, 12), n_fragments=3, n_indexed=3)
    before = found(made, k=10)
    saelake.connect(made.lake.uri).delete("made", ids=[f"d{doc}" for doc in before[:3]])
    assert found(made, k=7) == before[3:]


def found(made: MadeLake, k: int) -> list[int]:
    query = SimilarQuery(collection=COLLECTION, docs=(5,), k=k)
    docs: list[int] = Engine(made.lake.uri).ask(query).read_all()["doc"].to_pylist()
    return docs


def test_a_lake_of_before_answers_the_same(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=40, tokens=(4, 12), n_fragments=3, n_indexed=3)
    query = SimilarQuery(collection=COLLECTION, docs=(5,))
    with_impacts = Engine(made.lake.uri).ask(query).read_all()
    drop(made.lake.impacts(made.name))
    without = Engine(made.lake.uri).ask(query).read_all()
    assert with_impacts.to_pylist() == without.to_pylist()


def test_an_index_that_came_is_used_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_lake(tmp_path, n_documents=40, tokens=(4, 12), n_fragments=3, n_indexed=3)
    drop(made.lake.impacts(made.name))
    engine = Engine(made.lake.uri)
    collection = engine._session.collection(COLLECTION)
    assert collection.nearest is None
    impacts.index_impacts(made.lake, made.name, collection.codes)
    assert not collection.is_current
    newest = Engine(made.lake.uri)._session.collection(COLLECTION).nearest
    assert newest is not None
    assert newest.n_documents == 40


@given(st.lists(st.integers(0, 4).map(float), max_size=30), st.integers(1, 8))
def test_the_largest_are_as_by_sorting_all(values: list[float], n: int) -> None:
    array = np.array(values, np.float32)
    assert _largest(array, n).tolist() == np.argsort(-array, kind="stable")[:n].tolist()
