"""Questions with a text in them, through the models that the lake was made with."""

import shutil
from collections.abc import Mapping
from typing import Any

import pytest

from saelake.store.engine import Engine
from saelake.store.errors import DictionaryMismatch, InvalidInput, MissingExtra
from saelake.store.growth.label import label_collection
from saelake.store.query.parts.words import word_ranking
from saelake.store.requests.checks import Selection
from saelake.store.requests.labels import LabelsQuery
from saelake.store.requests.retrieve import RetrieveQuery
from saelake.store.requests.similar import SimilarQuery
from saelake.store.snapshot.session import Session
from saelake.workers.texts.embed import embed_corpus
from saelake.workers.texts.texts import ModelTexts
from tests.encoded import NAME, EncodedLake, make_encoded_lake
from tests.tiny import save_dictionary

COLLECTION = str(NAME)
TEXT = "w1 w2 w3 w4"


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> EncodedLake:
    """With dense embeddings, words and automatic labels."""
    made = make_encoded_lake(tmp_path_factory.mktemp("texts"))
    embed_corpus(made.lake, NAME.corpus, model=made.sentences)
    label_collection(Session(made.lake), COLLECTION)
    return made


def similar(encoded: EncodedLake, **asked: Any) -> list[dict[str, Any]]:
    query = SimilarQuery(collection=COLLECTION, **asked)
    rows: list[dict[str, Any]] = encoded.engine.ask(query).read_all().to_pylist()
    return rows


def test_a_documents_own_text_finds_it_first(encoded: EncodedLake) -> None:
    for doc in (3, 8, 21):
        for options in ({"pooling": "mean"}, {"measure": "jaccard"}, {"idf": True}):
            best = similar(encoded, text=encoded.texts[doc], k=1, **options)[0]
            assert best["doc"] == doc
            assert best["score"] == pytest.approx(1, abs=1e-3)
        dense = similar(encoded, text=encoded.texts[doc], k=1, method="dense")[0]
        assert (dense["doc"], dense["score"]) == (doc, pytest.approx(1, abs=1e-5))


def test_a_text_scores_as_its_document_does(encoded: EncodedLake) -> None:
    """But the document itself, asked about, is no hit."""
    by_text = {hit["doc"]: hit["score"] for hit in similar(encoded, text=encoded.texts[8], k=None)}
    by_doc = {hit["doc"]: hit["score"] for hit in similar(encoded, docs=(8,), k=None)}
    assert by_text.pop(8)
    assert by_doc == pytest.approx(by_text, rel=2e-3)


def fused(*rankings: tuple[list[int], float]) -> Mapping[int, float]:
    scores: dict[int, float] = {}
    for docs, weight in rankings:
        for rank, doc in enumerate(docs, start=1):
            scores[doc] = scores.get(doc, 0) + weight / (60 + rank)
    return scores


def test_a_text_is_found_by_features_meaning_and_words(encoded: EncodedLake) -> None:
    """Ranks in dense embeddings and words count 1, those in features a half."""
    by_features, dense = (
        [hit["doc"] for hit in similar(encoded, text=TEXT, k=None, method=method)]
        for method in ("sae", "dense")
    )
    selected = Session(encoded.lake).select(Selection(collection=COLLECTION))
    words = word_ranking(selected, TEXT, None, None, selected.collection.codes.locations.docs[:0])
    assert words is not None
    having = [d for d, t in enumerate(encoded.texts) if set(TEXT.split()) & set(t.split())]
    assert sorted(words.doc.tolist()) == having
    assert 0 < len(having) < len(encoded.texts)
    expected = fused((dense, 1), (words.doc.tolist(), 1), (by_features, 0.5))
    for k in (4, None):
        hits = similar(encoded, text=TEXT, k=k, method="hybrid")
        assert len(hits) == min(k or len(expected), len(expected))
        for hit in hits:
            assert hit["score"] == pytest.approx(expected[hit["doc"]], rel=1e-5)
        assert [hit["score"] for hit in hits] == pytest.approx(
            sorted(expected.values(), reverse=True)[:k], rel=1e-5
        )


def test_phrases_find_features_and_documents(encoded: EncodedLake) -> None:
    labels = encoded.engine.ask(LabelsQuery(dictionary="sae", text=TEXT, k=5)).read_all()
    assert labels.num_rows == 5
    similarity = labels["similarity"].to_pylist()
    assert similarity == sorted(similarity, reverse=True)
    hits = encoded.engine.ask(RetrieveQuery(collection=COLLECTION, phrase=TEXT)).read_all()
    assert hits.num_rows == 10
    shown = {s["label"] for shared in hits["shared_features"].to_pylist() for s in shared}
    assert all(label.startswith("fires on ") for label in shown)


def test_a_text_that_says_nothing_is_refused(encoded: EncodedLake) -> None:
    with pytest.raises(InvalidInput, match="nothing to be similar to"):
        similar(encoded, text="w1 w2", within=(0,), weights=())


def test_without_models_texts_are_refused(encoded: EncodedLake) -> None:
    engine = Engine(encoded.lake.uri)
    for query in (
        SimilarQuery(collection=COLLECTION, text=TEXT),
        SimilarQuery(collection=COLLECTION, docs=(1,), about=TEXT),
        RetrieveQuery(collection=COLLECTION, phrase=TEXT),
        LabelsQuery(dictionary="sae", text=TEXT),
    ):
        with pytest.raises(MissingExtra, match=r"saelake\[workers\]"):
            engine.ask(query)


def test_a_dictionary_that_is_another_now_is_refused(encoded: EncodedLake) -> None:
    place = encoded.parts / "sae"
    shutil.move(place, encoded.parts / "kept")
    try:
        save_dictionary(place, seed=9)
        with pytest.raises(DictionaryMismatch, match="words/sae"):
            Engine(encoded.lake.uri, texts=ModelTexts()).ask(
                SimilarQuery(collection=COLLECTION, text=TEXT)
            )
    finally:
        shutil.rmtree(place)
        shutil.move(encoded.parts / "kept", place)
