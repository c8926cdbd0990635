"""Questions that are answered with those who own pieces, against the same in one process.

Owners here are in this process, but all that they are given and give is pickled; those of a real
cluster are in tests/system.
"""

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saelake.store.codes.executor import Owners, Piece, Threads, pieces
from saelake.store.engine import Engine
from saelake.store.errors import InvalidExpression, InvalidFilter, InvalidInput, NotFound
from saelake.store.growth import impacts
from saelake.store.growth.delete import delete_documents
from saelake.store.growth.index import index
from saelake.store.index import overall, owned_blocks
from saelake.store.query.parts import nearest
from saelake.store.requests.checks import Pooling
from saelake.store.requests.request import Request
from saelake.store.requests.retrieve import RetrieveQuery
from saelake.store.requests.shares import SharesQuery
from saelake.store.requests.similar import Measure, SimilarQuery
from saelake.store.requests.tokens import Order, Per, TokensQuery
from saelake.store.snapshot import part
from tests.elsewhere import OwnersElsewhere
from tests.lakes import MadeLake, add_dictionary, add_documents, make_lake
from tests.stateless import stateless
from tests.store.codes.test_executor import QUESTIONS

COLLECTION = "made/random"
NOWHERE = "label = 'none'"
WHERES = [None, "label = 'pos'", "length > 20", NOWHERE]
EXPRESSIONS = [
    "3",
    "3 > 0.5",
    "1 & 2",
    "1 & 2 & !3",
    "(1 | 5) & 2 > 0.3",
    "4 | 7",
    "11",
]


@pytest.fixture(scope="module", autouse=True)
def many_parts() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(part, "LEAST_SEGMENTS", 1)
        patch.setattr(part, "SEGMENTS_AT_ONCE", 2)
        patch.setattr(part, "UNINDEXED_BYTES", 1)
        patch.setattr(owned_blocks, "LEAST_BLOCKS", 2)
        patch.setattr(impacts, "LEAST_DOCUMENTS", 1)
        patch.setattr(impacts, "is_worth_sketches", lambda _: True)
        patch.setattr(overall, "SKETCHED", (4,))
        patch.setattr(nearest, "EXHAUSTIVE", 1e9)
        patch.setattr("saelake.store.index.nearest.LEAST_CANDIDATES", 15)
        patch.setattr("saelake.store.index.nearest.CANDIDATES", 1)
        patch.setattr("saelake.store.index.nearest.LEAST_SKETCHED", 1)
        patch.setattr("saelake.store.index.nearest.SKETCHES", 1)
        patch.setattr("saelake.store.index.nearest.FEW", 0)
        patch.setattr("saelake.store.index.nearest.LEAST_RECALL", 0.0)
        yield


