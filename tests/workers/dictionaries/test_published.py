"""The formats of published suites, which come as files without a library of their own.

Codes are checked against formulas written out here, and, where SAELens converts the format,
against what SAELens makes of the same files.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from saelake.store.errors import DictionaryError
from saelake.workers.dictionaries.base import LoadedDictionary
from saelake.workers.dictionaries.load import load_dictionary

D_IN, D_SAE, K = 16, 64, 5

Randn = Callable[..., Tensor]
Write = Callable[..., Path]
Check = Callable[[LoadedDictionary, Tensor, Tensor], None]

SIZES = {"d_in": D_IN, "d_sae": D_SAE, "dtype": "float32"}


def over(pre: Tensor, threshold: Tensor | float) -> Tensor:
    return pre.relu() * (pre > threshold)


def largest(pre: Tensor, k: int) -> Tensor:
    return pre.relu() * torch.zeros_like(pre).scatter(1, pre.topk(k, dim=1).indices, 1)


def saelens_s(sae_lens: ModuleType, loader: str, repo: str, path: str, x: Tensor) -> Tensor:
    """The codes of the dictionary that one of SAELens's loaders makes of a hub repository."""
    from sae_lens.loading import pretrained_sae_loaders as loaders

    cfg, state, _ = getattr(loaders, loader)(repo, path, device="cpu", cfg_overrides=dict(SIZES))
    cfg = loaders.handle_config_defaulting(cfg)
    sae = sae_lens.SAE.from_dict(cfg)
    sae.load_state_dict(state)
    if cfg["normalize_activations"] == "expected_average_only_in":
        sae.fold_activation_norm_scaling_factor(SCALE)
    with torch.no_grad():
        codes: Tensor = sae.encode(x)
    return codes


# Gemma Scope


def gemma(randn: Randn, prefix: str = "W") -> dict[str, Tensor]:
    return {
        f"{prefix}_enc": randn(D_IN, D_SAE),
        f"{prefix}_dec": randn(D_SAE, D_IN),
        "b_enc": randn(D_SAE),
        "b_dec": randn(D_IN),
        "threshold": randn(D_SAE).abs(),
    }


GEMMA_1 = [
    (
        "google/gemma-scope-2b-pt-res",
        "layer_20/width_16k/average_l0_71",
        "google/gemma-2-2b",
        "blocks.20.hook_resid_post",
    ),
    (
        "google/gemma-scope-9b-it-res",
        "layer_9/width_16k/average_l0_88",
        "google/gemma-2-9b-it",
        "blocks.9.hook_resid_post",
    ),
    (
        "google/gemma-scope-2b-pt-mlp",
        "layer_3/width_16k/average_l0_50",
        "google/gemma-2-2b",
        "blocks.3.hook_mlp_out",
    ),
    (
        "google/gemma-scope-2b-pt-att",
        "layer_3/width_16k/average_l0_50",
        "google/gemma-2-2b",
        "blocks.3.attn.hook_z",
    ),
    (
        "google/gemma-scope-2b-pt-transcoders",
        "layer_3/width_16k/average_l0_50",
        "google/gemma-2-2b",
        "blocks.3.ln2.hook_normalized",
    ),
]


@pytest.mark.parametrize(("repo", "path", "model", "hook"), GEMMA_1)
@pytest.mark.parametrize("prefix", ["W", "w"])
def test_gemma_scope_1(
    repo: str, path: str, model: str, hook: str, prefix: str,
    randn: Randn, hub: Write, assert_encodes: Check,
) -> None:  # fmt: skip
    w = gemma(randn, prefix)
    hub(repo, {f"{path}/params.npz": w})
    dictionary = load_dictionary(f"hf://{repo}/{path}")
    x = randn(30, D_IN)
    assert_encodes(dictionary, x, over(x @ w[f"{prefix}_enc"] + w["b_enc"], w["threshold"]))
    assert (dictionary.model_name, dictionary.hook_name) == (model, hook)
    assert (dictionary.prepend_bos, dictionary.context_size) == (True, 1024)
    kind = "jumprelu_transcoder" if "transcoders" in repo else "jumprelu"
    assert (dictionary.format, dictionary.architecture) == ("gemma_scope", kind)


