"""The files of a model on this machine: where they are, and what they are by their content.

This needs no torch, which takes seconds.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from saelake.store.errors import ModelError

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "*.bpe.model")

# A file of so much takes long to read, and to write: of one size and time it is read once.
LARGE_BYTES = 64 << 20

_SAYS_NOTHING = {"model", "checkpoint", "weights", "final", "hf"}


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Where a model's files are: what transformers is given, its folder and its commit."""

    location: str
    name: str
    folder: Path
    revision: str | None


def local_files(location: str) -> ModelFiles | None:
    """The files of a folder with a model; None for what may be an id of the hub.

    Raises `ModelError` for a path where no folder is, and for a folder that is not a whole model.
    """
    folder = Path(location).expanduser()
    if folder.is_dir():
        _require_files(folder)
        return ModelFiles(str(folder), _name_of(folder.resolve()), folder, None)
    if _is_path(location):
        raise ModelError(
            f"no folder {location}: give a folder with a transformers model or a hub id",
            model=location,
        )
    return None


def fingerprint(folder: Path) -> str:
    """The sha256 in hex over the names and contents of config.json and the weight files.

    It is the same for a hub model and a copy of its files, and changes with any byte of the
    weights. Files of the hub's cache are named by their sha256 and are not read again.
    """
    return _sha256_of([folder / "config.json", *weight_files(folder)])


def tokenizer_fingerprint(folder: Path) -> str:
    """The sha256 in hex over the names and contents of the files that make texts tokens."""
    whole = [path for path in (folder / "tokenizer.json",) if path.is_file()]
    parts = sorted({path for pattern in _TOKENIZER_FILES for path in folder.glob(pattern)})
    return _sha256_of(whole or parts)


def _sha256_of(files: Sequence[Path]) -> str:
    total = hashlib.sha256()
    for path in files:
        total.update(f"{path.name} {_file_sha256(path)}\n".encode())
    return total.hexdigest()


def _name_of(folder: Path) -> str:
    """The hub id of a folder of the hub's cache, or the folder's name if that says something."""
    cached = re.fullmatch(r"models--(.+?)--(.+)", folder.parent.parent.name)
    if folder.parent.name == "snapshots" and cached:
        return f"{cached[1]}/{cached[2]}"
    if folder.name in _SAYS_NOTHING:
        return f"{folder.parent.name}/{folder.name}"
    return folder.name


def _is_path(location: str) -> bool:
    return location.startswith((".", "/", "~")) or "\\" in location or location.count("/") > 1


def _require_files(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder} has no config.json: it is no transformers model", model=folder)
    if not weight_files(folder):
        raise ModelError(
            f"{folder} has no weights: expected model*.safetensors or pytorch_model*.bin",
            model=folder,
        )
    if not any(any(folder.glob(pattern)) for pattern in _TOKENIZER_FILES):
        raise ModelError(
            f"{folder} has no tokenizer: save it there, best as tokenizer.json", model=folder
        )


def weight_files(folder: Path) -> list[Path]:
    """The files that transformers would load, safetensors before pickles."""
    return sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))


def _file_sha256(path: Path) -> str:
    stored = path.resolve()
    if stored.parent.name == "blobs" and re.fullmatch("[0-9a-f]{64}", stored.name):
        return stored.name
    seen = stored.stat()
    if seen.st_size < LARGE_BYTES:
        return _sha256_of_content(stored)
    return _read_once(stored, seen.st_size, seen.st_mtime_ns)


@lru_cache(maxsize=256)
def _read_once(path: Path, _size_bytes: int, _time_ns: int) -> str:
    return _sha256_of_content(path)


def _sha256_of_content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
