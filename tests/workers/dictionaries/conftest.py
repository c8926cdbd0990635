"""Small dictionaries with random weights, and what every one of them must satisfy."""

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from saelake.workers.dictionaries.base import LoadedDictionary
from saelake.workers.dictionaries.codes import TokenCodes

REAL = Path(__file__).parents[4] / "shared" / "data" / "dictionaries"


def _scattered(codes: TokenCodes, d_sae: int) -> Tensor:
    dense = torch.zeros(codes.n_tokens, d_sae)
    dense[codes.token, codes.feature.long()] = codes.value
    return dense


@pytest.fixture
def scattered() -> Callable[[TokenCodes, int], Tensor]:
    return _scattered


@pytest.fixture
def assert_encodes() -> Callable[[LoadedDictionary, Tensor, Tensor], None]:
    """Both encoders of a dictionary give the expected codes, in the promised form."""

    def check(dictionary: LoadedDictionary, x: Tensor, expected: Tensor) -> None:
        row_bytes = 4 * dictionary.d_sae
        for chunk_bytes in (2**20, 3 * row_bytes, 1):  # in one, in uneven and in single-row chunks
            codes = dictionary.encode(x, chunk_bytes=chunk_bytes)
            torch.testing.assert_close(_scattered(codes, dictionary.d_sae), expected)
            assert_canonical(codes)
        torch.testing.assert_close(dictionary.encode_dense(x), expected)
        assert (expected != 0).any(), "a test that expects nothing but zeros tests nothing"

    return check


def assert_canonical(codes: TokenCodes) -> None:
    assert codes.token.dtype == torch.int64
    assert codes.feature.dtype == torch.int32
    assert codes.value.dtype == torch.float32
    assert len(codes.token) == len(codes.feature) == codes.nnz
    assert (codes.value != 0).all()
    order = codes.token * 2**31 + codes.feature
    assert (order[1:] > order[:-1]).all()


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """A folder of JSON objects, texts and weights, by file name."""

    def write(files: Mapping[str, Any], at: str = "dictionary") -> Path:
        path = tmp_path / at
        for name, content in files.items():
            target = path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith(".json"):
                target.write_text(json.dumps(content))
            elif name.endswith(".safetensors"):
                save_file({key: value.contiguous() for key, value in content.items()}, target)
            elif name.endswith(".npz"):
                np.savez(target, **{key: value.numpy() for key, value in content.items()})
            elif isinstance(content, str):
                target.write_text(content)
            else:
                torch.save(content, target)
        return path

    return write


def _imported(name: str) -> ModuleType:
    # What a reference library warns of on import is not this project's to fix.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module: ModuleType = pytest.importorskip(name, exc_type=ImportError)
        return module


@pytest.fixture(scope="session")
def sae_lens() -> ModuleType:
    return _imported("sae_lens")


@pytest.fixture(scope="session")
def sparsify() -> ModuleType:
    return _imported("sparsify")


@pytest.fixture(scope="session")
def dictionary_learning() -> ModuleType:
    return _imported("dictionary_learning.utils")


@pytest.fixture
def hub(
    folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """The hub, unreachable, with a cache that holds what a test puts into it."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)

    def put(repo: str, files: Mapping[str, Any], revision: str = "main") -> Path:
        commit = hashlib.sha1(f"{repo}@{revision}".encode()).hexdigest()
        cached = f"hub/models--{repo.replace('/', '--')}"
        ref = tmp_path / cached / "refs" / revision
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(commit)
        return folder(files, at=f"{cached}/snapshots/{commit}")

    return put


@pytest.fixture
def real_dictionaries() -> Path:
    if not REAL.is_dir():
        pytest.skip(f"no {REAL}")
    return REAL


@pytest.fixture
def randn() -> Callable[..., Tensor]:
    """Normal numbers from a generator of the test's own."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    return draw
