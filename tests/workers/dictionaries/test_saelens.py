"""SAELens folders against formulas written out here, and against SAELens where it is installed."""

import json
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

D_IN, D_SAE, D_OUT, K = 12, 64, 10, 5
N_TOKENS = 40

Randn = Callable[..., Tensor]
Write = Callable[..., Path]
Check = Callable[[LoadedDictionary, Tensor, Tensor], None]
Weights = Mapping[str, Tensor]


def weights(randn: Randn, *names: str) -> dict[str, Tensor]:
    d_out = D_OUT if "transcoder" in names else D_IN
    drawn = {
        "W_enc": randn(D_IN, D_SAE),
        "b_enc": randn(D_SAE),
        "W_dec": randn(D_SAE, d_out),
        "b_dec": randn(d_out),
        "threshold": randn(D_SAE).abs(),
        "log_threshold": randn(D_SAE),
        "topk_threshold": torch.tensor(1.5, dtype=torch.float64),
        "b_gate": randn(D_SAE),
        "b_mag": randn(D_SAE),
        "r_mag": randn(D_SAE) / 4,
        "W_skip": randn(D_OUT, D_IN),
    }
    return {name: drawn[name] for name in names if name in drawn}


def config(architecture: str, **settings: Any) -> dict[str, Any]:
    metadata = {
        "sae_lens_version": "6.0.0",
        "model_name": "gpt2",
        "hook_name": "blocks.3.hook_resid_post",
        "hook_head_index": None,
        "prepend_bos": True,
        "context_size": 128,
        **settings.pop("metadata", {}),
    }
    return {
        "architecture": architecture,
        "d_in": D_IN,
        "d_sae": D_SAE,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": metadata,
        **settings,
    }


def largest(pre: Tensor, k: int) -> Tensor:
    """1 at each row's k largest entries."""
    return torch.zeros_like(pre).scatter(1, pre.topk(k, dim=1).indices, 1)


def pre(x: Tensor, w: Weights) -> Tensor:
    return (x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]


def jumped(p: Tensor, threshold: Tensor) -> Tensor:
    return p.relu() * (p > threshold)


def gated(x: Tensor, w: Weights) -> Tensor:
    z = x - w["b_dec"]
    gate = z @ w["W_enc"] + w["b_gate"] > 0
    return gate * (z @ (w["W_enc"] * w["r_mag"].exp()) + w["b_mag"]).relu()


def transcoded(x: Tensor, w: Weights) -> Tensor:
    return x @ w["W_enc"] + w["b_enc"]


SAE = ("W_enc", "b_enc", "W_dec", "b_dec")
TRANSCODER = ("transcoder", *SAE)
NO_SUBTRACTION = {"apply_b_dec_to_input": False, "d_out": D_OUT}
K_SETTING = {"k": K, "rescale_acts_by_decoder_norm": False}

# Architecture, tensors, settings, formula.
ARCHITECTURES: list[
    tuple[str, tuple[str, ...], dict[str, Any], Callable[[Tensor, Weights], Tensor]]
]
ARCHITECTURES = [
    ("standard", SAE, {}, lambda x, w: pre(x, w).relu()),
    (
        "standard",
        SAE,
        {"apply_b_dec_to_input": False},
        lambda x, w: (x @ w["W_enc"] + w["b_enc"]).relu(),
    ),
    ("gated", ("W_enc", "b_gate", "b_mag", "r_mag", "W_dec", "b_dec"), {}, gated),
    ("jumprelu", (*SAE, "threshold"), {}, lambda x, w: jumped(pre(x, w), w["threshold"])),
    ("topk", SAE, K_SETTING, lambda x, w: pre(x, w).relu() * largest(pre(x, w), K)),
    (
        "topk",
        SAE,
        {"k": K, "rescale_acts_by_decoder_norm": True},
        lambda x, w: (
            (pre(x, w) * w["W_dec"].norm(dim=1)).relu()
            * largest(pre(x, w) * w["W_dec"].norm(dim=1), K)
        ),
    ),
    ("abstopk", SAE, K_SETTING, lambda x, w: pre(x, w) * largest(pre(x, w).abs(), K)),
    ("transcoder", TRANSCODER, NO_SUBTRACTION, lambda x, w: transcoded(x, w).relu()),
    (
        "skip_transcoder",
        (*TRANSCODER, "W_skip"),
        NO_SUBTRACTION,
        lambda x, w: transcoded(x, w).relu(),
    ),
    (
        "jumprelu_transcoder",
        (*TRANSCODER, "threshold"),
        NO_SUBTRACTION,
        lambda x, w: jumped(transcoded(x, w), w["threshold"]),
    ),
    (
        "jumprelu_skip_transcoder",
        (*TRANSCODER, "threshold", "W_skip"),
        NO_SUBTRACTION,
        lambda x, w: jumped(transcoded(x, w), w["threshold"]),
    ),
]
every_architecture = pytest.mark.parametrize(
    ("architecture", "names", "settings", "formula"),
    ARCHITECTURES,
    ids=[f"{row[0]}-{index}" for index, row in enumerate(ARCHITECTURES)],
)


