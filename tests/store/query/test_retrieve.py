"""Retrieval by a phrase, by dense vectors and by ranks in both, against the definitions."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from saelake.store.engine import Engine
from saelake.store.errors import InvalidFilter, InvalidInput, NotFound
from saelake.store.format.schema import LABELS_COLUMNS
from saelake.store.index.vectors import write_vectors
from saelake.store.labels.labels import write_labels
from saelake.store.query.parts import dense as dense_module
from saelake.store.requests.checks import Weight
from saelake.store.requests.cluster import ClusterQuery
from saelake.store.requests.labels import LabelsQuery
from saelake.store.requests.retrieve import RetrieveQuery
from saelake.store.requests.similar import SimilarQuery
from saelake.workers.texts.sentences import SentenceModel
from saelake.workers.texts.texts import ModelTexts
from tests.lakes import MadeLake, make_lake
from tests.tiny import D_MODEL, save_model

COLLECTION = "made/random"
N_DOCUMENTS, N_FEATURES, N_LABELLED = 60, 20, 15
WITHOUT_VECTOR = (4, 30)  # documents
PHRASE = "w1 w2 w3"

Floats = npt.NDArray[np.float64]


def score_of(feature: int) -> float | None:
    """What the labels of features score; some have no score."""
    return None if feature % 5 == 0 else feature / 16


class Asked:
    """A lake with labels and dense vectors of one sentence model."""

    def __init__(self, made: MadeLake, model: Path) -> None:
        sentences = SentenceModel.load(str(model))
        self.made = made
        self.engine = Engine(made.lake.uri, texts=ModelTexts())
        self.values = made.embeddings().astype(np.float64)
        self.labels = sentences.embed([f"w{f} w{2 * f}" for f in range(N_LABELLED)])
        self.phrase = sentences.embed([PHRASE])[0]
        random = np.random.default_rng(0).normal(size=(N_DOCUMENTS, D_MODEL)).astype(np.float32)
        self.vectors = random / np.linalg.norm(random, axis=1, keepdims=True)
        self._write(str(model))

    def _write(self, model: str) -> None:
        rows = [
            {
                "feature": f,
                "label": f"label {f}",
                "explainer": "me",
                "score": score_of(f),
                "embedder": model,
                "embedding": v,
            }
            for f, v in enumerate(self.labels)
        ]
        write_labels(self.made.lake, "random", pa.Table.from_pylist(rows, LABELS_COLUMNS))
        docs = np.setdiff1d(np.arange(N_DOCUMENTS), WITHOUT_VECTOR)
        batches = [(docs.astype(np.uint64), self.vectors[docs])]
        write_vectors(self.made.lake.vectors("made"), D_MODEL, model, batches)

    def retrieve(self, **asked: Any) -> list[dict[str, Any]]:
        query = RetrieveQuery(collection=COLLECTION, phrase=PHRASE, **asked)
        rows: list[dict[str, Any]] = self.engine.ask(query).read_all().to_pylist()
        return rows

    def similar(self, **asked: Any) -> list[dict[str, Any]]:
        query = SimilarQuery(collection=COLLECTION, **asked)
        rows: list[dict[str, Any]] = self.engine.ask(query).read_all().to_pylist()
        return rows

    @property
    def encoded(self) -> list[int]:
        return [d for d in range(N_DOCUMENTS) if not np.isnan(self.values[d]).any()]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    folder = tmp_path_factory.mktemp("retrieve")
    made = make_lake(
        folder / "lake",
        n_documents=N_DOCUMENTS,
        n_features=N_FEATURES,
        density=0.05,
        seed=2,
        failed={(9, 0)},
    )
    return Asked(made, save_model(folder / "bert", bert=True))


# --- brute force ---


def by_features(asked: Asked, n_features: int = 100) -> Mapping[int, float]:
    """Score of each document in which a feature of the phrase fires."""
    nearest = np.argsort(-(asked.labels @ asked.phrase), kind="stable")[:n_features]
    scores = dict.fromkeys(asked.encoded, 0.0)
    for rank, feature in enumerate(nearest.tolist()):
        column = asked.values[asked.encoded, feature]
        if not column.any():
            continue
        percentile = np.percentile(column[column > 0], 90)
        for doc in asked.encoded:
            weight = np.exp(-(rank / len(nearest)) / 0.2)
            scores[doc] += weight * asked.values[doc, feature] / percentile
    return {doc: score for doc, score in scores.items() if score > 0}


def by_vectors(asked: Asked, vector: npt.NDArray[np.float32]) -> Mapping[int, float]:
    return {
        doc: float(asked.vectors[doc] @ vector)
        for doc in range(N_DOCUMENTS)
        if doc not in WITHOUT_VECTOR
    }


def ranked(scores: Mapping[int, float]) -> list[int]:
    return sorted(scores, key=lambda doc: (-scores[doc], doc))


def fused(*rankings: list[int]) -> Mapping[int, float]:
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, doc in enumerate(ranking, start=1):
            scores[doc] = scores.get(doc, 0) + 1 / (60 + rank)
    return scores


def check(hits: list[dict[str, Any]], expected: Mapping[int, float], k: int | None) -> None:
    found = {hit["doc"]: hit["score"] for hit in hits}
    assert list(found.items()) == sorted(found.items(), key=lambda hit: (-hit[1], hit[0]))
    assert found == {doc: pytest.approx(expected[doc], rel=1e-5, abs=1e-6) for doc in found}
    best = sorted(expected.values(), reverse=True)[:k]
    assert list(found.values()) == pytest.approx(best, rel=1e-5, abs=1e-6)


def kept(asked: Asked, scores: Mapping[int, float], label: str | None) -> Mapping[int, float]:
    return {d: s for d, s in scores.items() if label in (None, asked.made.labels[d])}


WHERES = [None, "pos", "neg"]


# --- retrieve ---


@pytest.mark.parametrize("label", WHERES)
@pytest.mark.parametrize(("k", "n_features"), [(10, 100), (None, 4), (1000, 1)])
def test_features_of_the_phrase_are_weighed_by_rank(
    asked: Asked, label: str | None, k: int | None, n_features: int
) -> None:
    where = None if label is None else f"label = '{label}'"
    hits = asked.retrieve(method="sae", k=k, n_features=n_features, where=where)
    check(hits, kept(asked, by_features(asked, n_features), label), k)


@pytest.mark.parametrize("label", WHERES)
def test_dense_is_by_the_phrases_own_vector(asked: Asked, label: str | None) -> None:
    where = None if label is None else f"label = '{label}'"
    hits = asked.retrieve(method="dense", k=None, where=where)
    check(hits, kept(asked, by_vectors(asked, asked.phrase), label), None)


@pytest.mark.parametrize("label", WHERES)
@pytest.mark.parametrize("k", [5, None])
def test_hybrid_fuses_ranks(asked: Asked, label: str | None, k: int | None) -> None:
    where = None if label is None else f"label = '{label}'"
    rankings = [
        ranked(kept(asked, scores, label))
        for scores in (by_features(asked), by_vectors(asked, asked.phrase))
    ]
    check(asked.retrieve(method="hybrid", k=k, where=where), fused(*rankings), k)


def test_a_hit_says_which_features_of_the_phrase_it_has(asked: Asked) -> None:
    nearest = np.argsort(-(asked.labels @ asked.phrase), kind="stable")[:3]
    for hit in asked.retrieve(method="sae", n_features=3, k=None):
        shared = hit["shared_features"]
        assert {s["feature"] for s in shared} <= set(nearest.tolist())
        assert sum(s["share"] for s in shared) == pytest.approx(1, rel=1e-5)
        for s in shared:
            assert s["label"] == f"label {s['feature']}"
            assert s["value"] == asked.values[hit["doc"], s["feature"]]


def test_a_document_that_is_not_encoded_can_be_found_by_its_vector(asked: Asked) -> None:
    hit = next(hit for hit in asked.retrieve(method="dense", k=None) if hit["doc"] == 9)
    assert hit["shared_features"] == []


# --- dense and hybrid similarity, and phrases ---


@pytest.mark.parametrize("docs", [(3,), (3, 5, 12)])
@pytest.mark.parametrize("label", WHERES)
def test_dense_similarity_is_the_cosine_with_the_mean(
    asked: Asked, docs: tuple[int, ...], label: str | None
) -> None:
    where = None if label is None else f"label = '{label}'"
    mean = asked.vectors[list(docs)].mean(axis=0)
    scores = by_vectors(asked, mean / np.linalg.norm(mean))
    expected = {doc: s for doc, s in kept(asked, scores, label).items() if doc not in docs}
    for k in (7, None):
        check(asked.similar(docs=docs, method="dense", k=k, where=where), expected, k)


def test_hybrid_similarity_fuses_ranks(asked: Asked) -> None:
    rankings = [
        [hit["doc"] for hit in asked.similar(docs=(3,), method=method, k=None)]
        for method in ("dense", "sae")
    ]
    for k in (6, None):
        check(asked.similar(docs=(3,), method="hybrid", k=k), fused(*rankings), k)


def test_fused_rankings_have_a_depth(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense_module, "FUSED_DEPTH", 8)
    rankings = [
        [hit["doc"] for hit in asked.similar(docs=(3,), method=method, k=8)]
        for method in ("dense", "sae")
    ]
    check(asked.similar(docs=(3,), method="hybrid", k=3), fused(*rankings), 3)


def test_a_document_without_features_has_dense_neighbors(asked: Asked) -> None:
    assert len(asked.similar(docs=(9,), method="dense", k=5)) == 5
    with pytest.raises(InvalidInput, match="nothing to be similar"):
        asked.similar(docs=(9,), method="sae")


def test_a_document_without_a_vector_is_named(asked: Asked) -> None:
    with pytest.raises(InvalidInput, match="run embed again"):
        asked.similar(docs=WITHOUT_VECTOR, method="dense")


def test_documents_are_compared_in_what_a_phrase_is_about(asked: Asked) -> None:
    nearest = np.argsort(-(asked.labels @ asked.phrase), kind="stable")[:100]
    within = tuple(int(feature) for feature in nearest)
    doc = max(asked.encoded, key=lambda d: (asked.values[d, :N_LABELLED] > 0).sum())
    hits = asked.similar(docs=(doc,), about=PHRASE)
    assert hits
    assert hits == asked.similar(docs=(doc,), within=within)


def test_clusters_can_be_about_a_phrase(asked: Asked) -> None:
    nearest = np.argsort(-(asked.labels @ asked.phrase), kind="stable")[:4]
    answers = [
        asked.engine.ask(
            ClusterQuery(collection=COLLECTION, n_clusters=2, method="jaccard", **options)
        ).read_all()
        for options in (
            {"about": PHRASE, "n_labels": 4},
            {"features": tuple(int(f) for f in nearest)},
        )
    ]
    assert answers[0].equals(answers[1])


def test_vectors_newer_than_the_snapshot_are_not_in_the_answer(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_documents=10)
    vectors = np.eye(12, 4, dtype=np.float32)
    write_vectors(made.lake.vectors("made"), 4, "m", [(np.arange(12, dtype=np.uint64), vectors)])
    engine = Engine(made.lake.uri)
    for where in (None, "length >= 0"):
        query = SimilarQuery(collection=COLLECTION, docs=(0,), method="dense", k=None, where=where)
        assert engine.ask(query).read_all()["doc"].to_pylist() == list(range(1, 10))


# --- mistakes ---


def test_what_was_not_made_is_named(asked: Asked, tmp_path: Path) -> None:
    bare = make_lake(tmp_path / "lake", n_documents=10)
    query = RetrieveQuery(collection=COLLECTION, phrase=PHRASE)
    with pytest.raises(NotFound, match="saelake label"):
        Engine(bare.lake.uri, texts=ModelTexts()).ask(query)
    with pytest.raises(InvalidFilter, match="colour"):
        asked.retrieve(where="colour = 1")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"phrase": "  "}, "phrase is empty"),
        ({"n_features": 0}, "n_features must"),
        ({"temperature": 0.0}, "temperature must"),
        ({"method": "bm25"}, "method cannot be"),
        ({"k": 0}, "k must"),
        ({"features": (Weight(feature=1, weight=0.0),)}, "more than 0"),
        ({"features": (Weight(feature=1, weight=1e300),)}, "at most 1,000,000"),
        ({"features": (Weight(feature=1), Weight(feature=1))}, "once"),
        ({"features": (Weight(feature=1),), "min_score": 0.5}, "leave it out"),
    ],
)
def test_wrong_questions_are_not_asked(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        RetrieveQuery(**{"collection": COLLECTION, "phrase": PHRASE, **options})


# --- what was chosen ---


def test_features_that_are_given_stand_for_the_phrase(asked: Asked) -> None:
    """Of a document, the sum of its values over their 90th percentiles, by the weights given."""
    weights = {3: 0.9, 7: 0.2, N_FEATURES - 1: 2.5}
    given = tuple(Weight(feature=f, weight=w) for f, w in weights.items())
    expected: dict[int, float] = {}
    for feature, weight in weights.items():
        column = asked.values[asked.encoded, feature]
        percentile = np.percentile(column[column > 0], 90)
        for doc in asked.encoded:
            score = weight * asked.values[doc, feature] / percentile
            expected[doc] = expected.get(doc, 0.0) + score
    expected = {doc: score for doc, score in expected.items() if score > 0}
    check(asked.retrieve(method="sae", k=None, features=given), expected, None)
    query = RetrieveQuery(collection=COLLECTION, phrase=PHRASE, method="sae", features=given)
    for row in chosen(asked, query):
        known = row["feature"] < N_LABELLED
        said = (f"label {row['feature']}", "me") if known else (None, None)
        assert (row["label"], row["explainer"]) == said
        assert (row["weight"], row["similarity"]) == (weights[row["feature"]], None)
    hybrid = asked.retrieve(method="hybrid", k=None, features=given)
    by_phrase = by_vectors(asked, asked.phrase)
    check(hybrid, fused(ranked(expected), ranked(by_phrase)), None)


def test_given_features_need_no_labels(tmp_path: Path) -> None:
    bare = make_lake(tmp_path / "lake", n_documents=30, n_features=4)
    given = (Weight(feature=2, weight=1.0),)
    query = RetrieveQuery(collection=COLLECTION, phrase=PHRASE, method="sae", features=given)
    answer = Engine(bare.lake.uri).ask(query)
    (row,) = json.loads(answer.schema.metadata[b"chosen"])
    assert (row["feature"], row["label"], row["similarity"]) == (2, None, None)
    assert answer.read_all().num_rows > 0
    unknown = (Weight(feature=10_000, weight=1.0),)
    with pytest.raises(NotFound, match="has no feature 10000"):
        Engine(bare.lake.uri).ask(replace(query, features=unknown))


def chosen(asked: Asked, query: Any) -> list[dict[str, Any]]:
    metadata = asked.engine.ask(query).schema.metadata
    found: list[dict[str, Any]] = json.loads(metadata[b"chosen"])
    return found


def test_the_features_that_stand_for_a_phrase_are_said(asked: Asked) -> None:
    found = chosen(asked, RetrieveQuery(collection=COLLECTION, phrase=PHRASE, n_features=6))
    products = asked.labels @ asked.phrase
    nearest = np.argsort(-products, kind="stable")[:6]
    assert [row["feature"] for row in found] == nearest.tolist()
    assert [row["similarity"] for row in found] == pytest.approx(products[nearest], abs=1e-5)
    weights = np.exp(-np.arange(6) / 6 / 0.2)
    assert [row["weight"] for row in found] == pytest.approx(weights)
    for row in found:
        assert (row["label"], row["explainer"]) == (f"label {row['feature']}", "me")
        assert row["corpus"] is None
        assert row["score"] == score_of(row["feature"])


def test_about_and_clusters_say_so_too(asked: Asked) -> None:
    nearest = np.argsort(-(asked.labels @ asked.phrase), kind="stable").tolist()
    weighed = (Weight(feature=nearest[1], weight=3.0),)
    query = SimilarQuery(collection=COLLECTION, docs=tuple(range(9)), about=PHRASE, weights=weighed)
    found = chosen(asked, query)
    assert [row["feature"] for row in found] == nearest
    assert [row["weight"] for row in found] == [1, 3, *[1] * (len(nearest) - 2)]
    clustered = ClusterQuery(collection=COLLECTION, about=PHRASE, n_labels=4, n_clusters=2)
    assert [row["feature"] for row in chosen(asked, clustered)] == nearest[:4]
    silent = asked.engine.ask(SimilarQuery(collection=COLLECTION, docs=(3,)))
    assert b"chosen" not in silent.schema.metadata


@pytest.mark.parametrize("least", [0.0, 0.3, 0.8125])
def test_a_least_score_is_of_the_labels_that_are_chosen(asked: Asked, least: float) -> None:
    nearest = np.argsort(-(asked.labels @ asked.phrase), kind="stable").tolist()
    good = [f for f in nearest if (score := score_of(f)) is not None and score >= least]
    assert 0 < len(good) < len(nearest)
    queries = [
        RetrieveQuery(collection=COLLECTION, phrase=PHRASE, min_score=least),
        SimilarQuery(collection=COLLECTION, docs=tuple(range(20)), about=PHRASE, min_score=least),
        ClusterQuery(collection=COLLECTION, about=PHRASE, n_clusters=2, min_score=0.0),
    ]
    of_all = [f for f in nearest if score_of(f) is not None]
    for query, expected in zip(queries, (good, good, of_all), strict=True):
        assert [row["feature"] for row in chosen(asked, query)] == expected
    labels = LabelsQuery(dictionary="random", text=PHRASE, min_score=least)
    assert [r["feature"] for r in asked.engine.ask(labels).read_all().to_pylist()] == good


def test_a_score_that_no_label_has_is_refused(asked: Asked) -> None:
    with pytest.raises(NotFound, match=r"No label of random has a score of at least 0\.9"):
        asked.retrieve(min_score=0.9)
    with pytest.raises(InvalidInput, match="give about too"):
        SimilarQuery(collection=COLLECTION, docs=(1,), min_score=0.5)
    with pytest.raises(InvalidInput, match="give about too"):
        ClusterQuery(collection=COLLECTION, min_score=0.5)
    with pytest.raises(InvalidInput, match="from 0 to 1"):
        RetrieveQuery(collection=COLLECTION, phrase=PHRASE, min_score=80)


def test_labels_say_whose_vectors_were_compared(asked: Asked) -> None:
    found = asked.engine.ask(LabelsQuery(dictionary="random", text=PHRASE))
    assert found.schema.metadata[b"answering"] == b"me"