@pytest.fixture(scope="module", params=["plain", "signed"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    """Of nine fragments seven are indexed; some documents are deleted, one could not be encoded."""
    made = make_lake(
        tmp_path_factory.mktemp("owned") / "lake",
        seed=2,
        n_documents=90,
        n_fragments=9,
        n_indexed=7,
        signed=request.param == "signed",
        failed={(7, 0)},
    )
    delete_documents(made.lake, "made", ids=["d3", "d44", "d80"])
    return made


@pytest.fixture(scope="module")
def here(made: MadeLake) -> Engine:
    return Engine(made.lake.uri, executor=Threads(2))


@pytest.fixture(scope="module")
def owners() -> OwnersElsewhere:
    return OwnersElsewhere()


@pytest.fixture(scope="module")
def there(made: MadeLake, owners: OwnersElsewhere) -> Engine:
    assert isinstance(owners, Owners)
    return Engine(made.lake.uri, executor=owners)


def same(here: Engine, there: Engine, question: Request) -> None:
    a, b = (stateless(engine.ask(question).read_all()) for engine in (here, there))
    assert a.schema.metadata == b.schema.metadata
    assert a.equals(b)


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from(EXPRESSIONS),
    st.sampled_from([1, 3, 20, None]),
    st.sampled_from(["document", "token"]),
    st.sampled_from(["token", "document", "window:2"]),
    st.sampled_from(WHERES),
    st.sampled_from(["top", "quantiles"]),
)
def test_tokens_are_those_of_one_process(
    here: Engine,
    there: Engine,
    owners: OwnersElsewhere,
    expression: str,
    k: int | None,
    per: Per,
    scope: str,
    where: str | None,
    order: Order,
) -> None:
    question = TokensQuery(
        collection=COLLECTION,
        expression=expression,
        where=where,
        per=per,
        scope=scope,
        order=order,
        k=k or (5 if order == "quantiles" else None),
    )
    same(here, there, question)
    assert owners.asked[-1] == "_PartSearch"
    collection = there._session.collection(COLLECTION)
    assert len(there._session.parts(collection)) >= 3


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("where", WHERES)
def test_shares_are_those_of_one_process(
    here: Engine, there: Engine, owners: OwnersElsewhere, expression: str, where: str | None
) -> None:
    question = SharesQuery(collection=COLLECTION, expression=expression, by="length", where=where)
    same(here, there, question)
    assert "_HoldsIn" in owners.asked


def test_documents_in_parts_are_found_once(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Segments that were built together, because memory was short, stay in one part."""
    made = make_lake(
        tmp_path_factory.mktemp("together") / "lake", n_documents=90, n_fragments=2, n_indexed=0
    )
    monkeypatch.setattr("saelake.store.codes.table.SCAN_ROWS", 20)
    index(made.lake, made.name, memory_bytes=1)
    here, there = Engine(made.lake.uri), Engine(made.lake.uri, executor=OwnersElsewhere())
    collection = there._session.collection(COLLECTION)
    covers = [segment.covers for segment in collection.segments]
    assert len(covers) > 2
    for piece in there._session.parts(collection):
        for other in there._session.parts(collection):
            if piece is not other:
                assert not {s.covers for s in piece.segments} & {s.covers for s in other.segments}
    for expression in EXPRESSIONS:
        same(here, there, TokensQuery(collection=COLLECTION, expression=expression, k=9))


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"expression": "3 &"}, InvalidExpression),
        ({"expression": "999"}, NotFound),
        ({"expression": "3", "where": "nothing = 1"}, InvalidFilter),
    ],
)
def test_what_cannot_be_meant_is_refused_in_the_same_words(
    here: Engine, there: Engine, given: dict[str, Any], error: type[Exception]
) -> None:
    question = TokensQuery(collection=COLLECTION, **given)
    with pytest.raises(error) as expected:
        here.ask(question)
    with pytest.raises(error) as found:
        there.ask(question)
    assert str(found.value) == str(expected.value)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([0, 5, 20, 50, 88]), min_size=1, max_size=3, unique=True).map(tuple),
    st.sampled_from([1, 5, 30]),
    st.sampled_from(WHERES),
    st.sampled_from(["max", "binary", "sum"]),
    st.booleans(),
)
def test_nearest_documents_are_those_of_one_process(
    here: Engine,
    there: Engine,
    owners: OwnersElsewhere,
    docs: tuple[int, ...],
    k: int,
    where: str | None,
    pooling: Pooling,
    exact: bool,
) -> None:
    question = SimilarQuery(
        collection=COLLECTION, docs=docs, k=k, where=where, pooling=pooling, exact=exact
    )
    before = len(owners.asked)
    same(here, there, question)
    if not exact and pooling == "max" and where != NOWHERE:
        assert "BlockSearch" in owners.asked[before:]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 11), min_size=1, max_size=4, unique=True).map(tuple),
    st.sampled_from([1, 5, None]),
    st.sampled_from(WHERES),
    st.sampled_from(["cosine", "dot", "jaccard"]),
)
def test_few_features_are_scored_from_the_lists_of_parts(
    made: MadeLake, features: tuple[int, ...], k: int | None, where: str | None, measure: Measure
) -> None:
    owners = OwnersElsewhere()
    here, there = (
        Engine(made.lake.uri, executor=executor, cache_bytes=0) for executor in (Threads(2), owners)
    )
    question = SimilarQuery(
        collection=COLLECTION,
        docs=(20, 50),
        exact=True,
        within=features,
        measure=measure,
        where=where,
        k=k,
    )
    try:
        expected = here.ask(question).read_all()
    except InvalidInput:
        with pytest.raises(InvalidInput):
            there.ask(question)
        return
    assert there.ask(question).read_all().equals(expected)
    assert "_ByLists" in owners.asked


@pytest.mark.parametrize("cache_bytes", [0, 3000, 1 << 20])
def test_analyses_are_those_of_one_process_and_read_pieces_once(
    tmp_path_factory: pytest.TempPathFactory, cache_bytes: int
) -> None:
    made = make_lake(tmp_path_factory.mktemp("lake"), n_documents=50, n_fragments=5, n_indexed=3)
    add_dictionary(made, "other")
    owners = OwnersElsewhere()
    here = Engine(made.lake.uri, executor=Threads(2), cache_bytes=cache_bytes)
    there = Engine(made.lake.uri, executor=owners, cache_bytes=cache_bytes)
    for question in QUESTIONS:
        same(here, there, question)
    n_made = len(owners.made)
    assert n_made > 0
    for question in QUESTIONS:
        same(here, there, question)
    assert len(owners.made) == n_made, "a piece was read again"


def test_an_append_costs_only_what_is_new(tmp_path_factory: pytest.TempPathFactory) -> None:
    made = make_lake(tmp_path_factory.mktemp("lake"), n_documents=50, n_fragments=5, n_indexed=0)
    owners = OwnersElsewhere()
    question = SimilarQuery(collection=COLLECTION, docs=(3,), pooling="sum", exact=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("saelake.store.codes.executor.PIECE_ROWS", 1)
        patch.setattr(pieces, "__defaults__", (1, *(pieces.__defaults__ or ())[1:]))
        there = Engine(made.lake.uri, executor=owners)
        there.ask(question).read_all()
        assert len(owners.made) == 5
        add_documents(made, 7)
        grown = Engine(made.lake.uri, executor=owners)
        same(Engine(made.lake.uri), grown, question)
        assert len(owners.made) == 6


def test_pieces_are_known_by_their_files(made: MadeLake, there: Engine) -> None:
    codes = there._session.collection(COLLECTION).codes
    assert codes.locations.n_documents > 0
    for piece in pieces(codes, 1):
        copy: Piece = pickle.loads(pickle.dumps(piece))
        assert copy.codes._locations is None, "what can be read there is not sent"
        assert (copy.place, copy.contents) == (piece.place, piece.contents)
    assert len({piece.contents for piece in pieces(codes, 1)}) == 9


def test_parts_know_their_own_documents(here: Engine) -> None:
    codes = here._session.collection(COLLECTION).codes
    (first, *_), whole = pieces(codes, 1), codes.locations
    within = codes.within(first.fragments).locations
    docs = np.arange(90, dtype=np.uint64)
    assert 0 < within.n_documents < whole.n_documents
    assert set(within.find(docs)) < set(whole.find(docs))
    assert codes.within(()).locations.n_documents == 0


def test_retrieve_is_refused_without_labels_alike(here: Engine, there: Engine) -> None:
    question = RetrieveQuery(collection=COLLECTION, phrase="rain", method="sae")
    said = []
    for engine in (here, there):
        with pytest.raises(NotFound) as caught:
            engine.ask(question)
        said.append(str(caught.value))
    assert said[0] == said[1]
