"""Which models a job may load: no path that a client says, and no more of the hub than allowed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from saelake.store.documents.imports import import_documents
from saelake.store.errors import AccessDenied, InvalidInput
from saelake.store.index.vectors import write_vectors
from saelake.store.lake.dictionaries import RegisteredDictionary
from saelake.store.lake.lake import Lake
from saelake.store.service.jobs.models import JobModels
from saelake.workers.corpus import open_source

FREE = JobModels(hub=True)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Two corpora, neither embedded."""
    made = Lake(str(tmp_path / "lake"))
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"id": "a", "text": "rain"}\n')
    for corpus in ("one", "two"):
        import_documents(made, corpus, open_source(str(rows)))
    return made


def embedded(lake: Lake, corpus: str, embedder: str) -> None:
    write_vectors(lake.vectors(corpus), 2, embedder, [(np.array([0]), np.ones((1, 2), np.float32))])


def test_without_a_name_a_corpus_keeps_its_own_model(lake: Lake, tmp_path: Path) -> None:
    operators = JobModels(sentences=str(tmp_path))
    with pytest.raises(InvalidInput, match="embed one: it was not embedded before"):
        JobModels().of_sentences(lake, "one", None)
    assert operators.of_sentences(lake, "one", None) == str(tmp_path)
    embedded(lake, "two", "/models/theirs")
    assert operators.of_sentences(lake, "one", None) == str(tmp_path), "not another corpus's"
    assert JobModels().of_sentences(lake, "one", None) == "/models/theirs", "the only one there is"
    embedded(lake, "one", "/models/mine")
    for models in (JobModels(), operators):
        assert models.of_sentences(lake, "one", None) == "/models/mine"


def test_which_of_several_is_to_be_said(lake: Lake, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    import_documents(lake, "three", open_source(str(rows)))
    embedded(lake, "one", "/models/mine")
    embedded(lake, "two", "/models/theirs")
    with pytest.raises(InvalidInput, match="which sentence model to embed three"):
        JobModels().of_sentences(lake, "three", None)
    for said in ("theirs", "/models/theirs"):
        assert JobModels().of_sentences(lake, "three", said) == "/models/theirs"


def test_the_operators_model_is_named_as_he_does_or_by_its_place(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "minilm").mkdir()
    monkeypatch.chdir(tmp_path)
    models = JobModels(sentences="./minilm")
    for said in (None, "minilm", "./minilm", str(tmp_path / "minilm")):
        assert models.of_sentences(lake, "one", said) == str(tmp_path / "minilm")
    assert JobModels(sentences="owner/m").of_sentences(lake, "one", "m") == "owner/m", "his own hub"


@pytest.mark.parametrize("models", [JobModels(), FREE])
def test_no_path_is_opened(
    lake: Lake, tmp_path: Path, models: JobModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "owner" / "model").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    known = [
        RegisteredDictionary(
            name="d", fingerprint="f", d_sae=8, model="gpt", model_location="/models/gpt"
        )
    ]
    for said in (str(tmp_path), "../x", "./owner", "owner/model", "owner", "~", "hf://a/b", ""):
        with pytest.raises(InvalidInput, match="may read"):
            models.of_sentences(lake, "one", said)
        with pytest.raises(InvalidInput, match="may read"):
            models.of_dictionaries(known, said)


def test_the_hub_is_asked_where_that_is_allowed(lake: Lake) -> None:
    asks: list[Callable[[JobModels], str]] = [
        lambda models: models.of_sentences(lake, "one", "owner/far"),
        lambda models: models.of_dictionaries([], "owner/far"),
    ]
    for ask in asks:
        assert ask(FREE) == "owner/far"
        with pytest.raises(AccessDenied, match="--allow-hub"):
            ask(JobModels())
