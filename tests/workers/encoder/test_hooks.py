from typing import Any

import pytest
import transformers
from torch import nn

from saelake.store.errors import ModelError
from saelake.workers.encoder.hooks import HookPoint, resolve_hook

SMALL: dict[str, Any] = {
    "vocab_size": 10,
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
}


def built(config: Any) -> nn.Module:
    module: nn.Module = transformers.AutoModel.from_config(config)
    return module


@pytest.fixture(scope="module")
def llama() -> nn.Module:
    return built(transformers.LlamaConfig(**SMALL))


@pytest.fixture(scope="module")
def bert() -> nn.Module:
    return built(transformers.BertConfig(**SMALL))


def test_a_transformer_lens_name_is_a_side_of_a_module(llama: nn.Module) -> None:
    assert resolve_hook(llama, "blocks.2.hook_resid_post") == HookPoint(
        name="blocks.2.hook_resid_post", module_path="layers.2", side="output", layer=2
    )
    assert resolve_hook(llama, "blocks.0.attn.hook_z") == HookPoint(
        name="blocks.0.attn.hook_z", module_path="layers.0.self_attn.o_proj", side="input", layer=0
    )


def test_the_published_name_on_bert_is_the_output_of_a_layer(bert: nn.Module) -> None:
    hook = resolve_hook(bert, "blocks.2.hook_resid_post")
    assert (hook.module_path, hook.side, hook.layer) == ("encoder.layer.2", "output", 2)


@pytest.mark.parametrize(
    "name",
    ["layers.1.mlp", "model.layers.1.mlp", "transformer.model.layers.1.mlp", "layers.1.mlp.output"],
)
def test_a_module_path_means_its_output(llama: nn.Module, name: str) -> None:
    hook = resolve_hook(llama, name)
    assert hook == HookPoint(name=name, module_path="layers.1.mlp", side="output", layer=1)


def test_a_module_path_can_mean_its_input(llama: nn.Module) -> None:
    hook = resolve_hook(llama, "model.layers.1.mlp.input")
    assert (hook.module_path, hook.side) == ("layers.1.mlp", "input")


def test_a_module_that_is_called_output_is_no_side(bert: nn.Module) -> None:
    hook = resolve_hook(bert, "bert.encoder.layer.0.output")
    assert (hook.module_path, hook.side) == ("encoder.layer.0.output", "output")
    hook = resolve_hook(bert, "encoder.layer.0.output.input")
    assert (hook.module_path, hook.side) == ("encoder.layer.0.output", "input")


def test_a_module_outside_of_the_blocks_has_no_layer(llama: nn.Module) -> None:
    assert resolve_hook(llama, "embed_tokens").layer is None
    assert resolve_hook(llama, "norm").layer is None


def test_the_same_layer_number_is_told_apart_by_digits() -> None:
    module = built(transformers.LlamaConfig(**{**SMALL, "num_hidden_layers": 12}))
    assert resolve_hook(module, "layers.11").layer == 11
    assert resolve_hook(module, "blocks.1.hook_resid_pre").layer == 1


def test_a_parallel_block_has_no_middle() -> None:
    parallel = built(transformers.GPTNeoXConfig(**SMALL))
    sequential = built(transformers.GPTNeoXConfig(**SMALL, use_parallel_residual=False))
    with pytest.raises(ModelError, match=r"no hook point blocks\.1\.hook_resid_mid"):
        resolve_hook(parallel, "blocks.1.hook_resid_mid")
    hook = resolve_hook(sequential, "blocks.1.hook_resid_mid")
    assert hook.module_path == "layers.1.post_attention_layernorm"


def test_an_unknown_family_has_the_ends_of_its_blocks() -> None:
    config = transformers.BloomConfig(vocab_size=10, hidden_size=8, n_layer=3, n_head=2)
    module = built(config)
    hook = resolve_hook(module, "blocks.2.hook_resid_pre")
    assert (hook.module_path, hook.side, hook.layer) == ("h.2", "input", 2)
    with pytest.raises(ModelError, match="hook_resid_pre, hook_resid_post;"):
        resolve_hook(module, "blocks.2.hook_mlp_out")


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("blocks.1.hook_resid_pos", "blocks.1.hook_resid_post"),
        ("blocks.3.hook_resid_post", "blocks.2.hook_resid_post"),
        ("layers.9", "layers.2"),
        ("layers.1.mpl", "layers.1.mlp"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(
    llama: nn.Module, name: str, near: str
) -> None:
    with pytest.raises(ModelError) as caught:
        resolve_hook(llama, name)
    assert f"no hook point {name} " in caught.value.message
    assert near in caught.value.message
    assert caught.value.data["hook"] == name


@pytest.mark.parametrize("name", ["", "input", "blocks..hook_resid_post", "no_such_thing"])
def test_nonsense_is_answered_with_what_there_is(llama: nn.Module, name: str) -> None:
    with pytest.raises(ModelError, match="It has blocks 0 to 2 with hook_resid_pre"):
        resolve_hook(llama, name)


def test_an_opt_that_norms_after_each_sum_has_the_ends_of_its_blocks() -> None:
    sizes = {**SMALL, "ffn_dim": 8, "word_embed_proj_dim": 4}
    module = built(transformers.OPTConfig(**sizes, do_layer_norm_before=False))
    assert resolve_hook(module, "blocks.2.hook_resid_post").module_path == "decoder.layers.2"
    with pytest.raises(ModelError, match="no hook point blocks"):
        resolve_hook(module, "blocks.2.hook_resid_mid")


def test_a_layer_without_the_module_does_not_have_the_name() -> None:
    config = transformers.Qwen3MoeConfig(
        **SMALL, num_experts=2, moe_intermediate_size=8, num_key_value_heads=1
    )
    module = built(config)
    assert resolve_hook(module, "blocks.1.mlp.hook_in").module_path == "layers.1.mlp"
    with pytest.raises(ModelError, match=r"no hook point blocks\.1\.mlp\.hook_post"):
        resolve_hook(module, "blocks.1.mlp.hook_post")


def test_a_path_may_leave_out_where_the_language_part_lies() -> None:
    text = transformers.Gemma3TextConfig(**SMALL, num_key_value_heads=1, head_dim=4)
    vision = transformers.SiglipVisionConfig(
        hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1
    )
    module = built(transformers.Gemma3Config(text_config=text, vision_config=vision))
    hook = resolve_hook(module, "model.layers.1.pre_feedforward_layernorm.output")
    assert hook.module_path == "language_model.layers.1.pre_feedforward_layernorm"
    assert (hook.side, hook.layer) == ("output", 1)


def test_a_model_without_blocks_asks_for_a_module_path() -> None:
    config = transformers.BloomConfig(vocab_size=10, hidden_size=8, n_layer=0, n_head=2)
    with pytest.raises(ModelError, match="Give a module path"):
        resolve_hook(built(config), "blocks.0.hook_resid_post")
