"""What an ingest or an encode will refuse is refused first: nothing is imported, nothing loaded."""

import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

import saelake
from saelake.workers.encoder.options import KeepOptions
from saelake.workers.fleet.ray_cluster import RayCluster
from tests.tiny import D_MODEL, save_corpus, save_dictionary, save_model

BEGUN = saelake.EncodeOptions(max_tokens=8, keep_activations=KeepOptions(fraction=0.5))
ASK = """
import sys
import saelake
from saelake.workers.encoder.options import KeepOptions
try:
    {call}
except saelake.SaelakeError as error:
    print("torch" in sys.modules, "transformers" in sys.modules, type(error).__name__, error)
"""


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    save_model(folder / "model", adds_bos=True)
    save_dictionary(folder / "sae", prepend_bos=True)
    save_dictionary(folder / "other", prepend_bos=True, seed=1)
    save_dictionary(folder / "wide", d_in=D_MODEL + 1)
    save_dictionary(folder / "inner" / "sae", seed=2)
    save_corpus(folder / "words.parquet", 12, longest=10)
    save_corpus(folder / "more.parquet", 20, longest=10)
    return folder


@pytest.fixture
def lake(parts: Path, tmp_path: Path) -> saelake.Lake:
    lake = saelake.connect(tmp_path / "lake")
    lake.ingest(
        str(parts / "words.parquet"),
        model=str(parts / "model"),
        dictionary=str(parts / "sae"),
        options=BEGUN,
    )
    return lake


def grow(lake: saelake.Lake, parts: Path, **given: Any) -> None:
    """Ingest eight more documents, with other arguments than the collection was begun with."""
    cluster = given.pop("cluster", None)
    options = given.pop("options", {"max_tokens": 8})
    arguments = {"model": str(parts / "model"), "dictionary": str(parts / "sae"), **given}
    lake.ingest(
        str(parts / "more.parquet"),
        "words",
        options=saelake.EncodeOptions(**options),
        cluster=cluster,
        **arguments,
    )


def count(lake: saelake.Lake) -> int:
    return lake.info()[0].n_documents


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "max_tokens = 8 (now None)"),
        ({"max_tokens": 9}, "max_tokens = 8 (now 9)"),
        ({"max_tokens": 8, "prepend_bos": False}, "prepend_bos = True (now False)"),
        ({"max_tokens": 8, "window": 9}, "window = 32 (now 9)"),
        ({"max_tokens": 8, "overlap": 2}, "overlap = 0 (now 2)"),
        ({"max_tokens": 8, "special_tokens": True}, "special_tokens = False (now True)"),
        ({"max_tokens": 8, "chat": True}, "chat = False (now True)"),
        ({"max_tokens": 8, "values": "8-bit"}, "values = '16-bit' (now '8-bit')"),
        ({"max_tokens": 8, "batch_invariant": True}, "batch_invariant = False (now True)"),
        (
            {"max_tokens": 8, "keep_activations": KeepOptions(fraction=0.7)},
            "50 % as float16, seed 0, are kept already (now 70 % as float16, seed 0)",
        ),
        (
            {"max_tokens": 8, "keep_activations": KeepOptions(fraction=0.5, dtype="bfloat16")},
            "are kept already (now 50 % as bfloat16, seed 0)",
        ),
    ],
)
@pytest.mark.parametrize("cluster", [None, RayCluster()])
def test_settings_that_contradict_the_collection_import_nothing(
    lake: saelake.Lake,
    parts: Path,
    options: dict[str, Any],
    said: str,
    cluster: RayCluster | None,
) -> None:
    with pytest.raises(saelake.AlreadyExists) as caught:
        grow(lake, parts, options=options, cluster=cluster)
    assert said in str(caught.value)
    assert count(lake) == 12


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"dictionary": "{parts}/inner/sae"}, saelake.AlreadyExists, "another dictionary named"),
        ({"dictionary": "{parts}/wide"}, saelake.DictionaryMismatch, "encodes 17 numbers"),
        (
            {"dictionary": "{parts}/other", "options": {"window": 99}},
            saelake.InvalidInput,
            "longer than .* can read",
        ),
        (
            {
                "dictionary": "{parts}/other",
                "options": {"max_tokens": 8, "keep_activations": KeepOptions(fraction=0.7)},
            },
            saelake.AlreadyExists,
            "are kept already",
        ),
    ],
)
def test_what_does_not_fit_imports_nothing(
    lake: saelake.Lake,
    parts: Path,
    given: dict[str, Any],
    error: type[saelake.SaelakeError],
    said: str,
) -> None:
    changed = {"dictionary": given["dictionary"].format(parts=parts)}
    with pytest.raises(error, match=said):
        grow(lake, parts, **{**given, **changed})
    assert count(lake) == 12