def normalized(x: Tensor, kind: str) -> Tensor:
    if kind == "layer_norm":
        centered = x - x.mean(dim=1, keepdim=True)
        return centered / (centered.std(dim=1, keepdim=True) + 1e-5)
    if kind == "constant_norm_rescale":
        scaled: Tensor = x * D_IN**0.5 / x.norm(dim=1, keepdim=True)
        return scaled
    return x


def reference(sae_lens: ModuleType, folder: Path) -> Any:
    return sae_lens.SAE.load_from_disk(folder, device="cpu", dtype="float32")


@every_architecture
@pytest.mark.parametrize("kind", ["none", "layer_norm", "constant_norm_rescale"])
def test_codes_are_the_formula_s(
    architecture: str, names: tuple[str, ...], settings: dict[str, Any],
    formula: Callable[[Tensor, Weights], Tensor], kind: str,
    randn: Randn, folder: Write, assert_encodes: Check,
) -> None:  # fmt: skip
    w = weights(randn, *names)
    settings = {**settings, "normalize_activations": kind}
    path = folder({"cfg.json": config(architecture, **settings), "sae_weights.safetensors": w})
    dictionary = load_dictionary(path)
    x = randn(N_TOKENS, D_IN)
    assert_encodes(dictionary, x, formula(normalized(x, kind), w))
    assert dictionary.signed == (architecture == "abstopk")
    assert dictionary.W_dec is not None
    assert dictionary.W_dec.shape == w["W_dec"].shape


@every_architecture
@pytest.mark.parametrize("kind", ["none", "layer_norm", "constant_norm_rescale"])
@pytest.mark.filterwarnings("ignore")
def test_codes_are_saelens_s(
    architecture: str, names: tuple[str, ...], settings: dict[str, Any], formula: object, kind: str,
    sae_lens: ModuleType, randn: Randn, folder: Write, assert_encodes: Check,
) -> None:  # fmt: skip
    w = weights(randn, *names)
    settings = {**settings, "normalize_activations": kind}
    path = folder({"cfg.json": config(architecture, **settings), "sae_weights.safetensors": w})
    x = randn(N_TOKENS, D_IN)
    with torch.no_grad():
        expected = reference(sae_lens, path).encode(x)
    assert_encodes(load_dictionary(path), x, expected)


PURSUITS = [
    {},
    {"residual_threshold": 1.5, "max_iterations": None, "stop_on_duplicate_support": False},
    {"residual_threshold": 0.0, "max_iterations": 6, "stop_on_duplicate_support": True},
]


@pytest.mark.parametrize("settings", PURSUITS)
@pytest.mark.filterwarnings("ignore")
def test_matching_pursuit_is_saelens_s(
    settings: dict[str, Any],
    sae_lens: ModuleType, randn: Randn, folder: Write, assert_encodes: Check,
) -> None:  # fmt: skip
    w = weights(randn, "W_dec", "b_dec")
    w["W_dec"] = torch.nn.functional.normalize(w["W_dec"], dim=1)
    path = folder({
        "cfg.json": config("matching_pursuit", **settings), "sae_weights.safetensors": w,
    })  # fmt: skip
    x = randn(N_TOKENS, D_IN)
    with torch.no_grad():
        expected = reference(sae_lens, path).encode(x)
    assert_encodes(load_dictionary(path), x, expected)


def test_matching_pursuit_subtracts_b_dec_and_has_saelens_s_defaults(
    randn: Randn, folder: Write, assert_encodes: Check
) -> None:
    w = {"W_dec": torch.eye(D_IN), "b_dec": randn(D_IN)}
    settings = {"d_sae": D_IN}
    path = folder({
        "cfg.json": config("matching_pursuit", **settings), "sae_weights.safetensors": w,
    })  # fmt: skip
    x = randn(N_TOKENS, D_IN)
    # Over an orthonormal dictionary the codes are the positive coordinates.
    assert_encodes(load_dictionary(path), x, (x - w["b_dec"]).relu())


