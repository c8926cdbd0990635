"""An encode that has nothing to do finds that out without a model, and is not mistaken."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import saelake
from saelake.lake import Lake
from saelake.store.errors import AlreadyExists, InvalidInput, ModelError, SaelakeWarning
from saelake.workers.encoder.options import KeepOptions
from saelake.workers.fleet.footprint import Footprint
from saelake.workers.run import EncodeOptions, EncodeProgress
from tests.tiny import save_corpus, save_dictionary, save_model

N_DOCUMENTS = 12
SHOW = "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
RUN = """
import sys
from saelake.cli.app import main
for arguments in {commands!r}:
    try:
        main(arguments)
    except SystemExit as e:
        assert not e.code, e.code
    print("{END}", file=sys.stderr)
"""
END = "--- the end of a command ---"


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    save_model(tmp_path / "model", adds_bos=True)
    save_dictionary(tmp_path / "sae", prepend_bos=True)
    save_dictionary(tmp_path / "other", seed=1)
    save_corpus(tmp_path / "words.parquet", N_DOCUMENTS, longest=10)
    return tmp_path


@pytest.fixture
def lake(parts: Path) -> Lake:
    made = saelake.connect(parts / "lake")
    made.import_corpus(str(parts / "words.parquet"))
    return made


def encode(lake: Lake, parts: Path, *names: str, **options: Any) -> list[EncodeProgress]:
    """The progress of a run, of which the first tells whether models were loaded."""
    seen: list[EncodeProgress] = []
    lake.encode(
        "words",
        model=str(parts / "model"),
        dictionary=[str(parts / name) for name in names or ("sae",)],
        options=EncodeOptions(**options),
        on_progress=seen.append,
    )
    return seen


def again(lake: Lake, parts: Path, **options: Any) -> list[EncodeProgress]:
    """The progress of an encode from kept activations."""
    seen: list[EncodeProgress] = []
    lake.encode(
        "words",
        from_activations="words/sae",
        dictionary=str(parts / "other"),
        options=EncodeOptions(**options),
        on_progress=seen.append,
    )
    return seen


def loads(seen: list[EncodeProgress]) -> bool:
    return any(progress.is_loading for progress in seen)


def commands(parts: Path) -> Iterator[list[str]]:
    """Those that have something to do when they are first run."""
    model = ["--model", str(parts / "model"), "--dictionary", str(parts / "sae")]
    place = ["--lake", str(parts / "lake")]
    yield ["ingest", str(parts / "words.parquet"), *model, *place, "--keep-activations"]
    yield ["encode", "words", *model, *place, "--name", "second"]
    kept = ["--from-activations", "words/sae", "--dictionary", str(parts / "other")]
    yield ["encode", "words", *kept, *place]


def test_commands_that_have_nothing_to_do_load_no_torch_and_say_the_same(parts: Path) -> None:
    model = ["--model", str(parts / "model"), "--dictionary", str(parts / "sae")]
    ingested = ["encode", "words", *model, "--lake", str(parts / "lake")]
    loaded, first = ran(list(commands(parts)))
    assert "torch" in loaded
    loaded, again = ran([*commands(parts), ingested])
    assert not {"torch", "transformers", "ray"} & loaded
    for before, after in zip(first, again[:-1], strict=True):
        done = after.splitlines()[-1]
        assert done == before.splitlines()[-1]
        assert done.startswith("Done: words/")
        assert f"has {N_DOCUMENTS} documents, " in done
        assert "Loading" in before
        assert "Loading" not in after


def ran(commands: list[list[str]]) -> tuple[set[str], list[str]]:
    """The packages that a process has loaded after these commands, and what each said."""
    script = RUN.format(commands=commands, END=END) + SHOW
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    *said, _ = done.stderr.split(f"{END}\n")
    return set(done.stdout.split()), said


def test_what_is_asked_of_each_dictionary_is_known_alone(lake: Lake, parts: Path) -> None:
    assert loads(encode(lake, parts, "sae"))
    assert loads(encode(lake, parts, "other"))
    assert not loads(encode(lake, parts, "other", "sae"))
    assert not loads(encode(lake, parts, "sae", shard_documents=3, memory_bytes=64 << 20))


def test_the_report_has_the_collections_and_nothing_done(lake: Lake, parts: Path) -> None:
    encode(lake, parts, "sae", "other")
    (progress,) = encode(lake, parts, "other", "sae")
    assert (progress.n_total, progress.n_documents, progress.is_loading) == (0, 0, False)
    report = lake.encode(
        "words", model=str(parts / "model"), dictionary=[str(parts / "other"), str(parts / "sae")]
    )
    assert report.collections == ("words/other", "words/sae")
    assert (report.n_documents, report.n_codes, report.notes) == (0, 0, ())


def test_more_documents_are_encoded(lake: Lake, parts: Path) -> None:
    encode(lake, parts)
    save_corpus(parts / "words.parquet", N_DOCUMENTS + 3, longest=10)
    lake.import_corpus(str(parts / "words.parquet"))
    seen = encode(lake, parts)
    assert loads(seen)
    assert seen[-1].n_documents == 3
    assert not loads(encode(lake, parts))


def test_other_settings_are_not_taken_for_finished(lake: Lake, parts: Path) -> None:
    encode(lake, parts)
    for options in ({"max_tokens": 3}, {"window": 9}, {"values": "8-bit"}, {"chat": True}):
        with pytest.raises(AlreadyExists):
            encode(lake, parts, **options)
    with pytest.raises(ModelError):
        lake.encode("words", model=str(parts / "none"), dictionary=str(parts / "sae"))
    with pytest.raises(InvalidInput, match="one name"):
        encode(lake, parts, "sae", "sae")
    assert not loads(encode(lake, parts))


@pytest.mark.parametrize("keeps_time", [False, True])
def test_another_dictionary_in_the_place_of_one_is_noticed(
    lake: Lake, parts: Path, keeps_time: bool
) -> None:
    """Its files have the same sizes, and may have been copied with their times."""
    encode(lake, parts)
    save_dictionary(parts / "new", seed=5, prepend_bos=True)
    for file in (parts / "new").iterdir():
        if keeps_time:
            shutil.copy2(file, parts / "sae" / file.name)
        else:
            (parts / "sae" / file.name).write_bytes(file.read_bytes())
    with pytest.raises(AlreadyExists, match="another dictionary named 'sae'"):
        encode(lake, parts)


def test_another_model_in_the_place_of_one_is_noticed(lake: Lake, parts: Path) -> None:
    encode(lake, parts)
    torch.manual_seed(1)
    save_model(parts / "model", adds_bos=True, window=16)
    with pytest.raises(AlreadyExists, match="model_fingerprint"):
        encode(lake, parts)


def test_files_that_were_only_touched_cost_a_load_once(lake: Lake, parts: Path) -> None:
    encode(lake, parts)
    os.utime(parts / "sae" / "cfg.json")
    assert loads(encode(lake, parts))
    assert not loads(encode(lake, parts))


def test_without_a_receipt_or_with_a_broken_one_models_are_loaded(lake: Lake, parts: Path) -> None:
    encode(lake, parts)
    (receipt,) = (parts / "lake" / "receipts").iterdir()
    for broken in (b"", b"[]", b"{}", b'{"asked": 1}', receipt.read_bytes()[:-40]):
        receipt.write_bytes(broken)
        assert loads(encode(lake, parts))
    assert not loads(encode(lake, parts))


def test_a_receipt_from_before_weights_could_have_fewer_bits_holds(lake: Lake, parts: Path) -> None:
    encode(lake, parts)
    (path,) = (parts / "lake" / "receipts").iterdir()
    receipt = json.loads(path.read_bytes())
    assert receipt["asked"]["options"].pop("quantization") is None
    path.write_text(json.dumps(receipt))
    assert not loads(encode(lake, parts))


def test_a_run_that_was_interrupted_has_no_receipt(lake: Lake, parts: Path) -> None:
    class Stop(Exception):
        pass

    def stop(progress: EncodeProgress) -> None:
        if progress.n_documents:
            raise Stop

    options = EncodeOptions(shard_documents=2)
    with pytest.raises(Stop):
        lake.encode(
            "words",
            model=str(parts / "model"),
            dictionary=str(parts / "sae"),
            options=options,
            on_progress=stop,
        )
    seen = encode(lake, parts)
    assert loads(seen)
    assert seen[-1].n_documents > 0


def test_a_collection_that_was_dropped_is_made_again(lake: Lake, parts: Path) -> None:
    encode(lake, parts)
    lake.drop("words/sae")
    assert not list((parts / "lake" / "receipts").iterdir())
    assert encode(lake, parts)[-1].n_documents == N_DOCUMENTS


def test_a_name_that_means_another_dictionary_now_is_not_taken_for_finished(
    lake: Lake, parts: Path
) -> None:
    encode(lake, parts, "sae")
    encode(lake, parts, "other")
    lake.replace("sae", "other")
    with pytest.raises(AlreadyExists):
        encode(lake, parts, "sae")


def test_activations_that_are_asked_for_too_are_kept(lake: Lake, parts: Path) -> None:
    encode(lake, parts)
    keep = KeepOptions(fraction=0.5)
    assert loads(encode(lake, parts, keep_activations=keep))
    assert not loads(encode(lake, parts, keep_activations=keep))
    assert not loads(encode(lake, parts))
    with pytest.raises(AlreadyExists):
        encode(lake, parts, keep_activations=KeepOptions(fraction=0.7))


def test_kept_activations_that_have_grown_are_encoded(lake: Lake, parts: Path) -> None:
    encode(lake, parts, keep_activations=KeepOptions())
    with pytest.warns(SaelakeWarning):
        assert loads(again(lake, parts))
    with pytest.warns(SaelakeWarning):  # what is against the dictionary is said each time
        assert not loads(again(lake, parts))
    save_corpus(parts / "words.parquet", N_DOCUMENTS + 3, longest=10)
    lake.import_corpus(str(parts / "words.parquet"))
    with pytest.warns(SaelakeWarning):  # the source has no more than before
        assert not loads(again(lake, parts))
    encode(lake, parts, keep_activations=KeepOptions())
    with pytest.warns(SaelakeWarning):
        assert again(lake, parts)[-1].n_documents == 3


def test_options_that_activations_cannot_have_are_refused_as_ever(lake: Lake, parts: Path) -> None:
    encode(lake, parts, keep_activations=KeepOptions())
    with pytest.warns(SaelakeWarning):
        again(lake, parts)
    with pytest.raises(InvalidInput, match="leave out --window"):
        again(lake, parts, window=5)


def test_an_ingest_of_known_files_checks_no_model_again(
    parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = saelake.connect(parts / "lake")
    file, model, sae = (str(parts / name) for name in ("words.parquet", "model", "sae"))
    lake.ingest(file, model=model, dictionary=sae)
    before = lake["words/sae"].info()
    monkeypatch.setitem(sys.modules, "saelake.workers.run", None)
    lake.ingest(file, model=model, dictionary=sae)
    after = lake["words/sae"].info()
    assert (after.n_documents, after.n_codes) == (before.n_documents, before.n_codes)


# --- files ---


def test_a_footprint_is_of_what_is_there(parts: Path) -> None:
    assert Footprint.of_model(str(parts / "none")) is None
    assert Footprint.of_dictionary(str(parts / "none")) is None
    model = Footprint.of_model(str(parts / "model"))
    assert model is not None
    names = {name for name, _, _ in model.files}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= names
    file = Footprint.of_dictionary(str(parts / "sae" / "sae_weights.safetensors"))
    assert file == Footprint.of_dictionary(str(parts / "sae"))


@pytest.fixture
def cache(parts: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the hub with a model and a dictionary in it."""
    from huggingface_hub import constants

    for name in ("model", "sae"):
        root = parts / "hub" / f"models--me--{name}"
        shutil.copytree(parts / name, root / "snapshots" / "c0" / ("" if name == "model" else "l4"))
        (root / "refs").mkdir()
        (root / "refs" / "main").write_text("c0")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(parts / "hub"))
    return parts / "hub"


def test_what_the_hub_gave_has_a_footprint_of_its_commit(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    model, sae = Footprint.of_model("me/model"), Footprint.of_dictionary("hf://me/sae/l4")
    assert model is not None
    assert sae is not None
    assert Footprint.of_dictionary("hf://me/none") is None
    assert sae.folder == str(cache / "models--me--sae" / "snapshots" / "c0" / "l4")

    def newest(commit: str) -> None:
        def download(repo: str, name: str, revision: str | None) -> str:
            assert revision is None
            folder = repo.replace("/", "--")
            return str(cache / f"models--{folder}" / "snapshots" / commit / name)

        monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)

    newest("c0")
    assert model.is_newest
    assert sae.is_newest
    newest("c1")
    assert not model.is_newest
    assert not sae.is_newest
