"""A corpus in one step from Python: what is done, who is told of it, and what is refused first."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import saelake
from saelake.making.stages import Stage
from saelake.workers.fleet.ray_cluster import RayCluster
from tests.tiny import D_SAE, save_corpus, save_dictionary, save_model


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    save_model(folder / "model")
    save_dictionary(folder / "sae")
    save_corpus(folder / "some words.parquet", 12, longest=10)
    save_dictionary(folder / "damaged")
    (weights,) = (folder / "damaged").glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-100])
    save_dictionary(folder / "elsewhere", hook="blocks.99.hook_resid_post")
    save_dictionary(folder / "nowhere", hook=None)
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
        ({"dictionary": "{parts}/damaged"}, saelake.DictionaryError, "damaged"),
        ({"dictionary": "{parts}/elsewhere"}, saelake.ModelError, "blocks.99.hook_resid_post"),
        ({"dictionary": "{parts}/nowhere"}, saelake.InvalidInput, "--hook"),
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


def test_a_name_is_the_dictionarys_or_the_rows(parts: Path, tmp_path: Path) -> None:
    lake = saelake.connect(tmp_path / "lake")
    sae = saelake.DictionaryChoice(location=str(parts / "sae"), name="l4")
    given: dict[str, Any] = {"model": str(parts / "model"), "dictionary": sae}
    with pytest.raises(saelake.InvalidInput, match=r"DictionaryChoice.*name='x'.*rows_name='x'"):
        lake.ingest([{"text": "w1 w2"}], "words", name="x", **given)  # type: ignore[arg-type]
    assert not (tmp_path / "lake").exists()
    (made,) = lake.ingest([{"text": "w1 w2"}], "words", rows_name="mine", **given)
    assert (made.name, made.document(doc=0).id) == ("words/l4", "mine:0")


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


def test_a_model_is_named_where_no_server_knows_one(made: saelake.Lake, parts: Path) -> None:
    with pytest.raises(saelake.InvalidInput, match="which model"):
        made.ingest(file(parts), "not-yet", dictionary=str(parts / "sae"))
    assert {row.corpus for row in made.info()} == {"some_words"}


def test_a_name_that_another_dictionary_has_is_refused_before_the_import(
    made: saelake.Lake, parts: Path, tmp_path: Path
) -> None:
    save_dictionary(tmp_path / "other" / "sae", seed=5)
    with pytest.raises(saelake.AlreadyExists, match="--name"):
        made.ingest(
            file(parts),
            "not-yet",
            model=str(parts / "model"),
            dictionary=str(tmp_path / "other" / "sae"),
        )
    assert {row.corpus for row in made.info()} == {"some_words"}


def test_rows_in_python_are_ingested(parts: Path, tmp_path: Path) -> None:
    lake = saelake.connect(tmp_path / "lake")
    rows = ({"id": f"r{i}", "text": f"w{i} w1"} for i in range(5))
    (words,) = lake.ingest(rows, "words", model=str(parts / "model"), dictionary=str(parts / "sae"))
    assert (words.info().n_documents, words.info().n_indexed) == (5, 5)


def test_an_encoded_corpus_grows_in_columns_and_changes(parts: Path, tmp_path: Path) -> None:
    lake = saelake.connect(tmp_path / "lake")
    given: dict[str, Any] = {"model": str(parts / "model"), "dictionary": str(parts / "sae")}
    first: list[dict[str, Any]] = [
        {"id": f"r{i}", "text": f"w{i} w1", "n": i, "m": None} for i in range(6)
    ]
    (words,) = lake.ingest(first, "words", **given)
    second: list[dict[str, Any]] = [
        {"id": "r1", "text": "w9 w9", "n": 0.5},
        {"id": "r9", "text": "w2", "m": "x"},
    ]
    lake.ingest(second, "words", on_duplicate="update", **given)
    assert lake.verify().ok
    strings = {row["id"] for row in words.codes().read_all().to_pylist()}
    assert strings == {"r0", "r1", "r2", "r3", "r4", "r5", "r9"}
    document = words.document("r1")
    assert (document.text, dict(document.metadata)) == ("w9 w9", {"n": 0.5, "m": None})
    codes = {row["doc"] for row in words.codes().read_all().to_pylist() if row["id"] == "r1"}
    assert codes == {6}
    alone = saelake.connect(tmp_path / "alone")
    whole = [*(row for row in first if row["id"] != "r1"), *second]
    (expected,) = alone.ingest(whole, "words", **given)
    columns = ["id", "position", "token_id", "feature", "value"]

    def codes_of(collection: saelake.Collection) -> list[tuple[Any, ...]]:
        table = collection.codes().read_all().select(columns)
        return sorted(tuple(row.values()) for row in table.to_pylist())

    assert codes_of(words) == codes_of(expected)
    assert {hit.id for hit in words.where("n < 1").tokens(codes_feature(words), k=9)} <= {
        "r0",
        "r1",
    }
    lake.compact("words")
    assert lake.verify().ok
    assert codes_of(words) == codes_of(expected)


def codes_feature(collection: saelake.Collection) -> int:
    """A feature that fires."""
    return int(collection.codes().read_all()["feature"][0].as_py())