@pytest.mark.parametrize("architecture", ["batchtopk", "matryoshka_batchtopk"])
@pytest.mark.parametrize("rescale", [False, True])
def test_a_batchtopk_checkpoint_encodes_with_its_one_threshold(
    architecture: str, rescale: bool, randn: Randn, folder: Write, assert_encodes: Check
) -> None:
    w = weights(randn, *SAE, "topk_threshold")
    settings = {"k": 5.5, "rescale_acts_by_decoder_norm": rescale}
    path = folder({"cfg.json": config(architecture, **settings), "sae_weights.safetensors": w})
    x = randn(N_TOKENS, D_IN)
    norm = w["W_dec"].norm(dim=1) if rescale else torch.ones(D_SAE)
    dictionary = load_dictionary(path)
    assert_encodes(dictionary, x, jumped(pre(x, w) * norm, w["topk_threshold"].float()))
    assert dictionary.W_dec is not None
    torch.testing.assert_close(dictionary.W_dec, w["W_dec"] / norm.unsqueeze(1))


@pytest.mark.parametrize("name", ["BatchTopK", "MatryoshkaBatchTopK"])
@pytest.mark.filterwarnings("ignore")
def test_a_batchtopk_checkpoint_encodes_as_what_saelens_saves_from_it(
    name: str, sae_lens: ModuleType, tmp_path: Path, randn: Randn, assert_encodes: Check
) -> None:
    more = {"matryoshka_widths": [16, D_SAE]} if name.startswith("Matryoshka") else {}
    settings = getattr(sae_lens, f"{name}TrainingSAEConfig")(
        d_in=D_IN, d_sae=D_SAE, k=K, rescale_acts_by_decoder_norm=True, **more
    )
    training = getattr(sae_lens, f"{name}TrainingSAE")(settings)
    with torch.no_grad():
        for parameter in training.parameters():
            parameter.copy_(randn(*parameter.shape))
        training.topk_threshold.fill_(1.25)
    training.save_model(tmp_path / "checkpoint")
    training.save_inference_model(tmp_path / "inference")
    x = randn(N_TOKENS, D_IN)
    with torch.no_grad():
        expected = reference(sae_lens, tmp_path / "inference").encode(x)
    assert_encodes(load_dictionary(tmp_path / "checkpoint"), x, expected)
    assert_encodes(load_dictionary(tmp_path / "inference"), x, expected)


def test_log_thresholds_of_older_checkpoints(
    randn: Randn, folder: Write, assert_encodes: Check
) -> None:
    w = weights(randn, *SAE, "log_threshold")
    path = folder({"cfg.json": config("jumprelu"), "sae_weights.safetensors": w})
    x = randn(N_TOKENS, D_IN)
    assert_encodes(load_dictionary(path), x, jumped(pre(x, w), w["log_threshold"].exp()))


OLD: list[dict[str, Any]] = [
    {},
    {"activation_fn_str": "topk", "activation_fn_kwargs": {"k": K}},
    {"activation_fn": "topk", "activation_fn_kwargs": {"k": K}, "hook_point_head_index": None},
    {"normalize_activations": False, "apply_b_dec_to_input": False},
]


def old_folder(
    settings: dict[str, Any], hook_key: str, randn: Randn, folder: Write
) -> tuple[Path, Weights]:
    """A folder as versions before 6 saved it, and its weights."""
    w = {**weights(randn, *SAE), "scaling_factor": torch.ones(D_SAE)}
    old = {
        "model_name": "gpt2-small",
        hook_key: "blocks.8.hook_resid_pre",
        "hook_point_layer": 8,
        "d_in": D_IN,
        "d_sae": D_SAE,
        "dtype": "float32",
        "device": "cpu",
        "context_size": 128,
        **settings,
    }
    return folder({"cfg.json": old, "sae_weights.safetensors": w}), w


