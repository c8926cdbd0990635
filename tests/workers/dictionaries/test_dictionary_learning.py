"""dictionary_learning folders against formulas written out here, and against the library."""

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

D_IN, D_SAE, K = 12, 48, 6

Randn = Callable[..., Tensor]
Write = Callable[..., Path]
Check = Callable[[LoadedDictionary, Tensor, Tensor], None]
Weights = Mapping[str, Tensor]


def config(name: str, **settings: Any) -> dict[str, Any]:
    trainer = {
        "dict_class": name,
        "activation_dim": D_IN,
        "dict_size": D_SAE,
        "k": K,
        "layer": 8,
        "lm_name": "EleutherAI/pythia-70m",
        "submodule_name": "resid_post_layer_8",
        **settings,
    }
    return {"trainer": trainer, "buffer": {"ctx_len": 128}}


def linear(randn: Randn) -> dict[str, Tensor]:
    return {"encoder.weight": randn(D_SAE, D_IN), "decoder.weight": randn(D_IN, D_SAE)}


def matrices(randn: Randn) -> dict[str, Tensor]:
    return {
        "W_enc": randn(D_IN, D_SAE),
        "b_enc": randn(D_SAE),
        "W_dec": randn(D_SAE, D_IN),
        "b_dec": randn(D_IN),
    }


def weights(randn: Randn, name: str) -> dict[str, Tensor]:
    bias = {"encoder.bias": randn(D_SAE)}
    scalar_threshold = {"k": torch.tensor(K, dtype=torch.int), "threshold": torch.tensor(1.25)}
    match name:
        case "AutoEncoder":
            return {**linear(randn), **bias, "bias": randn(D_IN)}
        case "AutoEncoderNew":
            return {**linear(randn), **bias, "decoder.bias": randn(D_IN)}
        case "GatedAutoEncoder":
            vectors = {key: randn(D_SAE) for key in ("r_mag", "gate_bias", "mag_bias")}
            return {**linear(randn), **vectors, "decoder_bias": randn(D_IN)}
        case "JumpReluAutoEncoder":
            return {**matrices(randn), "threshold": randn(D_SAE).abs()}
        case "MatryoshkaBatchTopKSAE":
            return {**matrices(randn), **scalar_threshold, "group_sizes": torch.tensor([16, 32])}
        case _:
            return {**linear(randn), **bias, **scalar_threshold, "b_dec": randn(D_IN)}


def pre(x: Tensor, w: Weights) -> Tensor:
    return x @ w["encoder.weight"].T + w["encoder.bias"]


def top_k(x: Tensor, w: Weights) -> Tensor:
    acts = pre(x - w["b_dec"], w).relu()
    return acts * torch.zeros_like(acts).scatter(1, acts.topk(K, dim=1).indices, 1)


def gated(x: Tensor, w: Weights) -> Tensor:
    product = (x - w["decoder_bias"]) @ w["encoder.weight"].T
    magnitude = w["r_mag"].exp() * product + w["mag_bias"]
    return (product + w["gate_bias"] > 0) * magnitude.relu()


def over(acts: Tensor, threshold: Tensor) -> Tensor:
    return acts.relu() * (acts > threshold)


