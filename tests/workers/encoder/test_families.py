"""Every TransformerLens name of every family: what it is in the model, and TransformerLens's."""

import warnings
from types import ModuleType
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

from saelake.store.errors import ModelError
from saelake.workers.encoder.families import FAMILIES
from saelake.workers.encoder.hooks import _Stack, resolve_hook, same_place
from saelake.workers.encoder.models import Model
from saelake.workers.encoder.reader import ActivationReader
from tests.small_models import (
    CONFIGS,
    DECODERS,
    HEADS,
    LAYERS,
    PARALLEL,
    VOCABULARY,
    WIDTH,
    batch_of,
    built,
    close,
    randomise,
)

KEY_HEADS = 2
EXPERTS = {"mixtral", "qwen3_moe"}


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    return {name: built(config) for name, config in CONFIGS.items()}


def names_of(model: Model) -> list[str]:
    return [name for name, _, _ in _Stack.of(model.module).sites()]


def read(model: Model, *names: str) -> list[Tensor]:
    hooks = [resolve_hook(model.module, name) for name in names]
    found = ActivationReader(model, hooks)(batch_of([5, 3]))
    return [found[name] for name in names]


def module_of(model: Model, name: str) -> nn.Module:
    return model.module.get_submodule(resolve_hook(model.module, name).module_path)


def has(model: Model, name: str) -> bool:
    return name in names_of(model)


# -- Within the model: what a name is, by what the model's own modules make of it.


@pytest.mark.parametrize("norm", ["ln1", "ln2"])
@pytest.mark.parametrize("family", CONFIGS)
def test_a_norm_gives_its_hook_normalized_times_its_gain(
    models: dict[str, Model], family: str, norm: str
) -> None:
    model, name = models[family], f"blocks.1.{norm}.hook_normalized"
    module: Any = module_of(model, name)
    path = resolve_hook(model.module, name).module_path
    normalized, output = read(model, name, f"{path}.output")
    gain = getattr(module, "weight", torch.ones(WIDTH))
    if "gemma" in family:
        gain = 1 + gain
    close(normalized * gain + getattr(module, "bias", torch.zeros(WIDTH)), output)
    assert family == "olmo" or not torch.allclose(normalized, output, atol=0.1)


@pytest.mark.parametrize("family", CONFIGS)
def test_the_mlp_reads_its_hook_in_and_gives_what_its_hook_post_makes(
    models: dict[str, Model], family: str
) -> None:
    model = models[family]
    read_in, out = read(model, "blocks.1.mlp.hook_in", "blocks.1.mlp.hook_out")
    if family not in {"bert", "electra", "roberta", "xlm-roberta", "opt"}:
        module = module_of(model, "blocks.1.mlp.hook_in")
        close(module(read_in[None])[0], out)
    if family in EXPERTS:
        assert not has(model, "blocks.1.mlp.hook_post")
        return
    (post,) = read(model, "blocks.1.mlp.hook_post")
    close(module_of(model, "blocks.1.mlp.hook_post")(post), out)


@pytest.mark.parametrize("family", sorted(set(CONFIGS) - EXPERTS))
def test_hook_post_is_the_activation_of_hook_pre(models: dict[str, Model], family: str) -> None:
    model = models[family]
    pre, post = read(model, "blocks.1.mlp.hook_pre", "blocks.1.mlp.hook_post")
    names = ("hidden_act", "activation_function", "hidden_activation")
    activation = next(getattr(model.config, name) for name in names if hasattr(model.config, name))
    linear: Tensor | float = 1.0
    if has(model, "blocks.1.mlp.hook_pre_linear"):
        (linear,) = read(model, "blocks.1.mlp.hook_pre_linear")
    close(transformers.activations.ACT2FN[activation](pre) * linear, post)


@pytest.mark.parametrize("family", CONFIGS)
def test_hook_mlp_in_is_the_stream_that_the_norm_before_the_mlp_reads(
    models: dict[str, Model], family: str
) -> None:
    stream = "hook_resid_pre" if family in PARALLEL else "hook_resid_mid"
    mlp_in, expected = read(models[family], "blocks.1.hook_mlp_in", f"blocks.1.{stream}")
    close(mlp_in, expected)


@pytest.mark.parametrize("family", CONFIGS)
@pytest.mark.parametrize("of", ["q", "k", "v", "z"])
def test_a_head_is_its_columns_of_all(models: dict[str, Model], family: str, of: str) -> None:
    model, name = models[family], f"blocks.1.attn.hook_{of}"
    shared = getattr(model.config, "num_key_value_heads", None) or HEADS
    n_heads = shared if of in "kv" else HEADS
    whole, *heads = read(model, name, *(f"{name}.{head}" for head in range(n_heads)))
    assert len({head.shape for head in heads}) == 1
    close(torch.cat(heads, dim=1), whole)
    with pytest.raises(ModelError, match=f"has heads 0 to {n_heads - 1} there"):
        resolve_hook(model.module, f"{name}.{n_heads}")