@pytest.mark.parametrize("settings", OLD)
@pytest.mark.parametrize("hook_key", ["hook_point", "hook_name"])
def test_flat_configurations_from_before_version_6(
    settings: dict[str, Any], hook_key: str, randn: Randn, folder: Write, assert_encodes: Check
) -> None:
    path, w = old_folder(settings, hook_key, randn, folder)
    dictionary = load_dictionary(path)
    is_topk = "activation_fn_kwargs" in settings
    x = randn(N_TOKENS, D_IN)
    p = pre(x if settings.get("apply_b_dec_to_input", True) else x + w["b_dec"], w)
    assert_encodes(dictionary, x, p.relu() * largest(p, K) if is_topk else p.relu())
    assert dictionary.architecture == ("topk" if is_topk else "standard")
    assert dictionary.hook_name == "blocks.8.hook_resid_pre"
    assert (dictionary.model_name, dictionary.context_size) == ("gpt2-small", 128)
    assert dictionary.prepend_bos is True


@pytest.mark.parametrize("settings", OLD)
@pytest.mark.filterwarnings("ignore")
def test_flat_configurations_encode_as_in_saelens(
    settings: dict[str, Any],
    sae_lens: ModuleType, randn: Randn, folder: Write, assert_encodes: Check,
) -> None:  # fmt: skip
    path, _ = old_folder(settings, "hook_point", randn, folder)
    x = randn(N_TOKENS, D_IN)
    with torch.no_grad():
        expected = reference(sae_lens, path).encode(x)
    assert_encodes(load_dictionary(path), x, expected)


def test_a_flat_configuration_with_a_scaling_of_unknown_size_is_refused(
    randn: Randn, folder: Write
) -> None:
    path, _ = old_folder({"normalize_activations": True}, "hook_point", randn, folder)
    with pytest.raises(DictionaryError, match="normalize_activations is expected_average_only_in"):
        load_dictionary(path)


def test_metadata_is_read(randn: Randn, folder: Write) -> None:
    path = folder({
        "cfg.json": config("standard"), "sae_weights.safetensors": weights(randn, *SAE),
    })  # fmt: skip
    dictionary = load_dictionary(path)
    assert (dictionary.architecture, dictionary.format) == ("standard", "saelens")
    assert (dictionary.d_in, dictionary.d_sae) == (D_IN, D_SAE)
    assert dictionary.hook_name == "blocks.3.hook_resid_post"
    assert dictionary.model_name == "gpt2"
    assert dictionary.context_size == 128
    assert dictionary.prepend_bos is True


CENTERED = {"model_from_pretrained_kwargs": {"center_writing_weights": True}}


@pytest.mark.parametrize(
    ("metadata", "centers"),
    [
        (CENTERED, True),
        ({**CENTERED, "hook_name": "blocks.3.hook_mlp_out"}, True),
        ({**CENTERED, "hook_name": "blocks.3.attn.hook_z"}, False),
        ({"model_from_pretrained_kwargs": {"center_writing_weights": False}}, False),
        ({"model_from_pretrained_kwargs": None}, False),
    ],
)
def test_dictionaries_of_centered_models_center_their_input(
    metadata: dict[str, Any], centers: bool, randn: Randn, folder: Write, assert_encodes: Check
) -> None:
    w = weights(randn, *SAE)
    path = folder({
        "cfg.json": config("standard", metadata=metadata), "sae_weights.safetensors": w,
    })  # fmt: skip
    x = randn(N_TOKENS, D_IN) + 1
    read = x - x.mean(dim=1, keepdim=True) if centers else x
    assert_encodes(load_dictionary(path), x, pre(read, w).relu())


def test_a_training_run_s_scaling_is_applied(
    randn: Randn, folder: Write, assert_encodes: Check
) -> None:
    w = weights(randn, *SAE)
    path = folder({
        "cfg.json": config("standard", normalize_activations="expected_average_only_in"),
        "sae_weights.safetensors": w,
        "activation_scaler.json": {"scaling_factor": 0.25, "has_whitening": False},
    })  # fmt: skip
    x = randn(N_TOKENS, D_IN)
    assert_encodes(load_dictionary(path), x, pre(x * 0.25, w).relu())


def test_a_training_run_s_whitening_is_applied(
    randn: Randn, folder: Write, assert_encodes: Check
) -> None:
    w = weights(randn, *SAE)
    whitening = {"mean": randn(D_IN).double(), "matrix": randn(D_IN, D_IN).double()}
    path = folder({
        "cfg.json": config("standard", normalize_activations="covariance_whitening"),
        "sae_weights.safetensors": w,
        "activation_scaler.json": {"scaling_factor": None, "has_whitening": True},
        "activation_whitening.safetensors": whitening,
    })  # fmt: skip
    x = randn(N_TOKENS, D_IN)
    whitened = ((x.double() - whitening["mean"]) @ whitening["matrix"]).float()
    assert_encodes(load_dictionary(path), x, pre(whitened, w).relu())


