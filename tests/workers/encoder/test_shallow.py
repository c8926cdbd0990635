"""A model without its last blocks gives what the whole one gives, and has none of their tensors."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from saelake.workers.encoder.hooks import resolve_hook
from saelake.workers.encoder.models import Model, load_model
from saelake.workers.encoder.reader import ActivationReader
from saelake.workers.encoder.shallow import Depth, depth_of
from tests.small_models import CONFIGS, LAYERS, batch_of, randomise
from tests.workers.encoder.test_models import tokenizer

BLOCK = "blocks.0.hook_resid_post"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model of each family, in several files."""
    found = {}
    for family, config in CONFIGS.items():
        folder = tmp_path_factory.mktemp(family)
        torch.manual_seed(0)
        module = transformers.AutoModel.from_config(config)
        randomise(module)
        module.save_pretrained(folder, max_shard_size="20KB")
        tokenizer().save_pretrained(folder)
        found[family] = folder
    return found


def read(model: Model, hook: str) -> torch.Tensor:
    return ActivationReader(model, [resolve_hook(model.module, hook)])(batch_of([5, 3]))[hook]


@pytest.mark.parametrize("family", sorted(CONFIGS))
def test_a_shallow_model_reads_what_the_whole_one_reads(
    folders: dict[str, Path], family: str
) -> None:
    folder = folders[family]
    assert len(list(folder.glob("*.safetensors"))) > 1
    whole = load_model(str(folder), device="cpu")
    model = load_model(str(folder), device="cpu", hooks=[BLOCK])
    assert torch.equal(read(model, BLOCK), read(whole, BLOCK))
    assert model.fingerprint == whole.fingerprint
    assert model.config.to_dict() == whole.config.to_dict()
    assert ActivationReader(model, [resolve_hook(model.module, BLOCK)]).widths()[BLOCK] > 0
    depth = depth_of(whole.module, [BLOCK])
    if depth is None:  # its blocks run several times
        assert n_parameters(model) == n_parameters(whole)
    else:
        assert len(list(model.module.get_submodule(depth.blocks).children())) == 1
        assert len(list(whole.module.get_submodule(depth.blocks).children())) == LAYERS
        assert n_parameters(model) < n_parameters(whole)


def n_parameters(model: Model) -> int:
    return sum(parameter.numel() for parameter in model.module.parameters())


@pytest.mark.parametrize(
    ("hooks", "n"),
    [
        ([BLOCK], 1),
        ([BLOCK, "blocks.1.hook_resid_pre"], 2),
        ([BLOCK, "blocks.2.mlp.hook_post"], None),
        ([BLOCK, "norm"], None),
        (["hook_embed"], None),
        (["no such place"], None),
        ([], None),
    ],
)
def test_a_model_is_cut_only_where_it_is_known_what_is_needed(
    hooks: list[str], n: int | None
) -> None:
    module: Any = transformers.AutoModel.from_config(CONFIGS["llama"])
    depth = depth_of(module, hooks)
    assert (depth and depth.n) == n


@pytest.mark.parametrize(
    ("key", "has"),
    [
        ("model.layers.1.mlp.weight_scale_inv", True),
        ("model.layers.2.mlp.weight_scale_inv", False),
        ("layers.11.input_layernorm.weight", False),
        ("embed_tokens.weight", True),
        ("lm_head.scales", True),
    ],
)
def test_tensors_of_blocks_left_out_are_known(key: str, *, has: bool) -> None:
    assert Depth("layers", 2).has(key) == has