@pytest.mark.parametrize("family", DECODERS)
def test_the_first_token_attends_to_itself_alone(models: dict[str, Model], family: str) -> None:
    """Then `z` is the value of each head: which keys and values share heads does not matter."""
    model = models[family]
    batch = batch_of([3])
    batch.keep[:] = [[True, False, False, False]]
    hooks = [resolve_hook(model.module, f"blocks.1.attn.hook_{of}") for of in "vz"]
    v, z = ActivationReader(model, hooks)(batch).values()
    d_head = getattr(model.config, "head_dim", None) or WIDTH // HEADS
    values = v.view(-1, d_head).repeat_interleave(z.shape[1] // v.shape[1], dim=0)
    close(values.reshape(1, -1), z)


# -- As TransformerLens has them.


@pytest.fixture(scope="module")
def lens() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        name = "transformer_lens.model_bridge.sources._bridge_builder"
        module: ModuleType = pytest.importorskip(name, exc_type=ImportError)
        return module


CLASSES = {
    "gpt2": "GPT2LMHeadModel",
    "gpt_neo": "GPTNeoForCausalLM",
    "gpt_neox": "GPTNeoXForCausalLM",
    "gpt_neox sequential": "GPTNeoXForCausalLM",
    "gptj": "GPTJForCausalLM",
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "mixtral": "MixtralForCausalLM",
    "olmo": "OlmoForCausalLM",
    "opt": "OPTForCausalLM",
    "phi": "PhiForCausalLM",
    "phi3": "Phi3ForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "smollm3": "SmolLM3ForCausalLM",
    "gemma": "GemmaForCausalLM",
    "gemma2": "Gemma2ForCausalLM",
    "gemma3": "Gemma3ForCausalLM",
}

# TransformerLens's bridge has no module there: one norm serves two sublayers, and OPT has no MLP.
NOT_IN_THE_BRIDGE = {
    "gptj": {"hook_mlp_in", "ln2.hook_normalized"},
    "phi": {"hook_mlp_in", "ln2.hook_normalized"},
    "opt": {"mlp.hook_in", "mlp.hook_out"},
}


@pytest.mark.parametrize("family", DECODERS)
@pytest.mark.filterwarnings("ignore")
def test_every_name_means_transformer_lens_s_place(lens: ModuleType, family: str) -> None:
    config = CONFIGS[family].__class__.from_dict(CONFIGS[family].to_dict())
    config._attn_implementation = "eager"  # the bridge computes attention itself
    headed: Any = getattr(transformers, CLASSES[family])(config).eval()
    randomise(headed)
    batch = batch_of([7, 7])
    model = built(config)
    model.module.load_state_dict(headed.base_model.state_dict())
    names = names_of(model)
    hooks = [resolve_hook(model.module, name) for name in names]
    found = ActivationReader(model, hooks)(batch)
    bridge = lens.build_bridge_from_module(headed, CLASSES[family], hf_config=config)
    bridge.set_use_hook_mlp_in(True)
    _, cache = bridge.run_with_cache(torch.from_numpy(batch.input_ids))
    missing = {f"blocks.{n}.{x}" for n in range(LAYERS) for x in NOT_IN_THE_BRIDGE.get(family, ())}
    assert {name for name in names if name not in cache} == missing
    kept = torch.from_numpy(batch.keep)
    for name in set(names) - missing:
        expected = cache[name].reshape(*kept.shape, -1)[kept]
        torch.testing.assert_close(found[name], expected, rtol=1e-3, atol=1e-4, msg=name)


@pytest.mark.filterwarnings("ignore")
def test_bert_s_names_mean_those_of_its_hooked_encoder(lens: ModuleType) -> None:
    """But for `hook_resid_post`, which here is what TransformerLens calls normalized."""
    from transformer_lens import HookedEncoder
    from transformer_lens.config.hooked_transformer_config import HookedTransformerConfig
    from transformer_lens.pretrained.weight_conversions.bert import convert_bert_weights

    config = CONFIGS["bert"]
    headed = transformers.BertForPreTraining(config).eval()
    randomise(headed)
    theirs = HookedTransformerConfig(
        n_layers=LAYERS,
        d_model=WIDTH,
        n_ctx=config.max_position_embeddings,
        d_head=WIDTH // HEADS,
        n_heads=HEADS,
        d_mlp=config.intermediate_size,
        d_vocab=VOCABULARY,
        act_fn="gelu",
        normalization_type="LN",
        attention_dir="bidirectional",
        original_architecture="BertForMaskedLM",
        eps=config.layer_norm_eps,
        use_hook_mlp_in=True,
    )
    encoder = HookedEncoder(theirs, tokenizer=None, move_to_device=False)
    encoder.load_state_dict(convert_bert_weights(headed, theirs), strict=False)
    batch = batch_of([7, 7])
    _, cache = encoder.run_with_cache(torch.from_numpy(batch.input_ids))
    model = built(config)
    model.module.load_state_dict(headed.bert.state_dict(), strict=False)
    names = [name for name in names_of(model) if name in cache]
    assert len(names) == 1 + 15 * LAYERS
    hooks = [resolve_hook(model.module, name) for name in names]
    found = ActivationReader(model, hooks)(batch)
    kept = torch.from_numpy(batch.keep)
    for name in names:
        expected = cache[name.replace("hook_resid_post", "hook_normalized_resid_post")]
        expected = expected.reshape(*kept.shape, -1)[kept]
        torch.testing.assert_close(found[name], expected, rtol=1e-3, atol=1e-4, msg=name)


# -- Blocks that share modules.


@pytest.mark.parametrize(("groups", "runs"), [(1, 3), (2, 2)])
def test_albert_s_blocks_are_runs_of_its_groups(groups: int, runs: int) -> None:
    config = transformers.AlbertConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        embedding_size=8,
        intermediate_size=24,
        num_hidden_layers=LAYERS,
        num_hidden_groups=groups,
        num_attention_heads=HEADS,
    )
    model, batch = built(config), batch_of([6, 6])
    with torch.inference_mode():
        states = model.module(
            input_ids=torch.from_numpy(batch.input_ids), output_hidden_states=True
        ).hidden_states
    kept = torch.from_numpy(batch.keep)
    path = "encoder.albert_layer_groups.0"
    names = [f"blocks.{n}.hook_resid_post" for n in range(LAYERS)]
    names += [f"blocks.{n}.hook_resid_pre" for n in range(LAYERS)]
    names += [f"{path}.call.{n}" for n in range(runs)]
    reader = ActivationReader(model, [resolve_hook(model.module, name) for name in names])
    assert set(reader.widths().values()) == {WIDTH}
    found = reader(batch)
    for n in range(LAYERS):
        close(found[f"blocks.{n}.hook_resid_pre"], states[n][kept])
        close(found[f"blocks.{n}.hook_resid_post"], states[n + 1][kept])
    for n in range(runs):
        close(found[f"{path}.call.{n}"], states[n + 1][kept])
    assert not torch.allclose(states[1], states[2], atol=0.1)


