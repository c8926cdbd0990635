"""sparsify folders against formulas written out here, and against sparsify where installed."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from saelake.store.errors import DictionaryError
from saelake.workers.dictionaries.base import LoadedDictionary
from saelake.workers.dictionaries.load import load_dictionary

D_IN, D_SAE, K = 12, 48, 6

Randn = Callable[..., Tensor]
Write = Callable[..., Path]
Check = Callable[[LoadedDictionary, Tensor, Tensor], None]


def config(**settings: Any) -> dict[str, Any]:
    return {
        "activation": "topk",
        "expansion_factor": 4,
        "normalize_decoder": True,
        "num_latents": 0,
        "k": K,
        "multi_topk": False,
        "skip_connection": False,
        "transcode": False,
        "d_in": D_IN,
        **settings,
    }


def weights(randn: Randn) -> dict[str, Tensor]:
    return {
        "encoder.weight": randn(D_SAE, D_IN),
        "encoder.bias": randn(D_SAE),
        "W_dec": randn(D_SAE, D_IN),
        "b_dec": randn(D_IN),
    }


def codes(cfg: dict[str, Any], w: dict[str, Tensor], x: Tensor) -> Tensor:
    z = x if cfg["transcode"] else x - w["b_dec"]
    pre = z @ w["encoder.weight"].T + w["encoder.bias"]
    if cfg.get("signed"):
        return pre * torch.zeros_like(pre).scatter(1, pre.abs().topk(K, dim=1).indices, 1)
    acts = pre.relu()
    if cfg["activation"] == "topk":
        return acts * torch.zeros_like(pre).scatter(1, acts.topk(K, dim=1).indices, 1)
    groups = acts.view(len(x), K, -1)
    return (groups * (groups == groups.amax(dim=2, keepdim=True))).view_as(acts)


SETTINGS: list[dict[str, Any]] = [
    {},
    {"num_latents": D_SAE, "expansion_factor": 999},
    {"activation": "groupmax"},
    {"transcode": True, "skip_connection": True},
    {"transcode": True, "activation": "groupmax"},
]


@pytest.mark.parametrize("settings", [*SETTINGS, {"signed": True}])
def test_codes_are_the_formula_s(
    settings: dict[str, Any], randn: Randn, folder: Write, assert_encodes: Check
) -> None:
    cfg, w = config(**settings), weights(randn)
    path = folder({"cfg.json": cfg, "sae.safetensors": w}, at="run/layers.5.mlp")
    dictionary = load_dictionary(path)
    x = randn(30, D_IN)
    assert_encodes(dictionary, x, codes(cfg, w, x))
    assert dictionary.signed == ("signed" in settings)


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.filterwarnings("ignore")
def test_codes_are_sparsify_s(
    settings: dict[str, Any],
    sparsify: ModuleType, randn: Randn, folder: Write, assert_encodes: Check,
) -> None:  # fmt: skip
    w = weights(randn)
    if settings.get("skip_connection"):
        w["W_skip"] = randn(D_IN, D_IN)
    path = folder({"cfg.json": config(**settings), "sae.safetensors": w}, at="run/layers.5")
    x = randn(30, D_IN)
    with torch.no_grad():
        found = sparsify.SparseCoder.load_from_disk(path).encode(x)
    expected = torch.zeros(30, D_SAE).scatter(1, found.top_indices, found.top_acts)
    assert_encodes(load_dictionary(path), x, expected)


def test_the_folder_is_the_hook_point_and_the_run_tells_the_model(
    randn: Randn, folder: Write
) -> None:
    files = {
        "config.json": {"model": "EleutherAI/pythia-70m", "ctx_len": 2048},
        "layers.5.mlp/cfg.json": config(),
        "layers.5.mlp/sae.safetensors": weights(randn),
    }
    path = folder(files) / "layers.5.mlp"
    for location in (path, path / "sae.safetensors"):
        dictionary = load_dictionary(location)
        assert dictionary.hook_name == "layers.5.mlp"
        assert dictionary.model_name == "EleutherAI/pythia-70m"
        assert dictionary.context_size == 2048
        assert (dictionary.d_in, dictionary.d_sae) == (D_IN, D_SAE)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"expansion_factor": 5}, r"encoder.weight of shape \(48, 12\); expected \(60, 12\)"),
        ({"activation": "groupmax", "k": 5}, "48 latents do not divide into k = 5"),
        ({"activation": "relu"}, "'relu'; expected topk or groupmax"),
        ({"k": 0}, "k is 0; expected 1 to"),
    ],
)
def test_what_is_wrong_is_named(
    settings: dict[str, Any], message: str, randn: Randn, folder: Write
) -> None:
    path = folder({"cfg.json": config(**settings), "sae.safetensors": weights(randn)})
    with pytest.raises(DictionaryError, match=message):
        load_dictionary(path)
