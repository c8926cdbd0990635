"""Similar documents, against dense matrices of the same codes."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saelake.store.engine import Engine
from saelake.store.errors import InvalidFilter, InvalidInput, NotFound, SaelakeError
from saelake.store.requests.checks import Pooling, Weight
from saelake.store.requests.similar import SimilarQuery
from tests.lakes import MadeLake, make_lake

COLLECTION = "made/random"
N_DOCUMENTS, N_FEATURES = 50, 12
WHERES = [None, "label = 'pos'", "length > 20"]

Floats = npt.NDArray[np.float64]


class Asked:
    """A lake, and the engine that answers about it."""

    def __init__(self, made: MadeLake) -> None:
        self.made = made
        self.engine = Engine(made.lake.uri)

    @cached_property
    def dense(self) -> Mapping[str, Floats]:
        """All embeddings by pooling, float64 (n_documents, n_features); NaN for no embedding."""
        poolings = get_args(Pooling)
        return {pooling: self.made.embeddings(pooling).astype(np.float64) for pooling in poolings}

    @cached_property
    def encoded(self) -> list[int]:
        rows = ~np.isnan(self.dense["max"]).any(axis=1)
        return [int(doc) for doc in np.flatnonzero(rows)]

    def similar(self, **asked: Any) -> list[dict[str, Any]]:
        query = SimilarQuery(collection=COLLECTION, **asked)
        rows: list[dict[str, Any]] = self.engine.ask(self.named(query)).read_all().to_pylist()
        return list(self.made.unsigned(rows))

    def named(self, query: SimilarQuery) -> SimilarQuery:
        """The question, with what poles are called in place of their numbers."""
        return replace(
            query,
            within=tuple(map(self.made.named, query.within)),
            features=tuple(replace(w, feature=self.made.named(w.feature)) for w in query.features),
            weights=tuple(replace(w, feature=self.made.named(w.feature)) for w in query.weights),
        )


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """Values above 0; one document could not be encoded, some have no tokens."""
    folder = tmp_path_factory.mktemp("plain") / "lake"
    made = make_lake(folder, seed=1, n_documents=N_DOCUMENTS, failed={(7, 0)})
    return Asked(made)


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    folder = tmp_path_factory.mktemp("signed") / "lake"
    """As many poles as the others have features."""
    made = make_lake(
        folder, seed=2, n_documents=N_DOCUMENTS, n_features=N_FEATURES // 2, signed=True
    )
    return Asked(made)


# --- brute force ---


def kept(made: MadeLake, where: str | None) -> list[int]:
    """The documents that one of `WHERES` keeps."""
    keeps: Mapping[str | None, Callable[[int], bool]] = {
        None: lambda doc: True,
        "label = 'pos'": lambda doc: made.labels[doc] == "pos",
        "length > 20": lambda doc: len(made.texts[doc]) > 20,
    }
    return [doc for doc in range(len(made.texts)) if keeps[where](doc)]


def weights(asked: Asked, query: SimilarQuery) -> Floats:
    w = np.ones(N_FEATURES)
    if query.within:
        w = np.isin(np.arange(N_FEATURES), query.within).astype(np.float64)
    for weight in query.weights:
        w[weight.feature] *= weight.weight
    if query.idf:
        df = asked.dense["binary"][asked.encoded].sum(axis=0)
        w *= np.where(df > 0, np.log(len(asked.encoded) / np.maximum(df, 1)), 0)
    return w


def example_docs(query: SimilarQuery) -> set[int]:
    return {*query.docs, *(int(name[1:]) for name in query.ids)}


def compared_with(asked: Asked, query: SimilarQuery) -> Floats:
    """The vector that documents are compared with, before the weights."""
    vector = np.zeros(N_FEATURES)
    for weight in query.features:
        vector[weight.feature] += weight.weight
    rows = [asked.dense[query.pooling][doc] for doc in example_docs(query) & set(asked.encoded)]
    if len(example_docs(query)) > 1 and query.measure != "jaccard":
        rows = [row / (np.linalg.norm(row) or 1) for row in rows]
    return vector + sum(rows, np.zeros(N_FEATURES)) / max(len(rows), 1)


def score(measure: str, q: Floats, v: Floats) -> float:
    if measure == "dot":
        return float(q @ v)
    if measure == "cosine":
        return float(q @ v / ((np.linalg.norm(q) * np.linalg.norm(v)) or 1))
    return float(np.minimum(q, v).sum() / (np.maximum(q, v).sum() or 1))


def brute_force(asked: Asked, query: SimilarQuery) -> Mapping[int, float]:
    """The score of every document that can be a hit; none where there is nothing to be like."""
    w, v = weights(asked, query), asked.dense[query.pooling]
    q = w * compared_with(asked, query)
    return {
        doc: score(query.measure, q, w * v[doc])
        for doc in kept(asked.made, query.where)
        if doc in asked.encoded and doc not in example_docs(query) and (q * v[doc]).any()
    }


features = st.integers(0, N_FEATURES - 1)
positive = st.builds(Weight, feature=features, weight=st.sampled_from([0.5, 1.0, 3.0]))
things = st.one_of(
    st.fixed_dictionaries(
        {"docs": st.lists(st.integers(0, N_DOCUMENTS - 1), min_size=1).map(tuple)}
    ),
    st.fixed_dictionaries(
        {"ids": st.lists(st.integers(0, N_DOCUMENTS - 1).map("d{}".format), min_size=1).map(tuple)}
    ),
    st.fixed_dictionaries({"features": st.lists(positive, min_size=1, max_size=4).map(tuple)}),
)
ways = st.fixed_dictionaries(
    {
        "k": st.none() | st.sampled_from([1, 5, 1000]),
        "where": st.sampled_from(WHERES),
        "pooling": st.sampled_from(["max", "mean", "sum", "binary"]),
        "measure": st.sampled_from(["cosine", "dot", "jaccard"]),
        "idf": st.booleans(),
        "within": st.lists(features, max_size=5).map(tuple),
        "weights": st.lists(
            st.builds(Weight, feature=features, weight=st.sampled_from([0.0, 0.5, 4.0])), max_size=3
        ).map(tuple),
    }
)


def check(asked: Asked, options: dict[str, Any]) -> None:
    query = SimilarQuery(collection=COLLECTION, **options)
    if not (weights(asked, query) * compared_with(asked, query)).any():
        with pytest.raises(InvalidInput, match="nothing to be similar to"):
            asked.engine.ask(asked.named(query))
        return
    expected = brute_force(asked, query)
    found = {row["doc"]: row["score"] for row in asked.similar(**options)}
    assert list(found.items()) == sorted(found.items(), key=lambda hit: (-hit[1], hit[0]))
    assert found == {doc: pytest.approx(expected[doc], rel=1e-4, abs=1e-5) for doc in found}
    some = {doc for doc, value in expected.items() if abs(value) > 1e-5}  # not cancelled out
    n = min(query.k or len(expected), len(expected))
    assert min(n, len(some)) <= len(found) <= n
    best = sorted(expected.values(), reverse=True)[: len(found)]
    if len(some) == len(expected):
        assert list(found.values()) == pytest.approx(best, rel=1e-4, abs=1e-5)


@settings(max_examples=150, deadline=None)
@given(thing=things, way=ways)
def test_scores_are_those_of_dense_rows(
    plain: Asked, thing: dict[str, Any], way: dict[str, Any]
) -> None:
    check(plain, thing | way)


@settings(max_examples=60, deadline=None)
@given(thing=things, way=ways)
def test_poles_of_a_signed_dictionary_count_as_features_do(
    signed: Asked, thing: dict[str, Any], way: dict[str, Any]
) -> None:
    check(signed, thing | way)


# --- what a hit says ---


def test_equal_scores_are_in_the_order_of_documents(plain: Asked) -> None:
    hits = plain.similar(features=(Weight(feature=3),), k=None, pooling="binary", measure="dot")
    expected = [doc for doc in plain.encoded if plain.dense["max"][doc, 3] > 0]
    assert [hit["doc"] for hit in hits] == expected
    assert {hit["score"] for hit in hits} == {1.0}
    first = plain.similar(features=(Weight(feature=3),), k=4, pooling="binary", measure="dot")
    assert first == hits[:4]


def test_a_hit_shows_its_document(plain: Asked) -> None:
    made = plain.made
    for hit in plain.similar(docs=(3,), k=None):
        doc = hit["doc"]
        assert hit["id"] == f"d{doc}"
        assert hit["text"] == made.texts[doc]
        assert hit["metadata"] == {"label": made.labels[doc], "length": len(made.texts[doc])}


@pytest.mark.parametrize("measure", ["cosine", "dot", "jaccard"])
@pytest.mark.parametrize("pooling", ["max", "sum"])
def test_shares_say_what_makes_a_score(plain: Asked, measure: str, pooling: str) -> None:
    dense = plain.dense[pooling]
    mine = dense[3]
    weighed = {"within": tuple(range(8)), "weights": (Weight(feature=2, weight=3.0),)}
    w = np.where(np.arange(N_FEATURES) < 8, 1.0, 0.0)
    w[2] = 3
    hits = plain.similar(docs=(3,), k=None, measure=measure, pooling=pooling, **weighed)
    assert hits
    for hit in hits:
        theirs = dense[hit["doc"]]
        parts = np.minimum(w * mine, w * theirs) if measure == "jaccard" else w * w * mine * theirs
        shared = hit["shared_features"]
        assert 0 < len(shared) == min((parts > 0).sum(), 5)
        shares = [s["share"] for s in shared]
        assert shares == sorted(shares, reverse=True)
        assert shares == pytest.approx(np.sort(parts / parts.sum())[::-1][: len(shared)], rel=1e-5)
        if len(shared) < 5:
            assert sum(shares) == pytest.approx(1, rel=1e-5)
        for s in shared:
            assert s["share"] == pytest.approx(parts[s["feature"]] / parts.sum(), rel=1e-5)
            assert s["value"] == theirs[s["feature"]]
            assert s["label"] is None


def test_a_document_is_most_like_itself_by_its_own_features(plain: Asked) -> None:
    doc = max(plain.encoded, key=lambda d: len(plain.made.words[d]))
    row = plain.dense["max"][doc]
    same = tuple(Weight(feature=int(f), weight=float(row[f])) for f in np.flatnonzero(row))
    best = plain.similar(features=same, k=1)[0]
    assert best["score"] == pytest.approx(1, rel=1e-6)
    assert plain.similar(docs=(doc,), k=None)[0]["doc"] != doc


def test_several_examples_count_alike_however_long_they_are(plain: Asked) -> None:
    """The mean of unit vectors: repeating an example, or naming it twice, changes nothing."""
    once = plain.similar(docs=(3, 5), k=None)
    assert plain.similar(docs=(5, 3, 3), k=None) == once
    assert plain.similar(docs=(3,), ids=("d5", "d3"), k=None) == once
    assert not {3, 5} & {hit["doc"] for hit in once}


def test_texts_of_hits_are_beginnings(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_documents=12, tokens=(100, 120), n_features=4)
    hits = Asked(made).similar(docs=(0,))
    for hit in hits:
        whole = made.texts[hit["doc"]]
        assert len(whole) > 300
        assert 280 < len(hit["text"]) <= 300
        assert whole.startswith(hit["text"] + " "), "cut between words"


# --- mistakes ---


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"docs": (50,)}, NotFound, "no document 50"),
        ({"docs": (-1,)}, NotFound, "no document -1"),
        ({"ids": ("nobody",)}, NotFound, "nobody"),
        ({"docs": (7,)}, InvalidInput, "nothing to be similar to"),
        ({"features": (Weight(feature=12),)}, NotFound, "no feature 12"),
        ({"features": (Weight(feature=-1),)}, NotFound, "no feature -1"),
        ({"features": (Weight(feature=1, weight=0.0),)}, InvalidInput, "nothing to be similar"),
        (
            {"features": (Weight(feature=1, weight=-1.0),), "measure": "jaccard"},
            InvalidInput,
            "negative",
        ),
        ({"features": (Weight(feature=1, weight=1e300),) * 2}, InvalidInput, "at most 1e\\+09"),
        ({"docs": (3,), "weights": (Weight(feature=1, weight=1e39),)}, InvalidInput, "divide all"),
        ({"docs": (3,), "within": (1, 99)}, NotFound, "no feature 99"),
        ({"docs": (3,), "weights": (Weight(feature=12),)}, NotFound, "no feature 12"),
        ({"docs": (3,), "where": "colour = 1"}, InvalidFilter, "colour"),
        ({"docs": (3,), "about": "rain"}, NotFound, "saelake label"),
        ({"docs": (3,), "method": "dense"}, NotFound, "saelake embed made"),
        ({"docs": (3,), "method": "hybrid"}, NotFound, "saelake embed made"),
        ({"text": "rain"}, SaelakeError, "workers"),
    ],
)
def test_mistakes_are_named(
    plain: Asked, asked: dict[str, Any], error: type[SaelakeError], said: str
) -> None:
    with pytest.raises(error, match=said):
        plain.similar(**asked)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({}, "one thing"),
        ({"docs": (1,), "text": "rain"}, "one thing"),
        ({"text": " "}, "empty"),
        ({"docs": (1,), "k": 0}, "k must be"),
        ({"docs": (1,), "pooling": "median"}, "pooling cannot be"),
        ({"docs": (1,), "measure": "l2"}, "measure cannot be"),
        ({"docs": (1,), "within": (1,), "about": "rain"}, "Give either"),
        ({"features": (Weight(feature=1),), "method": "dense"}, "no dense embedding"),
        ({"docs": (1,), "weights": (Weight(feature=1, weight=-1.0),)}, "cannot be negative"),
        ({"features": (Weight(feature=1, weight=float("nan")),)}, "finite"),
    ],
)
def test_wrong_questions_are_not_asked(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        SimilarQuery(collection=COLLECTION, **asked)
