"""Place and encoder together: codes of a small model's run, against each reference library."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor, nn

from saelake.store.errors import DictionaryError, InvalidInput
from saelake.workers.dictionaries.base import LoadedDictionary
from saelake.workers.dictionaries.codes import TokenCodes
from saelake.workers.dictionaries.load import load_dictionary
from saelake.workers.encoder.hooks import resolve_hook
from saelake.workers.encoder.models import Model
from saelake.workers.encoder.reader import ActivationReader
from tests.small_models import CONFIGS, WIDTH, batch_of, built, randomise

D_SAE, K = 48, 6

Randn = Callable[..., Tensor]
Write = Callable[..., Path]
Scattered = Callable[[TokenCodes, int], Tensor]


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    return {name: built(CONFIGS[name]) for name in ("gpt_neox", "qwen3", "gemma2")}


def encoded(model: Model, dictionary: LoadedDictionary) -> TokenCodes:
    """The codes of a run at the place that the dictionary states."""
    assert dictionary.hook_name is not None
    hook = resolve_hook(model.module, dictionary.hook_name)
    return dictionary.encode(ActivationReader(model, [hook])(batch_of([7, 7]))[hook.name])


def sides(model: Model, path: str) -> tuple[Tensor, Tensor]:
    """What a plain forward hook sees go into a module and come out of it, `(n_tokens, d)`."""
    seen: dict[str, Tensor] = {}

    def note(_module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        seen["input"] = next(x for x in [*args, *kwargs.values()] if isinstance(x, Tensor))
        seen["output"] = output if isinstance(output, Tensor) else output[0]

    batch = batch_of([7, 7])
    handle = model.module.get_submodule(path).register_forward_hook(note, with_kwargs=True)
    with torch.no_grad():
        model.module(input_ids=torch.from_numpy(batch.input_ids))
    handle.remove()
    kept = torch.from_numpy(batch.keep)
    return seen["input"][kept], seen["output"][kept]


# -- sparsify: `Trainer.fit` encodes a module's output, and a transcoder its input.


@pytest.mark.parametrize("transcode", [False, True])
@pytest.mark.parametrize("at", ["layers.1.mlp", "layers.1.mlp/seed3"])
@pytest.mark.filterwarnings("ignore")
def test_sparsify_reads_the_side_that_it_was_trained_on(
    transcode: bool, at: str,
    models: dict[str, Model], sparsify: ModuleType, tmp_path: Path, scattered: Scattered,
) -> None:  # fmt: skip
    settings = sparsify.SparseCoderConfig(num_latents=D_SAE, k=K, transcode=transcode)
    torch.manual_seed(0)
    coder = sparsify.SparseCoder(WIDTH, settings)
    nn.init.normal_(coder.encoder.weight)
    nn.init.normal_(coder.b_dec)
    coder.save_to_disk(tmp_path / at)
    (tmp_path / "config.json").write_text(json.dumps({"model": "tiny", "ctx_len": 32}))
    given, made = sides(models["gpt_neox"], "layers.1.mlp")
    found = coder.encode(given if transcode else made)
    expected = torch.zeros(14, D_SAE).scatter(1, found.top_indices, found.top_acts.detach())
    dictionary = load_dictionary(tmp_path / at)
    assert dictionary.hook_name == ("layers.1.mlp.input" if transcode else "layers.1.mlp")
    assert (dictionary.model_name, dictionary.context_size) == ("tiny", 32)
    codes = encoded(models["gpt_neox"], dictionary)
    torch.testing.assert_close(scattered(codes, D_SAE), expected, rtol=1e-4, atol=1e-4)


# -- dictionary_learning: buffers hook a module, and `io` says which side they read.

IN, OUT = {"io": "in"}, {"io": "out"}
BOTH = {"io": "in_and_out"}


@pytest.mark.parametrize(
    ("name", "buffer", "path", "side"),
    [
        ("resid_post_layer_1", {}, "layers.1", "output"),
        ("resid_out_layer1", OUT, "layers.1", "output"),
        ("resid_pre_layer_1", {}, "layers.1", "input"),
        ("mlp_layer_1", {}, "layers.1.mlp", "output"),
        ("mlp_layer_1", IN, "layers.1.mlp", "input"),
        ("mlp_layer_1", BOTH, "layers.1.mlp", "input"),
        ("mlp_out_layer1", OUT, "layers.1.mlp", "output"),
        ("mlp_in_layer_1", IN, "layers.1.mlp", "input"),
        ("attn_layer_1", {}, "layers.1.attention", "output"),
        ("attn_layer_1", IN, "layers.1.attention", "input"),
        ("attn_out_layer1", {}, "layers.1.attention", "output"),
        ("attention_out_layer_1", {}, "layers.1.attention", "output"),
        ("gpt_neox.layers.1.mlp", {}, "layers.1.mlp", "output"),
        ("gpt_neox.layers.1.mlp", IN, "layers.1.mlp", "input"),
        ("embed", {}, "embed_in", "output"),
        (None, {}, "layers.1", "output"),
        ("", IN, "layers.1", "input"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_dictionary_learning_reads_the_place_that_is_named(
    name: str | None, buffer: dict[str, str], path: str, side: str,
    models: dict[str, Model], dictionary_learning: ModuleType,
    randn: Randn, folder: Write, scattered: Scattered,
) -> None:  # fmt: skip
    at = folder({"ae.pt": autoencoder(randn), "config.json": run_config(name, buffer)})
    theirs, _ = dictionary_learning.load_dictionary(str(at), device="cpu")
    given, made = sides(models["gpt_neox"], path)
    with torch.no_grad():
        expected = theirs.encode(given if side == "input" else made)
    codes = encoded(models["gpt_neox"], load_dictionary(at))
    torch.testing.assert_close(scattered(codes, D_SAE), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "path"), [("attn_layer_1", "layers.1.self_attn"), ("mlp_out_layer_1", "layers.1.mlp")]
)
@pytest.mark.filterwarnings("ignore")
def test_dictionary_learning_reads_gemma_2_s_modules_before_the_norms_after_them(
    name: str, path: str,
    models: dict[str, Model], dictionary_learning: ModuleType,
    randn: Randn, folder: Write, scattered: Scattered,
) -> None:  # fmt: skip
    config = run_config(name, {}, lm_name="google/gemma-2-2b")
    at = folder({"ae.pt": autoencoder(randn), "config.json": config})
    theirs, _ = dictionary_learning.load_dictionary(str(at), device="cpu")
    with torch.no_grad():
        expected = theirs.encode(sides(models["gemma2"], path)[1])
    codes = encoded(models["gemma2"], load_dictionary(at))
    torch.testing.assert_close(scattered(codes, D_SAE), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "buffer"),
    [
        ("mlp1", {}),
        ("resid_layer_1", {}),
        ("neurons_layer_1", {}),
        ("resid_post_layer_one", {}),
        ("resid_post_layer_1", IN),
        ("mlp_out_layer_1", BOTH),
        ("embed", IN),
        (None, BOTH),
    ],
)
def test_a_place_that_is_not_understood_asks_for_a_hook(
    name: str | None, buffer: dict[str, str], randn: Randn, folder: Write
) -> None:
    at = folder({"ae.pt": autoencoder(randn), "config.json": run_config(name, buffer)})
    with pytest.raises(DictionaryError, match="--hook"):
        load_dictionary(at)
    assert load_dictionary(at, hook="blocks.1.hook_mlp_out").hook_name is None


def autoencoder(randn: Randn) -> dict[str, Tensor]:
    decoder = nn.functional.normalize(randn(WIDTH, D_SAE), dim=0)
    return {
        "encoder.weight": randn(D_SAE, WIDTH),
        "encoder.bias": randn(D_SAE),
        "decoder.weight": decoder,
        "bias": randn(WIDTH),
    }


def run_config(name: str | None, buffer: dict[str, str], lm_name: str = "tiny") -> dict[str, Any]:
    trainer = {
        "dict_class": "AutoEncoder",
        "activation_dim": WIDTH,
        "dict_size": D_SAE,
        "layer": 1,
        "lm_name": lm_name,
        "submodule_name": name,
    }
    return {"trainer": trainer, "buffer": buffer}


# -- SAELens: on TransformerLens's activations of the same weights.

HOOKS: list[tuple[str, str, int | None, dict[str, Any]]] = [
    ("qwen3", "blocks.1.hook_resid_pre", None, {}),
    ("qwen3", "blocks.1.hook_resid_mid", None, {}),
    ("qwen3", "blocks.1.hook_mlp_in", None, {}),
    ("qwen3", "blocks.1.mlp.hook_in", None, {"architecture": "transcoder"}),
    ("qwen3", "blocks.1.mlp.hook_pre", None, {}),
    ("qwen3", "blocks.1.mlp.hook_post", None, {}),
    ("qwen3", "blocks.1.ln1.hook_normalized", None, {}),
    ("qwen3", "blocks.1.attn.hook_q", 3, {}),
    ("qwen3", "blocks.1.attn.hook_k", 1, {}),
    ("qwen3", "blocks.1.attn.hook_z", 2, {}),
    ("qwen3", "blocks.1.attn.hook_z", None, {"reshape_activations": "hook_z"}),
    ("gemma2", "blocks.1.ln2.hook_normalized", None, {"architecture": "jumprelu_transcoder"}),
    ("gemma2", "blocks.1.hook_mlp_out", None, {}),
    ("gemma2", "blocks.1.hook_attn_out", None, {}),
    ("gpt_neox", "blocks.1.attn.hook_q", 1, {}),
    ("gpt_neox", "blocks.1.attn.hook_v", None, {"reshape_activations": "hook_z"}),
]
CLASSES = {
    "gpt_neox": "GPTNeoXForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "gemma2": "Gemma2ForCausalLM",
}


@pytest.fixture(scope="module")
def caches() -> dict[str, Any]:
    """TransformerLens's activations of the small models, by family."""
    build = pytest.importorskip(
        "transformer_lens.model_bridge.sources._bridge_builder", exc_type=ImportError
    )
    found = {}
    for family, name in CLASSES.items():
        config = CONFIGS[family].__class__.from_dict(CONFIGS[family].to_dict())
        config._attn_implementation = "eager"
        headed: Any = getattr(transformers, name)(config).eval()
        torch.manual_seed(0)
        randomise(headed)
        headed.base_model.load_state_dict(built(CONFIGS[family]).module.state_dict())
        bridge = build.build_bridge_from_module(headed, name, hf_config=config)
        bridge.set_use_hook_mlp_in(True)
        _, found[family] = bridge.run_with_cache(torch.from_numpy(batch_of([7, 7]).input_ids))
    return found