FORMULAS: dict[str, Callable[[Tensor, Weights], Tensor]] = {
    # from_pretrained gives the decoder norm 1, which scales the codes.
    "AutoEncoder": lambda x, w: pre(x - w["bias"], w).relu() * w["decoder.weight"].norm(dim=0),
    "AutoEncoderNew": lambda x, w: pre(x, w).relu(),
    "GatedAutoEncoder": gated,
    "JumpReluAutoEncoder": lambda x, w: over(x @ w["W_enc"] + w["b_enc"], w["threshold"]),
    "AutoEncoderTopK": top_k,
    "BatchTopKSAE": lambda x, w: over(pre(x - w["b_dec"], w), w["threshold"]),
    "MatryoshkaBatchTopKSAE": lambda x, w: over(
        (x - w["b_dec"]) @ w["W_enc"] + w["b_enc"], w["threshold"]
    ),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_codes_are_the_formula_s(
    name: str, randn: Randn, folder: Write, assert_encodes: Check
) -> None:
    w = weights(randn, name)
    dictionary = load_dictionary(folder({"ae.pt": w, "config.json": config(name)}))
    x = randn(30, D_IN)
    assert_encodes(dictionary, x, FORMULAS[name](x, w))
    assert (dictionary.architecture, dictionary.d_sae) == (name, D_SAE)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.filterwarnings("ignore")
def test_codes_are_the_library_s(
    name: str, dictionary_learning: ModuleType, randn: Randn, folder: Write, assert_encodes: Check
) -> None:
    path = folder({"ae.pt": weights(randn, name), "config.json": config(name)})
    theirs, _ = dictionary_learning.load_dictionary(str(path), device="cpu")
    x = randn(30, D_IN)
    with torch.no_grad():
        expected = theirs.encode(x)
    assert_encodes(load_dictionary(path), x, expected)


def test_an_unset_threshold_lets_every_positive_code_pass(
    randn: Randn, folder: Write, assert_encodes: Check
) -> None:
    w = {**weights(randn, "BatchTopKSAE"), "threshold": torch.tensor(-1.0)}
    x = randn(30, D_IN)
    path = folder({"ae.pt": w, "config.json": config("BatchTopKSAE")})
    assert_encodes(load_dictionary(path), x, pre(x - w["b_dec"], w).relu())


def test_a_decoder_of_norm_1_is_left_as_it_is(
    randn: Randn, folder: Write, assert_encodes: Check
) -> None:
    w = weights(randn, "AutoEncoder")
    w["decoder.weight"] = torch.nn.functional.normalize(w["decoder.weight"], dim=0)
    dictionary = load_dictionary(folder({"ae.pt": w, "config.json": config("AutoEncoder")}))
    x = randn(30, D_IN)
    assert_encodes(dictionary, x, pre(x - w["bias"], w).relu())
    assert dictionary.W_dec is not None
    assert torch.equal(dictionary.W_dec, w["decoder.weight"].T)


UNMISTAKABLE = sorted(set(FORMULAS) - {"AutoEncoderTopK", "BatchTopKSAE"})


@pytest.mark.parametrize("name", UNMISTAKABLE)
def test_without_a_configuration_the_tensors_tell_the_class(
    name: str, randn: Randn, folder: Write, assert_encodes: Check
) -> None:
    w = weights(randn, name)
    dictionary = load_dictionary(folder({"ae.pt": w}))
    x = randn(30, D_IN)
    assert_encodes(dictionary, x, FORMULAS[name](x, w))
    assert (dictionary.architecture, dictionary.hook_name) == (name, None)


def test_without_a_configuration_a_top_k_class_cannot_be_told(randn: Randn, folder: Write) -> None:
    path = folder({"ae.pt": weights(randn, "BatchTopKSAE")})
    with pytest.raises(DictionaryError, match=r"no config.json beside it to say which"):
        load_dictionary(path)


def test_a_bare_linear_checkpoint_of_any_name_is_read(
    randn: Randn, folder: Write, assert_encodes: Check
) -> None:
    w = weights(randn, "AutoEncoderNew")
    path = folder({"sae-l19.pt": w, "notes.json": {}}) / "sae-l19.pt"
    x = randn(30, D_IN)
    assert_encodes(load_dictionary(path), x, pre(x, w).relu())


@pytest.mark.parametrize(
    ("settings", "hook_name"),
    [
        ({}, "blocks.8.hook_resid_post"),
        ({"submodule_name": "mlp_out_layer_3"}, "blocks.3.hook_mlp_out"),
        ({"submodule_name": "attention_out_layer_3"}, "blocks.3.hook_attn_out"),
        ({"submodule_name": "gpt_neox.layers.3.mlp"}, "gpt_neox.layers.3.mlp"),
        ({"submodule_name": None}, "blocks.8.hook_resid_post"),
        ({"submodule_name": None, "layer": None}, None),
    ],
)
def test_hook_names(
    settings: dict[str, Any], hook_name: str | None, randn: Randn, folder: Write
) -> None:
    name = "AutoEncoderNew"
    files = {"ae.pt": weights(randn, name), "config.json": config(name, **settings)}
    dictionary = load_dictionary(folder(files))
    assert dictionary.hook_name == hook_name
    assert dictionary.model_name == "EleutherAI/pythia-70m"
    assert dictionary.context_size == 128


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dict_class": "IdentityDict"}, "IdentityDict is not known; known are AutoEncoder"),
        ({"k": 7}, "k is 7, and 6 in .*ae.pt; correct one"),
        ({"dict_size": 50}, r"encoder.weight of shape \(48, 12\); expected \(50, 12\)"),
    ],
)
def test_what_is_wrong_is_named(
    settings: dict[str, Any], message: str, randn: Randn, folder: Write
) -> None:
    name = "AutoEncoderTopK"
    files = {"ae.pt": weights(randn, name), "config.json": config(name, **settings)}
    with pytest.raises(DictionaryError, match=message):
        load_dictionary(folder(files))