@pytest.mark.parametrize(
    ("repo", "path", "loader"),
    [
        (*GEMMA_1[0][:2], "gemma_2_sae_huggingface_loader"),
        (*GEMMA_1[4][:2], "gemma_2_transcoder_huggingface_loader"),
        (
            "google/gemma-scope-2b-pt-res",
            "embedding/width_4k/average_l0_6",
            "gemma_2_sae_huggingface_loader",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_gemma_scope_1_is_saelens_s(
    repo: str, path: str, loader: str,
    sae_lens: ModuleType, randn: Randn, hub: Write, assert_encodes: Check, monkeypatch: Any,
) -> None:  # fmt: skip
    monkeypatch.setitem(SIZES, "d_out", D_IN)
    hub(repo, {f"{path}/params.npz": gemma(randn)})
    x = randn(30, D_IN)
    assert_encodes(
        load_dictionary(f"hf://{repo}/{path}"), x, saelens_s(sae_lens, loader, repo, path, x)
    )


def test_gemma_scope_s_embedding_is_read_where_gemma_has_scaled_it(
    randn: Randn, folder: Write, assert_encodes: Check
) -> None:
    w = gemma(randn)
    dictionary = load_dictionary(folder({"params.npz": w}, at="x-res/embedding/width_4k"))
    x = randn(30, D_IN)
    scaled = x * D_IN**0.5
    assert_encodes(dictionary, scaled, over(x @ w["W_enc"] + w["b_enc"], w["threshold"]))
    assert dictionary.hook_name == "hook_embed"


@pytest.mark.parametrize("transcoder", [False, True])
def test_gemma_scope_2(
    transcoder: bool, randn: Randn, folder: Write, assert_encodes: Check
) -> None:
    w = gemma(randn, "w")
    config = {
        "architecture": "jump_relu",
        "model_name": "google/gemma-3-1b-pt",
        "hf_hook_point_in": "model.layers.17.output",
        "width": D_SAE,
    }
    if transcoder:
        w["affine_skip_connection"] = randn(D_IN, D_IN)
        config["hf_hook_point_in"] = "model.layers.17.pre_feedforward_layernorm.output"
    dictionary = load_dictionary(folder({"params.safetensors": w, "config.json": config}))
    x = randn(30, D_IN)
    assert_encodes(dictionary, x, over(x @ w["w_enc"] + w["b_enc"], w["threshold"]))
    assert dictionary.model_name == "google/gemma-3-1b-pt"
    if transcoder:
        assert dictionary.architecture == "jumprelu_skip_transcoder"
        assert dictionary.hook_name == "model.layers.17.pre_feedforward_layernorm"
    else:
        assert dictionary.architecture == "jumprelu"
        assert dictionary.hook_name == "model.layers.17"


def test_a_layer_of_a_gemma_scope_2_cross_layer_transcoder(
    randn: Randn, folder: Write, assert_encodes: Check
) -> None:
    w = {**gemma(randn, "w"), "w_dec": randn(D_SAE, 3, D_IN)}
    path = folder({"params_layer_1.safetensors": w}, at="clt/width_262k") / (
        "params_layer_1.safetensors"
    )
    dictionary = load_dictionary(path)
    x = randn(30, D_IN)
    assert_encodes(dictionary, x, over(x @ w["w_enc"] + w["b_enc"], w["threshold"]))
    assert dictionary.W_dec is not None
    torch.testing.assert_close(dictionary.W_dec, w["w_dec"].sum(dim=1))
    assert dictionary.architecture == "jumprelu_transcoder"


# Goodfire and Qwen Scope


def goodfire(randn: Randn) -> dict[str, Tensor]:
    return {
        "encoder_linear.weight": randn(D_SAE, D_IN),
        "encoder_linear.bias": randn(D_SAE),
        "decoder_linear.weight": randn(D_IN, D_SAE),
        "decoder_linear.bias": randn(D_IN),
    }


GOODFIRE = [
    ("Llama-3.1-8B-Instruct-SAE-l19", "pth", "meta-llama/Llama-3.1-8B-Instruct", 19),
    ("Llama-3.3-70B-Instruct-SAE-l50", "pt", "meta-llama/Llama-3.3-70B-Instruct", 50),
]


@pytest.mark.parametrize(("name", "suffix", "model", "layer"), GOODFIRE)
@pytest.mark.parametrize("by_file", [False, True])
def test_goodfire(
    name: str, suffix: str, model: str, layer: int, by_file: bool,
    randn: Randn, hub: Write, assert_encodes: Check,
) -> None:  # fmt: skip
    w = {key: tensor.bfloat16() for key, tensor in goodfire(randn).items()}
    hub(f"Goodfire/{name}", {f"{name}.{suffix}": w, "README.md": "Labels: …"})
    location = f"hf://Goodfire/{name}" + (f"/{name}.{suffix}" if by_file else "")
    dictionary = load_dictionary(location)
    x = randn(30, D_IN)
    pre = x @ w["encoder_linear.weight"].float().T + w["encoder_linear.bias"].float()
    assert_encodes(dictionary, x, pre.relu())
    assert (dictionary.model_name, dictionary.format) == (model, "goodfire")
    assert dictionary.hook_name == f"blocks.{layer}.hook_resid_post"
    assert dictionary.W_dec is not None
    assert dictionary.W_dec.dtype == torch.bfloat16
    assert dictionary.W_dec.shape == (D_SAE, D_IN)


def qwen(randn: Randn) -> dict[str, Tensor]:
    return {
        "W_enc": randn(D_SAE, D_IN),
        "b_enc": randn(D_SAE),
        "W_dec": randn(D_IN, D_SAE),
        "b_dec": randn(D_IN),
    }


QWEN = "Qwen/SAE-Res-Qwen3-1.7B-Base-W32K-L0_50"


def test_qwen_scope(randn: Randn, hub: Write, assert_encodes: Check) -> None:
    w = qwen(randn)
    hub(QWEN, {"layer12.sae.pt": w, "layer13.sae.pt": qwen(randn)})
    dictionary = load_dictionary(f"hf://{QWEN}/layer12.sae.pt")
    x = randn(30, D_IN)
    assert_encodes(dictionary, x, largest(x @ w["W_enc"].T + w["b_enc"], 50))
    assert dictionary.model_name == "Qwen/Qwen3-1.7B-Base"
    assert dictionary.hook_name == "blocks.12.hook_resid_post"


def test_qwen_scope_of_more_winners_than_features(randn: Randn, folder: Write) -> None:
    path = folder({"layer0.sae.pt": qwen(randn)}, at="SAE-Res-Qwen3-8B-Base-W64K-L0_100")
    with pytest.raises(DictionaryError, match="has 64 features, and its folder's name tells k = 1"):
        load_dictionary(path)


def test_qwen_scope_needs_the_repository_s_name_for_k(randn: Randn, folder: Write) -> None:
    path = folder({"layer0.sae.pt": qwen(randn)})
    with pytest.raises(DictionaryError, match=r"does not hold its k; keep it in a folder"):
        load_dictionary(path)


@pytest.mark.parametrize(
    ("repo", "file", "loader", "weights"),
    [
        (
            f"Goodfire/{GOODFIRE[0][0]}",
            f"{GOODFIRE[0][0]}.pth",
            "get_goodfire_huggingface_loader",
            goodfire,
        ),
        (QWEN, "layer12.sae.pt", "qwen_scope_sae_huggingface_loader", qwen),
    ],
    ids=["goodfire", "qwen_scope"],
)
@pytest.mark.filterwarnings("ignore")
def test_goodfire_and_qwen_scope_are_saelens_s(
    repo: str, file: str, loader: str, weights: Callable[[Randn], dict[str, Tensor]],
    sae_lens: ModuleType, randn: Randn, hub: Write, assert_encodes: Check,
) -> None:  # fmt: skip
    hub(repo, {file: weights(randn)})
    x = randn(30, D_IN)
    assert_encodes(
        load_dictionary(f"hf://{repo}/{file}"), x, saelens_s(sae_lens, loader, repo, file, x)
    )


# OpenAI


def openai(randn: Randn, **more: Any) -> dict[str, Any]:
    return {
        "pre_bias": randn(D_IN),
        "latent_bias": randn(D_SAE),
        "encoder.weight": randn(D_SAE, D_IN),
        "decoder.weight": randn(D_IN, D_SAE),
        "stats_last_nonzero": torch.zeros(D_SAE, dtype=torch.long),
        **more,
    }


@pytest.mark.parametrize("topk", [False, True])
def test_openai(topk: bool, randn: Randn, folder: Write, assert_encodes: Check) -> None:
    activation = {"k": K, "postact_fn": "ReLU"}
    more = {"activation": "TopK", "activation_state_dict": activation} if topk else {}
    w = openai(randn, **more)
    at = "resid_post_mlp_v5_32k/autoencoders"
    dictionary = load_dictionary(folder({"6.pt": w, "7.pt": w}, at=at) / "6.pt")
    x = randn(30, D_IN) * 3 + 1
    z = (x - x.mean(1, keepdim=True)) / (x.std(1, keepdim=True) + 1e-5) if topk else x
    pre = (z - w["pre_bias"]) @ w["encoder.weight"].T + w["latent_bias"]
    assert_encodes(dictionary, x, largest(pre, K) if topk else pre.relu())
    assert dictionary.hook_name == "blocks.6.hook_resid_post"
    assert dictionary.model_name == "openai-community/gpt2"
    assert dictionary.W_dec is not None
    assert torch.equal(dictionary.W_dec, w["decoder.weight"].T)


def test_a_tied_openai_decoder_is_its_encoder(randn: Randn, folder: Write) -> None:
    w = openai(randn)
    del w["decoder.weight"]
    dictionary = load_dictionary(folder({"6.pt": w}))
    assert dictionary.W_dec is not None
    assert torch.equal(dictionary.W_dec, w["encoder.weight"])


@pytest.mark.parametrize(
    "activation",
    [
        {"activation": "Identity"},
        {"activation": "TopK", "activation_state_dict": {"k": K, "postact_fn": "Identity"}},
        {"activation": "TopK", "activation_state_dict": {"k": D_SAE + 1, "postact_fn": "ReLU"}},
    ],
)
def test_other_openai_activations_are_refused(
    activation: dict[str, Any], randn: Randn, folder: Write
) -> None:
    path = folder({"6.pt": openai(randn, **activation)})
    with pytest.raises(DictionaryError, match=r"has the activation .*; expected ReLU, or TopK"):
        load_dictionary(path)


# ITDA


def test_itda(randn: Randn, folder: Write, assert_encodes: Check) -> None:
    atoms = torch.nn.functional.normalize(randn(D_SAE, D_IN), dim=1)
    metadata = f"activation_dim: {D_IN}\nk: {K}\nlayer: 8\nlm_name: gpt2\nseq_len: 128\n"
    dictionary = load_dictionary(folder({"atoms.pt": atoms, "metadata.yaml": metadata}))
    x = randn(30, D_IN)
    codes, rest = torch.zeros(30, D_SAE), x.clone()
    for _ in range(K):
        products = rest @ atoms.T
        pick = products.abs().argmax(dim=1)
        value = products[torch.arange(30), pick]
        codes[torch.arange(30), pick] += value
        rest -= value.unsqueeze(1) * atoms[pick]
    assert_encodes(dictionary, x, codes)
    assert dictionary.signed
    assert (dictionary.model_name, dictionary.context_size) == ("gpt2", 128)
    assert dictionary.hook_name == "blocks.8.hook_resid_post"


# Llama Scope and its successors

AVERAGE_NORM = 9.0
SCALE = D_IN**0.5 / AVERAGE_NORM


def openmoss(randn: Randn) -> dict[str, Tensor]:
    return {
        "encoder.weight": randn(D_SAE, D_IN),
        "encoder.bias": randn(D_SAE),
        "decoder.weight": randn(D_IN, D_SAE),
        "decoder.bias": randn(D_IN),
    }


def hyperparams(**settings: Any) -> dict[str, Any]:
    return {
        "hook_point_in": "blocks.15.hook_resid_post",
        "use_decoder_bias": True,
        "apply_decoder_bias_to_pre_encoder": False,
        "d_model": D_IN,
        "d_sae": D_SAE,
        "act_fn": "jumprelu",
        "jump_relu_threshold": 0.6,
        "norm_activation": "dataset-wise",
        "dataset_average_activation_norm": {"in": AVERAGE_NORM, "out": AVERAGE_NORM},
        "sparsity_include_decoder_norm": False,
        "top_k": K,
        **settings,
    }


LLAMA = ("fnlp/Llama3_1-8B-Base-LXR-8x", "Llama3_1-8B-Base-L15R-8x")


def llama_files(w: Mapping[str, Tensor], **settings: Any) -> dict[str, Any]:
    return {"hyperparams.json": hyperparams(**settings), "checkpoints/final.safetensors": w}


@pytest.mark.filterwarnings("ignore")
def test_llama_scope_is_saelens_s(
    sae_lens: ModuleType, randn: Randn, hub: Write, assert_encodes: Check
) -> None:
    repo, path = LLAMA
    hub(repo, {f"{path}/{name}": file for name, file in llama_files(openmoss(randn)).items()})
    x = randn(30, D_IN)
    expected = saelens_s(sae_lens, "llama_scope_sae_huggingface_loader", repo, path, x)
    dictionary = load_dictionary(f"hf://{repo}/{path}")
    assert_encodes(dictionary, x, expected)
    assert dictionary.model_name == "meta-llama/Llama-3.1-8B"
    assert dictionary.hook_name == "blocks.15.hook_resid_post"


def llama_pre(x: Tensor, w: Mapping[str, Tensor]) -> Tensor:
    return x @ w["encoder.weight"].T + w["encoder.bias"]


FirstFormula = Callable[[Tensor, Mapping[str, Tensor]], Tensor]
FIRST: list[tuple[dict[str, Any], FirstFormula]] = [
    ({}, lambda x, w: over(llama_pre(x * SCALE, w), 0.6 * SCALE)),
    ({"act_fn": "topk"}, lambda x, w: over(llama_pre(x * SCALE, w), 0.6 * SCALE)),
    (
        {"act_fn": "topk", "jump_relu_threshold": 0.0},
        lambda x, w: largest(llama_pre(x * SCALE, w), K),
    ),
    ({"act_fn": "relu"}, lambda x, w: llama_pre(x * SCALE, w).relu()),
    (
        {"norm_activation": "token-wise"},
        lambda x, w: over(llama_pre(x * D_IN**0.5 / x.norm(dim=1, keepdim=True), w), 0.6),
    ),
    (
        {"norm_activation": "token-wise", "sparsity_include_decoder_norm": True},
        lambda x, w: over(
            llama_pre(x * D_IN**0.5 / x.norm(dim=1, keepdim=True), w)
            * w["decoder.weight"].norm(dim=0),
            0.6,
        ),
    ),
    (
        {"norm_activation": "inference", "dataset_average_activation_norm": None},
        lambda x, w: over(llama_pre(x, w), 0.6),
    ),
    (
        {"apply_decoder_bias_to_pre_encoder": True},
        lambda x, w: over(llama_pre(x * SCALE - w["decoder.bias"], w), 0.6 * SCALE),
    ),
    (
        {"sparsity_include_decoder_norm": True},
        lambda x, w: over(llama_pre(x * SCALE, w) * w["decoder.weight"].norm(dim=0), 0.6 * SCALE),
    ),
]


@pytest.mark.parametrize(("settings", "formula"), FIRST)
def test_llama_scope(
    settings: dict[str, Any], formula: FirstFormula,
    randn: Randn, folder: Write, assert_encodes: Check,
) -> None:  # fmt: skip
    w = openmoss(randn)
    dictionary = load_dictionary(folder(llama_files(w, **settings)))
    x = randn(30, D_IN)
    assert_encodes(dictionary, x, formula(x, w))


def lm_saes(x: Tensor, w: Mapping[str, Tensor], norm_in: float, norm_out: float) -> Tensor:
    """The authors' loading of a transcoder (lm_saes 4ec6f0aa), step by step."""
    factor_in, factor_out = D_IN**0.5 / norm_in, D_IN**0.5 / norm_out
    bias = w["encoder.bias"] / factor_in
    decoder_norm = (w["decoder.weight"] * factor_in / factor_out).norm(dim=0)
    pre = x @ (w["encoder.weight"] * decoder_norm.unsqueeze(1)).T + bias * decoder_norm
    return over(pre, 0.6)


def test_llama_scope_s_codes_are_the_authors_in_the_scale_of_the_weights(
    randn: Randn, folder: Write, assert_encodes: Check
) -> None:
    w = openmoss(randn)
    norms = {"in": AVERAGE_NORM, "out": 2.0}
    settings = {"dataset_average_activation_norm": norms, "sparsity_include_decoder_norm": True}
    dictionary = load_dictionary(folder(llama_files(w, **settings)))
    x = randn(30, D_IN) * 3
    assert_encodes(dictionary, x, lm_saes(x, w, AVERAGE_NORM, 2.0) * SCALE)


def successor_config(**settings: Any) -> dict[str, Any]:
    return {
        "sae_type": "sae",
        "hook_point_in": "blocks.15.hook_resid_post",
        "d_model": D_IN,
        "expansion_factor": D_SAE / D_IN,
        "act_fn": "jumprelu",
        "norm_activation": "dataset-wise",
        "sparsity_include_decoder_norm": True,
        "top_k": K,
        **settings,
    }


def successor(randn: Randn, generation: str) -> dict[str, Tensor]:
    norm = {"dataset_average_activation_norm.blocks.15.hook_resid_post": torch.tensor(AVERAGE_NORM)}
    threshold = randn(D_SAE)
    if generation == "linear":
        return {**openmoss(randn), "log_jumprelu_threshold": threshold, **norm}
    return {
        "W_E": randn(D_IN, D_SAE),
        "b_E": randn(D_SAE),
        "W_D": randn(D_SAE, D_IN),
        "b_D": randn(D_IN),
        "activation_function.log_jumprelu_threshold": threshold,
        **norm,
    }


@pytest.mark.parametrize("generation", ["linear", "matrix"])
@pytest.mark.parametrize("include_norm", [False, True])
@pytest.mark.parametrize("act_fn", ["jumprelu", "topk", "relu"])
def test_successors_of_llama_scope(
    generation: str, include_norm: bool, act_fn: str,
    randn: Randn, folder: Write, assert_encodes: Check,
) -> None:  # fmt: skip
    w = successor(randn, generation)
    config = successor_config(act_fn=act_fn, sparsity_include_decoder_norm=include_norm)
    dictionary = load_dictionary(folder({"config.json": config, "sae_weights.safetensors": w}))
    W_enc = w["W_E"] if generation == "matrix" else w["encoder.weight"].T
    b_enc = w["b_E"] if generation == "matrix" else w["encoder.bias"]
    W_dec = w["W_D"] if generation == "matrix" else w["decoder.weight"].T
    threshold = next(w[name] for name in w if name.endswith("log_jumprelu_threshold")).exp()
    norm = W_dec.norm(dim=1) if include_norm else torch.ones(D_SAE)
    x = randn(30, D_IN) * 3
    pre = (x * SCALE @ W_enc + b_enc) * norm
    acts = {"jumprelu": over(pre, threshold), "topk": largest(pre, K), "relu": pre.relu()}
    assert_encodes(dictionary, x, acts[act_fn] / norm)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sae_type": "clt"}, "sae_type is clt; only sae can be encoded"),
        ({"use_glu_encoder": True}, "GLU encoders are not supported"),
        ({"act_fn": "batchtopk"}, "act_fn is batchtopk; expected relu, jumprelu, topk"),
        ({"norm_activation": "batch-wise"}, "so that a code depends on its batch"),
        ({"expansion_factor": 2}, r"W_E of shape \(16, 64\); expected \(16, 32\)"),
        ({"hook_point_in": "blocks.1.hook_resid_post"}, "no dataset_average_activation_norm"),
        ({"act_fn": "topk", "top_k": 0}, "top_k is 0; expected 1 to"),
    ],
)
def test_successors_that_cannot_be_encoded_are_refused(
    settings: dict[str, Any], message: str, randn: Randn, folder: Write
) -> None:
    files = {
        "config.json": successor_config(**settings),
        "sae_weights.safetensors": successor(randn, "matrix"),
    }
    with pytest.raises(DictionaryError, match=re.compile(message)):
        load_dictionary(folder(files))