@pytest.mark.parametrize(("family", "hook", "head", "settings"), HOOKS)
@pytest.mark.filterwarnings("ignore")
def test_saelens_reads_transformer_lens_s_activations(
    family: str, hook: str, head: int | None, settings: dict[str, Any],
    models: dict[str, Model], sae_lens: ModuleType,
    randn: Randn, folder: Write, scattered: Scattered, request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    cache = request.getfixturevalue("caches")
    x = cache[family][hook]
    x = x if head is None else x[:, :, head]  # as SAELens's ActivationsStore takes a head
    kept = torch.from_numpy(batch_of([7, 7]).keep)
    d_in = x[kept].flatten(1).shape[1]
    path = folder(saelens_folder(randn, d_in, hook, head, settings))
    theirs = sae_lens.SAE.load_from_disk(str(path))
    with torch.no_grad():
        expected = theirs.encode(x[kept])
    codes = encoded(models[family], load_dictionary(path))
    torch.testing.assert_close(scattered(codes, D_SAE), expected, rtol=1e-3, atol=1e-3)
    assert (expected != 0).any()


def saelens_folder(
    randn: Randn, d_in: int, hook: str, head: int | None, settings: dict[str, Any]
) -> dict[str, Any]:
    weights = {
        "W_enc": randn(d_in, D_SAE),
        "b_enc": randn(D_SAE),
        "W_dec": randn(D_SAE, d_in),
        "b_dec": randn(d_in),
    }
    cfg = {
        "architecture": "standard",
        "d_in": d_in,
        "d_sae": D_SAE,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {"hook_name": hook, "hook_head_index": head, "model_name": "tiny"},
        **settings,
    }
    if "transcoder" in cfg["architecture"]:
        cfg |= {"d_out": d_in, "apply_b_dec_to_input": False}
    if "jumprelu" in cfg["architecture"]:
        weights["threshold"] = randn(D_SAE).abs()
    return {"cfg.json": cfg, "sae_weights.safetensors": weights}


def test_saelens_s_name_for_what_gemma_3_s_mlp_reads_is_not_the_stream(
    randn: Randn, folder: Write
) -> None:
    files = saelens_folder(randn, WIDTH, "blocks.1.hook_mlp_in", None, {})
    files["cfg.json"]["metadata"]["hf_hook_name"] = (
        "model.layers.1.pre_feedforward_layernorm.output"
    )
    name = "model.layers.1.pre_feedforward_layernorm"
    assert load_dictionary(folder(files)).hook_name == name


# -- Gemma Scope: just after the RMSNorm before the MLP, whose gain was folded into the MLP.


def test_a_gemma_scope_transcoder_reads_the_norm_without_its_gain(
    models: dict[str, Model], randn: Randn, folder: Write, scattered: Scattered
) -> None:
    w = {
        "W_enc": randn(WIDTH, D_SAE),
        "b_enc": randn(D_SAE),
        "W_dec": randn(D_SAE, WIDTH),
        "b_dec": randn(WIDTH),
        "threshold": randn(D_SAE).abs(),
    }
    at = "gemma-scope-2b-pt-transcoders/layer_1/width_16k/average_l0_5"
    dictionary = load_dictionary(folder({"params.npz": w}, at=at))
    assert dictionary.hook_name == "blocks.1.ln2.hook_normalized"
    codes = encoded(models["gemma2"], dictionary)
    x, after = sides(models["gemma2"], "layers.1.pre_feedforward_layernorm")
    x = x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + CONFIGS["gemma2"].rms_norm_eps)
    pre = x @ w["W_enc"] + w["b_enc"]
    expected = pre * (pre > w["threshold"])
    torch.testing.assert_close(scattered(codes, D_SAE), expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(x, after, atol=0.1)


# -- What is not in the files, and what is damaged in them.


def test_a_known_norm_factor_scales_what_is_encoded(
    randn: Randn, folder: Write, scattered: Scattered
) -> None:
    settings = {"normalize_activations": "expected_average_only_in"}
    files = saelens_folder(randn, WIDTH, "blocks.1.hook_resid_post", None, settings)
    path, x = folder(files), randn(9, WIDTH)
    with pytest.raises(DictionaryError, match=r"no activation_scaler\.json .* --norm-factor"):
        load_dictionary(path)
    w = files["sae_weights.safetensors"]
    for factor in (0.5, 2.0):
        dictionary = load_dictionary(path, norm_factor=factor)
        expected = ((x * factor - w["b_dec"]) @ w["W_enc"] + w["b_enc"]).relu()
        torch.testing.assert_close(scattered(dictionary.encode(x), D_SAE), expected)
    (path / "activation_scaler.json").write_text('{"scaling_factor": 2.0}')
    assert load_dictionary(path).fingerprint == dictionary.fingerprint
    assert load_dictionary(path, norm_factor=2.0).fingerprint == dictionary.fingerprint
    with pytest.raises(DictionaryError, match=r"scaling_factor is 2\.0, and 0\.5 was given"):
        load_dictionary(path, norm_factor=0.5)


def test_a_norm_factor_is_only_for_dictionaries_that_want_one(randn: Randn, folder: Write) -> None:
    path = folder(saelens_folder(randn, WIDTH, "blocks.1.hook_resid_post", None, {}))
    with pytest.raises(DictionaryError, match="none, which takes no norm factor"):
        load_dictionary(path, norm_factor=2.0)
    assert load_dictionary(path, norm_factor=1.0).fingerprint == load_dictionary(path).fingerprint
    for wrong in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(InvalidInput, match="positive number"):
            load_dictionary(path, norm_factor=wrong)
    other = folder({"ae.pt": autoencoder(randn), "config.json": run_config(None, {})}, at="other")
    with pytest.raises(InvalidInput, match="takes no norm factor"):
        load_dictionary(other, norm_factor=2.0)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_damaged_decoder_leaves_the_codes(
    bad: float, randn: Randn, folder: Write, scattered: Scattered
) -> None:
    files = saelens_folder(randn, WIDTH, "blocks.1.hook_resid_post", None, {})
    whole, x = load_dictionary(folder(files, at="whole")), randn(9, WIDTH)
    files["sae_weights.safetensors"]["W_dec"][3, 2] = bad
    damaged = load_dictionary(folder(files, at="damaged"))
    assert torch.equal(scattered(damaged.encode(x), D_SAE), scattered(whole.encode(x), D_SAE))
    assert damaged.W_dec is None
    assert "decoder has values that are not finite" in (damaged.decoder_fault or "")
    assert whole.decoder_fault is None
    files["cfg.json"] |= {"architecture": "topk", "k": K, "rescale_acts_by_decoder_norm": True}
    with pytest.raises(DictionaryError, match="values in W_dec that are not finite"):
        load_dictionary(folder(files, at="needed"))  # its codes depend on the decoder


@pytest.mark.parametrize("metadata", [True, False])
def test_k_may_be_among_the_arguments_of_the_activation(
    metadata: bool, randn: Randn, folder: Write
) -> None:
    settings = {"architecture": "topk", "activation_fn_kwargs": {"k": K}}
    files = saelens_folder(randn, WIDTH, "blocks.1.hook_resid_post", None, settings)
    if not metadata:
        files["cfg.json"] |= files["cfg.json"].pop("metadata")
    dictionary = load_dictionary(folder(files))
    assert dictionary.architecture == "topk"
    assert dictionary.encode(randn(50, WIDTH)).nnz <= 50 * K
    files["cfg.json"]["k"] = K + 1
    with pytest.raises(DictionaryError, match="k is 7, and 6 in activation_fn_kwargs"):
        load_dictionary(folder(files, at="two"))