def test_a_hook_point_that_contradicts_the_collection_imports_nothing(
    lake: saelake.Lake, parts: Path
) -> None:
    elsewhere = saelake.DictionaryChoice(
        location=str(parts / "sae"), name="sae", hook="blocks.0.hook_resid_post"
    )
    with pytest.raises(saelake.AlreadyExists, match="hook"):
        grow(lake, parts, dictionary=elsewhere)
    assert count(lake) == 12


def test_other_files_in_the_place_of_those_that_were_import_nothing(
    lake: saelake.Lake, parts: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "parts"
    for name in ("model", "sae", "other"):
        shutil.copytree(parts / name, moved / name)
    shutil.copy(parts / "more.parquet", moved)
    grow(lake, moved)
    assert count(lake) == 20
    save_corpus(moved / "more.parquet", 25, longest=10)
    save_dictionary(moved / "sae", prepend_bos=True, seed=7)
    with pytest.raises(saelake.AlreadyExists, match="another dictionary named"):
        grow(lake, moved)
    with pytest.raises(saelake.AlreadyExists, match="another dictionary named"):
        lake.ingest(
            str(moved / "more.parquet"),
            "new",
            model=str(moved / "model"),
            dictionary=str(moved / "sae"),
        )
    shutil.copytree(parts / "sae", moved / "sae", dirs_exist_ok=True)
    torch.manual_seed(5)
    weights = moved / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"1234")
    with pytest.raises(saelake.AlreadyExists, match="model_fingerprint"):
        grow(lake, moved)
    assert [(row.corpus, row.n_documents) for row in lake.info()] == [("words", 20)]


def test_the_same_settings_in_other_words_go_on(lake: saelake.Lake, parts: Path) -> None:
    grow(lake, parts, options={"max_tokens": 8, "prepend_bos": True, "window": 32})
    assert count(lake) == 20
    assert lake["words/sae"].info().n_encoded == 20


@pytest.mark.parametrize("stated", [9, None])
def test_a_window_that_was_chosen_is_chosen_again(
    parts: Path, tmp_path: Path, stated: int | None
) -> None:
    """Without it the dictionary's own would be taken, or the model's."""
    save_dictionary(tmp_path / "sae", context_size=stated, prepend_bos=True)
    lake = saelake.connect(tmp_path / "lake")
    file, model, sae = str(parts / "words.parquet"), str(parts / "model"), str(tmp_path / "sae")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", saelake.SaelakeWarning)  # of a window that is not stated
        lake.ingest(
            file, "words", model=model, dictionary=sae, options=saelake.EncodeOptions(window=12)
        )
    with pytest.raises(saelake.AlreadyExists, match=r"window = 12 \(now"):
        grow(lake, parts, dictionary=sae, options={})
    assert count(lake) == 12


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            "lake.encode('none', model='{parts}/model', dictionary='{parts}/sae')",
            "NotFound There is no corpus 'none'",
        ),
        (
            "lake.encode('words', model='{parts}/model', dictionary=['{parts}/sae']*2)",
            "InvalidInput Two dictionaries have one name",
        ),
        (
            "lake.encode('words', model='{parts}/none', dictionary='{parts}/sae')",
            "ModelError no folder",
        ),
        (
            "lake.encode('words', model='{parts}/model', dictionary='{parts}/none')",
            "NotFound there is no dictionary",
        ),
        (
            "lake.encode('words', model='{parts}/model', dictionary='{parts}/sae')",
            "AlreadyExists The collection words/sae was encoded with max_tokens = 8",
        ),
        (
            "lake.encode('none', from_activations='none/sae', dictionary='{parts}/sae')",
            "NotFound There is no corpus 'none'",
        ),
        (
            "lake.ingest('{parts}/more.parquet', 'words', model='./none', "
            "dictionary='{parts}/sae')",
            "ModelError no folder",
        ),
        (
            "lake.ingest('{parts}/more.parquet', 'words', model='{parts}/sae', "
            "dictionary='{parts}/sae')",
            "ModelError {parts}/sae has no config.json",
        ),
        (
            "lake.ingest('{parts}/more.parquet', 'words', model='{parts}/model', "
            "dictionary='./none')",
            "NotFound there is no dictionary",
        ),
        (
            "lake.ingest('{parts}/none.csv', 'new', model='{parts}/model', "
            "dictionary='{parts}/sae')",
            "CorpusError There is no file or folder",
        ),
        (
            "lake.ingest('{parts}/more.parquet', 'words', model='{parts}/model', "
            "dictionary='{parts}/sae', options=saelake.EncodeOptions(max_tokens=8, "
            "keep_activations=KeepOptions(fraction=0.7)))",
            "AlreadyExists Of the activations of words/sae",
        ),
    ],
)
def test_mistakes_are_told_before_torch_is_loaded(
    lake: saelake.Lake, parts: Path, call: str, said: str
) -> None:
    call = call.format(parts=parts).replace("lake.", f"saelake.connect({lake.uri!r}).", 1)
    done = subprocess.run(
        [sys.executable, "-c", ASK.format(call=call)], capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith(f"False False {said.format(parts=parts)}"), done.stderr
    assert count(lake) == 12
