"""A corpus in one step from Python: what is done, who is told of it, and what is refused first."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import saelake
from saelake.stages import Stage
from saelake.workers.fleet.ray_cluster import RayCluster
from tests.tiny import D_SAE, save_corpus, save_dictionary, save_model


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    save_model(folder / "model")
    save_dictionary(folder / "sae")
    save_corpus(folder / "some words.parquet", 12, longest=10)
    return folder


@pytest.fixture(scope="module")
def made(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> saelake.Lake:
    lake = saelake.connect(tmp_path_factory.mktemp("made") / "lake")
    ingested = lake.ingest(file(parts), model=str(parts / "model"), dictionary=str(parts / "sae"))
    assert [collection.name for collection in ingested] == lake.collections() == ["some_words/sae"]
    return lake


class Seen:
    """Notes all that it is told."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, str]] = []
        self.progress: dict[str, list[tuple[object, ...]]] = {}
        self.reports: list[object] = []

    def begin(self, stage: Stage, /) -> Callable[..., object]:
        self.stages.append((stage.name, stage.of))
        seen = self.progress.setdefault(stage.name, [])
        return lambda *at: seen.append(at)

    def end(self, stage: Stage, report: object, /) -> None:
        assert (stage.name, stage.of) == self.stages[-1]
        self.reports.append(report)


def file(parts: Path) -> str:
    return str(parts / "some words.parquet")


def test_each_stage_is_told_of_as_its_method_tells(parts: Path, tmp_path: Path) -> None:
    seen = Seen()
    saelake.connect(tmp_path / "lake").ingest(
        file(parts),
        "words",
        model=str(parts / "model"),
        dictionary=[
            saelake.DictionaryChoice(location=str(parts / "sae"), name="a"),
            saelake.DictionaryChoice(location=str(parts / "sae"), name="b"),
        ],
        watcher=seen,
    )
    assert seen.stages == [
        ("import", file(parts)),
        ("encode", "words"),
        ("index", "words/a"),
        ("index", "words/b"),
    ]
    kinds = [saelake.ImportReport, saelake.EncodeReport, saelake.IndexReport, saelake.IndexReport]
    assert [type(report) for report in seen.reports] == kinds
    assert seen.progress["import"][-1] == (12,)
    (encoded,) = seen.progress["encode"][-1]
    assert isinstance(encoded, saelake.EncodeProgress)
    assert encoded.n_documents == encoded.n_total == 12
    assert seen.progress["index"][-1] == (12, 12)


def test_a_corpus_is_called_as_its_file_and_ingested_once(made: saelake.Lake, parts: Path) -> None:
    before = made["some_words/sae"].info()
    made.ingest(file(parts), model=str(parts / "model"), dictionary=str(parts / "sae"))
    assert made["some_words/sae"].info().n_codes == before.n_codes
    assert made.import_corpus(file(parts)).corpus == "some_words"


@pytest.mark.parametrize(
    ("changed", "error", "said"),
    [
        ({"model": "./nowhere"}, saelake.ModelError, "no folder"),
        ({"model": "{parts}"}, saelake.ModelError, "no config.json"),
        ({"dictionary": "./nowhere"}, saelake.NotFound, "no dictionary"),
        ({"dictionary": "{parts}/model"}, saelake.DictionaryError, "not a dictionary"),
        ({"dictionary": "hf://owner"}, saelake.InvalidInput, "not a dictionary's address"),
        ({"dictionary": []}, saelake.InvalidInput, "at least one dictionary"),
        ({"dictionary": ["{parts}/sae", "{parts}/sae"]}, saelake.InvalidInput, "one name"),
        ({"options": {"device": "abacus"}}, saelake.ModelError, "abacus"),
        ({"options": {"dtype": "int3"}}, saelake.ModelError, "int3"),
        ({"corpus": "a/b"}, saelake.InvalidInput, "a/b"),
    ],
)
def test_what_cannot_be_encoded_is_not_imported(
    parts: Path,
    tmp_path: Path,
    changed: dict[str, object],
    error: type[saelake.SaelakeError],
    said: str,
) -> None:
    given: dict[str, object] = {"model": "{parts}/model", "dictionary": "{parts}/sae", **changed}
    arguments: dict[str, Any] = {name: placed(value, parts) for name, value in given.items()}
    with pytest.raises(error, match=said):
        saelake.connect(tmp_path / "lake").ingest(file(parts), **arguments)
    assert not (tmp_path / "lake").exists()


def placed(value: object, parts: Path) -> object:
    if isinstance(value, list):
        return [placed(item, parts) for item in value]
    if isinstance(value, dict):
        return saelake.EncodeOptions(**value)
    return str(value).format(parts=parts)


def test_what_workers_read_elsewhere_is_not_looked_for_here(parts: Path, tmp_path: Path) -> None:
    """A model that is on the cluster's machines need not be here: only names are checked."""
    with pytest.raises(saelake.InvalidInput, match="one name"):
        saelake.connect(tmp_path / "lake").ingest(
            file(parts), model="./elsewhere", dictionary=["./sae", "./sae"], cluster=RayCluster()
        )


def test_labels_with_a_sentence_model_are_found_by_phrases(
    made: saelake.Lake, tmp_path: Path
) -> None:
    save_model(tmp_path / "sentences", bert=True)
    seen = Seen()
    n = made.label("some_words/sae", model=str(tmp_path / "sentences"), watcher=seen)
    assert seen.stages == [("embed", "some_words"), ("label", "some_words/sae")]
    assert seen.reports == [12, n]
    assert seen.progress["embed"][-1] == (12, 12)
    assert 0 < n <= D_SAE
    assert len(made.dictionary("sae").labels("w1", 3)) == 3


def test_labels_of_what_is_not_there_embed_nothing(made: saelake.Lake) -> None:
    seen = Seen()
    with pytest.raises(saelake.NotFound, match="no collection some_words/none"):
        made.label("some_words/none", model="./nowhere", watcher=seen)
    assert seen.stages == []


def test_progress_of_labels_alone(made: saelake.Lake) -> None:
    steps: list[tuple[int, int]] = []
    n = made.label("some_words/sae", on_progress=lambda *at: steps.append(at))
    assert n > 0
    assert steps


def test_a_server_ingests_nothing() -> None:
    lake = saelake.connect("grpc://localhost:1")
    with pytest.raises(saelake.InvalidInput, match="Cannot ingest through a server"):
        lake.ingest("x.parquet", model="m", dictionary="d")
