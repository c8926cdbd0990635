"""Texts of questions have the codes that they have as documents."""

import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from saelake.store.codes.embeddings import take
from saelake.store.documents.imports import SourceBatch, import_documents
from saelake.store.errors import DictionaryMismatch, ModelError, NotFound
from saelake.store.lake.lake import Lake
from saelake.store.requests.checks import Pooling
from saelake.store.snapshot.session import Session
from saelake.workers.run import DictionaryChoice, EncodeOptions, encode
from saelake.workers.texts.sentences import SentenceModel
from saelake.workers.texts.texts import ModelTexts
from tests.tiny import WORDS, save_dictionary, save_model

WINDOW = 16
RANDOM = np.random.default_rng(0)
TEXTS = [" ".join(RANDOM.choice(WORDS[4:], n)) for n in (1, 15, 16, 100)]
UNKNOWN = "日本 🌧"  # of which the tokenizer knows nothing


class Documents:
    """The texts as a source of documents."""

    name = "made"
    generated_ids = False
    schema = pa.schema([])

    def batches(self) -> Any:
        texts = [*TEXTS, UNKNOWN]
        columns = {
            "row": pa.array(range(len(texts)), pa.uint64()),
            "id": [f"d{i}" for i in range(len(texts))],
            "text": texts,
        }
        yield SourceBatch(file="made", first_row=0, rows=pa.RecordBatch.from_pydict(columns))


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    save_model(folder / "llama", window=WINDOW)
    save_model(folder / "bert", bert=True, window=WINDOW)
    save_dictionary(folder / "topk")
    save_dictionary(folder / "bos", prepend_bos=True)
    save_dictionary(folder / "signed", architecture="abstopk", seed=2)
    return folder


def encoded(parts: Path, folder: Path, dictionary: str, model: str, **options: Any) -> Session:
    lake = Lake(str(folder))
    import_documents(lake, "made", Documents())
    encode(
        lake,
        "made",
        model=str(parts / model),
        dictionaries=[DictionaryChoice(location=str(parts / dictionary), name="d")],
        options=EncodeOptions(**options),
    )
    return Session(lake, texts=ModelTexts())


@pytest.mark.parametrize(
    ("dictionary", "model", "options"),
    [
        ("topk", "llama", {}),
        ("bos", "llama", {"overlap": 4}),
        ("topk", "bert", {"special_tokens": True, "max_tokens": 30}),
        ("topk", "llama", {"chat": True, "window": 12}),
        ("signed", "llama", {"values": "8-bit"}),
    ],
    ids=["plain", "overlap and BOS", "special tokens", "chat", "signed in 8 bits"],
)
def test_a_text_has_the_codes_of_its_document(
    parts: Path,
    tmp_path: Path,
    dictionary: str,
    model: str,
    options: dict[str, Any],
) -> None:
    session = encoded(parts, tmp_path / "lake", dictionary, model, **options)
    collection = session.collection("made/d")
    texts = ModelTexts()
    places = str(parts / model), str(parts / dictionary)
    step = 0.1 if collection.settings.values == "8-bit" else 2.0**-9
    poolings: tuple[Pooling, ...] = ("max", "mean")
    for (doc, text), pooling in product(enumerate([*TEXTS, UNKNOWN]), poolings):
        stored = take(collection.codes, np.array([doc], np.uint64), pooling)
        found = texts.codes(collection.settings, *places, text, pooling)
        assert len(found) == len(stored) == 1
        np.testing.assert_array_equal(found.features, stored.features)
        # The batches are of other sizes: sums may differ in the last bit before they are rounded.
        np.testing.assert_allclose(found.values, stored.values, rtol=step, atol=1e-6)


@pytest.fixture(scope="module")
def session(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Session:
    return encoded(parts, tmp_path_factory.mktemp("lakes") / "lake", "topk", "llama")


def test_a_text_without_tokens_has_no_feature(parts: Path, session: Session) -> None:
    settings = session.collection("made/d").settings
    found = ModelTexts().codes(settings, str(parts / "llama"), str(parts / "topk"), " ", "max")
    assert len(found) == 1
    assert len(found.features) == 0


def test_a_model_that_is_another_now_is_an_error(
    parts: Path, session: Session, tmp_path: Path
) -> None:
    settings = session.collection("made/d").settings
    llama, topk = str(parts / "llama"), str(parts / "topk")
    save_dictionary(tmp_path / "other", seed=5)
    with pytest.raises(DictionaryMismatch, match="made/d"):
        ModelTexts().codes(settings, llama, str(tmp_path / "other"), "w1", "max")
    with pytest.raises(ModelError, match="made/d"):
        ModelTexts().codes(settings, str(parts / "bert"), topk, "w1", "max")
    with pytest.raises(ModelError, match="nowhere"):
        ModelTexts().codes(settings, str(parts / "nowhere"), topk, "w1", "max")
    with pytest.raises(NotFound, match="nowhere"):
        ModelTexts().codes(settings, llama, str(parts / "nowhere"), "w1", "max")
    changed = replace(settings, model_fingerprint="of other weights")
    with pytest.raises(ModelError, match="not the model"):
        ModelTexts().codes(changed, llama, topk, "w1", "max")


def test_what_has_moved_is_found_at_its_place(
    parts: Path, session: Session, tmp_path: Path
) -> None:
    settings = session.collection("made/d").settings
    for name in ("llama", "topk"):
        shutil.copytree(parts / name, tmp_path / name)
    expected = ModelTexts().codes(
        settings, str(parts / "llama"), str(parts / "topk"), TEXTS[2], "max"
    )
    here = {name: str(tmp_path / name) for name in ("llama", "topk")}
    by_name = ModelTexts(places={"llama": here["llama"], "d": here["topk"]})
    by_location = ModelTexts(places={"/was/llama": here["llama"], "/was/topk": here["topk"]})
    for texts in (by_name, by_location):
        found = texts.codes(settings, "/was/llama", "/was/topk", TEXTS[2], "max")
        np.testing.assert_array_equal(found.features, expected.features)
        np.testing.assert_array_equal(found.values, expected.values)


def test_two_lakes_of_one_name_do_not_mix(parts: Path, session: Session) -> None:
    """Settings of the same collection name, encoded in another way."""
    texts, settings = ModelTexts(), session.collection("made/d").settings
    places = str(parts / "llama"), str(parts / "topk")
    whole = texts.codes(settings, *places, TEXTS[3], "sum")
    cut = texts.codes(replace(settings, max_tokens=3), *places, TEXTS[3], "sum")
    assert len(cut.features) < len(whole.features)
    again = ModelTexts().codes(replace(settings, max_tokens=3), *places, TEXTS[3], "sum")
    np.testing.assert_array_equal(cut.features, again.features)


def test_texts_are_embedded_by_the_sentence_model(parts: Path) -> None:
    texts, location = ModelTexts(), str(parts / "bert")
    found = texts.embed(location, TEXTS)
    np.testing.assert_array_equal(found, SentenceModel.load(location).embed(TEXTS))
    moved = ModelTexts(places={"/was/bert": location})
    np.testing.assert_array_equal(moved.embed("/was/bert", TEXTS), found)
    with pytest.raises(ModelError, match="nowhere"):
        texts.embed(str(parts / "nowhere"), TEXTS)
