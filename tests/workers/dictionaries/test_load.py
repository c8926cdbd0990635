"""Finding a dictionary and telling its format, and what is said where that fails."""

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from saelake.store.errors import DictionaryError, InvalidInput, NotFound
from saelake.workers.dictionaries.load import SUPPORTED_FORMATS, load_dictionary

Randn = Callable[..., Tensor]
Write = Callable[..., Path]

D_IN, D_SAE = 4, 16


def saelens(randn: Randn) -> dict[str, Any]:
    weights = {
        "W_enc": randn(D_IN, D_SAE),
        "b_enc": randn(D_SAE),
        "W_dec": randn(D_SAE, D_IN),
        "b_dec": randn(D_IN),
    }
    config = {"architecture": "standard", "metadata": {"hook_name": "blocks.0.hook_resid_post"}}
    return {"cfg.json": config, "sae_weights.safetensors": weights}


def within(folder: str, files: dict[str, Any]) -> dict[str, Any]:
    return {f"{folder}/{name}": content for name, content in files.items()}


def test_the_table_of_formats_has_what_the_documentation_shows() -> None:
    names = [known.name for known in SUPPORTED_FORMATS]
    assert len(set(names)) == len(names) == 9
    for known in SUPPORTED_FORMATS:
        assert known.project
        assert known.files
        assert known.architectures


def test_a_folder_and_its_weights_file_are_the_same_dictionary(
    randn: Randn, folder: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder(saelens(randn))
    known = load_dictionary(path).fingerprint
    assert load_dictionary(path / "sae_weights.safetensors").fingerprint == known
    assert load_dictionary(str(path)).fingerprint == known
    assert load_dictionary(path, format="saelens").fingerprint == known
    monkeypatch.chdir(path.parent)
    assert load_dictionary(path.name).fingerprint == known


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no dictionary at .*/missing; give a folder or a weights"):
        load_dictionary(tmp_path / "missing")


def test_a_folder_of_something_else(folder: Write) -> None:
    path = folder({"model.safetensors": {"x": torch.ones(1)}, "config.json": {}, "notes.txt": ""})
    message = r"found config.json, model.safetensors, notes.txt; expected one of: cfg.json \+ sae_w"
    with pytest.raises(DictionaryError, match=message):
        load_dictionary(path)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(DictionaryError, match="found nothing; expected one of"):
        load_dictionary(tmp_path)


def test_a_file_of_something_else(folder: Write) -> None:
    path = folder({"model.safetensors": {"x": torch.ones(1)}}) / "model.safetensors"
    with pytest.raises(DictionaryError, match=r"found the file model.safetensors; expected one"):
        load_dictionary(path)


def test_a_folder_of_several_dictionaries_names_them(randn: Randn, folder: Write) -> None:
    files = within("layers.1", saelens(randn)) | within("layers.10", saelens(randn))
    path = folder({**files, "other/notes.txt": ""})
    with pytest.raises(DictionaryError, match=r"name one of them: layers.1, layers.10$"):
        load_dictionary(path)


def test_checkpoints_side_by_side_are_named(randn: Randn, folder: Write) -> None:
    linear = {"encoder_linear.weight": randn(D_SAE, D_IN)}
    path = folder({"layer0.sae.pt": {}, "some.pth": linear, "broken.pt": "text"})
    (path / "gone.pt").symlink_to(path / "nowhere")
    with pytest.raises(DictionaryError, match=r"name one of them: layer0.sae.pt, some.pth$"):
        load_dictionary(path)


def test_a_format_that_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no dictionary format 'sealens'; known are saelens, "):
        load_dictionary(tmp_path, format="sealens")


def test_a_forced_format_says_what_it_misses(tmp_path: Path) -> None:
    for known in SUPPORTED_FORMATS:
        with pytest.raises(DictionaryError, match=f"{tmp_path}.* (cannot be read|found nothing)"):
            load_dictionary(tmp_path, format=known.name)


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", "null"])
def test_a_configuration_that_is_not_an_object(content: str, randn: Randn, folder: Write) -> None:
    path = folder(saelens(randn))
    (path / "cfg.json").write_text(content)
    with pytest.raises(DictionaryError, match=r"cfg.json (cannot be read|holds a)"):
        load_dictionary(path)


@pytest.mark.parametrize(
    "name", ["sae_weights.safetensors", "params.npz", "ae.pt", "params.safetensors"]
)
@pytest.mark.parametrize("content", [b"", b"not weights at all", b"PK\x03\x04 cut off"])
def test_weights_that_cannot_be_read(
    name: str, content: bytes, randn: Randn, folder: Write
) -> None:
    path = folder({"cfg.json": saelens(randn)["cfg.json"]})
    (path / name).write_bytes(content)
    with pytest.raises(DictionaryError, match=f"{name} cannot be read"):
        load_dictionary(path)


class Evil:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


def test_pickled_code_is_never_run(tmp_path: Path) -> None:
    target = tmp_path / "was-run"
    torch.save({"encoder.weight": Evil(target)}, tmp_path / "ae.pt")
    (tmp_path / "old.pth").write_bytes(pickle.dumps(Evil(target), protocol=2))
    for name in ("ae.pt", "old.pth"):
        with pytest.raises(DictionaryError, match="pickled objects are never loaded"):
            load_dictionary(tmp_path / name)
    assert not target.exists()


def test_a_checkpoint_of_an_old_torch_is_read(randn: Randn, tmp_path: Path) -> None:
    weights = {
        "encoder_linear.weight": randn(D_SAE, D_IN),
        "encoder_linear.bias": randn(D_SAE),
        "decoder_linear.weight": randn(D_IN, D_SAE),
    }
    torch.save(weights, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert load_dictionary(tmp_path / "old.pth").d_sae == D_SAE