@pytest.mark.parametrize("kind", ["expected_average_only_in", "covariance_whitening"])
def test_a_scaling_of_unknown_size_is_refused(kind: str, randn: Randn, folder: Write) -> None:
    path = folder({
        "cfg.json": config("standard", normalize_activations=kind),
        "sae_weights.safetensors": weights(randn, *SAE),
    })  # fmt: skip
    with pytest.raises(DictionaryError, match=f"{kind}.*activation_scaler.json.*save_inference"):
        load_dictionary(path)


def test_half_precision_weights_are_computed_in_float32(
    randn: Randn, folder: Write, assert_encodes: Check
) -> None:
    half = {name: tensor.half() for name, tensor in weights(randn, *SAE).items()}
    settings = {**K_SETTING, "dtype": "float16"}
    path = folder({"cfg.json": config("topk", **settings), "sae_weights.safetensors": half})
    dictionary = load_dictionary(path)
    assert dictionary.dtype == torch.float32
    w = {name: tensor.float() for name, tensor in half.items()}
    x = randn(N_TOKENS, D_IN)
    assert_encodes(dictionary, x, pre(x, w).relu() * largest(pre(x, w), K))


WRONG: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (r"sae_weights.safetensors has no b_enc; found W_dec, W_enc, b_dec", {}, {"b_enc": None}),
    (r"W_dec of shape \(64, 11\); expected \(64, 12\)", {}, {"W_dec": torch.ones(64, 11)}),
    (r"b_dec of shape \(12,\); expected \(13,\)", {"d_in": 13}, {}),
    ("values in b_enc that are not finite", {}, {"b_enc": torch.full((D_SAE,), torch.nan)}),
    ("cfg.json: k is missing; found .*d_in", {"k": None}, {}),
    ("k is 65; expected 1 to d_sae = 64", {"k": D_SAE + 1}, {}),
    ("k is True; expected a whole number", {"k": True}, {}),
    ("a temporal dictionary encodes a token from", {"architecture": "temporal"}, {}),
    ("'quantum' is not known; known are standard, gated", {"architecture": "quantum"}, {}),
    ("'sometimes', which is not known", {"normalize_activations": "sometimes"}, {}),
]


@pytest.mark.parametrize(("message", "settings", "tensors"), WRONG)
def test_what_is_wrong_is_named(
    message: str, settings: dict[str, Any], tensors: dict[str, Any], randn: Randn, folder: Write
) -> None:
    cfg = config("topk", **K_SETTING) | settings
    w = {**weights(randn, *SAE), **tensors}
    stored = {name: tensor for name, tensor in w.items() if tensor is not None}
    path = folder({"cfg.json": cfg, "sae_weights.safetensors": stored})
    with pytest.raises(DictionaryError, match=message) as caught:
        load_dictionary(path)
    assert caught.value.data["path"].startswith(str(path))


REAL = ["minilm-l4-4096", "stories260k-l3-1024"]


@pytest.mark.parametrize("name", REAL)
def test_real_dictionaries(
    name: str, real_dictionaries: Path, randn: Randn, assert_encodes: Check
) -> None:
    dictionary = load_dictionary(real_dictionaries / name)
    cfg = json.loads((real_dictionaries / name / "cfg.json").read_text())
    assert (dictionary.d_in, dictionary.d_sae) == (cfg["d_in"], cfg["d_sae"])
    assert dictionary.hook_name == cfg["metadata"]["hook_name"]
    assert dictionary.prepend_bos == cfg["metadata"]["prepend_bos"]
    x = randn(60, dictionary.d_in)
    codes = dictionary.encode(x)
    assert codes.nnz == 60 * cfg["k"]
    assert_encodes(dictionary, x, dictionary.encode_dense(x))


@pytest.mark.parametrize("name", REAL)
@pytest.mark.filterwarnings("ignore")
def test_real_dictionaries_encode_as_saelens_does(
    name: str, real_dictionaries: Path, sae_lens: ModuleType, randn: Randn, assert_encodes: Check
) -> None:
    path = real_dictionaries / name
    dictionary = load_dictionary(path)
    x = randn(60, dictionary.d_in)
    with torch.no_grad():
        expected = reference(sae_lens, path).encode(x)
    assert_encodes(dictionary, x, expected)
