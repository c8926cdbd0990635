"""Few features are scored from their posting lists: only what is not indexed is read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from saelake.store.codes.embeddings import Block, blocks
from saelake.store.codes.executor import Piece
from saelake.store.engine import Engine
from saelake.store.index import features, layout, merge, segments
from saelake.store.query.parts import listed
from saelake.store.requests.checks import Selection, Weight
from saelake.store.requests.similar import SimilarQuery
from saelake.store.snapshot import embeddings
from tests.lakes import make_lake
from tests.store.query.test_similar import N_DOCUMENTS, N_FEATURES, Asked, check, things, ways

ASKED: list[dict[str, Any]] = [
    {"docs": (3,), "within": (1, 4, 7)},
    {"docs": (3,), "within": (1, 4, 7), "measure": "jaccard", "where": "label = 'pos'"},
    {"features": (Weight(feature=2), Weight(feature=5, weight=-2)), "measure": "dot"},
]


@pytest.fixture(scope="module", autouse=True)
def short_tiers() -> Iterator[None]:
    """Tiers of 2 and 4 postings, so that most lists have several."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (layout, merge, features, segments):
            patch.setattr(module, "TIERS", (2, 4))
        yield


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("asked", ASKED)
def test_few_features_are_not_read_from_embeddings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], signed: bool
) -> None:
    made = make_lake(
        tmp_path, n_documents=60, tokens=(2, 12), n_fragments=5, n_indexed=3, signed=signed
    )
    query = SimilarQuery(collection="made/random", k=None, **asked)
    read: list[int] = []

    def seen(piece: Piece, *args: Any, **options: Any) -> Iterator[Block]:
        read.extend(piece.fragments)
        return blocks(piece, *args, **options)

    monkeypatch.setattr(embeddings, "blocks", seen)
    engine = Engine(made.lake.uri, cache_bytes=1)
    engine._session.embeddings.hold(engine._session.select(Selection(collection="made/random")))
    read.clear()  # of what told that they do not fit
    found = engine.ask(query).read_all().to_pylist()
    assert sorted(read) == list(engine._session.collection("made/random").unindexed)
    monkeypatch.setattr(listed, "MOST_FEATURES", 0)
    expected = Engine(made.lake.uri, cache_bytes=1).ask(query).read_all().to_pylist()
    assert [hit["doc"] for hit in found] == [hit["doc"] for hit in expected]
    for mine, other in zip(found, expected, strict=True):
        assert mine["score"] == pytest.approx(other["score"], rel=1e-5)
        assert mine["shared_features"] == other["shared_features"]


@pytest.fixture(scope="module", params=[False, True])
def asked_of_lists(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Asked:
    """A lake whose embeddings do not fit, with a fragment that is not indexed."""
    n_features = N_FEATURES // 2 if request.param else N_FEATURES
    made = make_lake(
        tmp_path_factory.mktemp("lists") / "lake",
        seed=5,
        n_documents=N_DOCUMENTS,
        n_features=n_features,
        n_fragments=5,
        n_indexed=4,
        signed=request.param,
        failed={(7, 0)},
    )
    asked = Asked(made)
    asked.engine = Engine(made.lake.uri, cache_bytes=1)
    return asked


@settings(max_examples=60, deadline=None)
@given(thing=things, way=ways)
def test_scores_by_lists_are_those_of_dense_rows(
    asked_of_lists: Asked, thing: dict[str, Any], way: dict[str, Any]
) -> None:
    check(asked_of_lists, thing | way)