def test_a_module_of_several_runs_is_refused_until_one_is_chosen() -> None:
    config = transformers.AlbertConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        embedding_size=8,
        intermediate_size=24,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
    )
    model = built(config)
    path = "encoder.albert_layer_groups.0"
    reader = ActivationReader(model, [resolve_hook(model.module, path)])
    with pytest.raises(ModelError, match=rf"runs 3 times .* {path}\.call\.0 to {path}\.call\.2"):
        reader.widths()
    beyond = ActivationReader(model, [resolve_hook(model.module, f"{path}.call.3")])
    with pytest.raises(ModelError, match=r"passes .* 3 times: choose \.call\.0 to \.call\.2"):
        beyond.widths()


# -- Names of one place.


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("blocks.1.hook_resid_post", "layers.1", True),
        ("blocks.1.hook_resid_post", "model.layers.1.output", True),
        ("blocks.1.hook_resid_post", "blocks.2.hook_resid_pre", True),
        ("blocks.1.hook_resid_post", "blocks.1.hook_resid_pre", False),
        ("blocks.1.mlp.hook_in", "layers.1.mlp.input", True),
        ("blocks.1.mlp.hook_in", "layers.1.mlp", False),
        ("blocks.1.hook_mlp_in", "blocks.1.hook_resid_mid", True),
        ("blocks.1.ln2.hook_normalized", "blocks.1.hook_resid_mid", False),
        ("blocks.1.attn.hook_z", "blocks.1.attn.hook_z.1", False),
        ("blocks.1.hook_resid_post", "blocks.9.hook_resid_post", False),
        ("nowhere", "nowhere", True),
    ],
)
def test_names_of_one_place(models: dict[str, Model], one: str, other: str, same: bool) -> None:
    assert same_place(models["llama"].module, one, other) == same
    assert same_place(models["llama"].module, other, one) == same


def test_every_family_has_a_small_model() -> None:
    made = {config.model_type for config in CONFIGS.values()} | {"albert", "camembert"}
    assert made >= set(FAMILIES)
