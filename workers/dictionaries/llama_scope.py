"""OpenMOSS folders: Llama Scope (`hyperparams.json`), and its successors (`config.json`).

- Llama Scope: `hyperparams.json` and `checkpoints/final.safetensors`. Weights act on activations
  of average norm √d_model; the one threshold was measured after the activations' own scale had
  been restored, and is brought to the weights' (as SAELens and Neuronpedia do, whose values
  these are: the authors' `lm_saes` gives them divided by √d_model / average norm).
- Successors (Llama Scope R1 Distill, llamascopium): `config.json` and `sae_weights.safetensors`
  with a threshold for each feature, in the weights' scale.
"""

import re
from collections.abc import Callable

import torch
from torch import Tensor

from saelake.workers.dictionaries.base import LoadedDictionary
from saelake.workers.dictionaries.config import Config
from saelake.workers.dictionaries.encoders import LinearEncoder
from saelake.workers.dictionaries.format import Format
from saelake.workers.dictionaries.inputs import FixedNorm, InputStep, Scale, Subtract
from saelake.workers.dictionaries.nonlinearities import (
    JumpReLU,
    Nonlinearity,
    ReLU,
    Rescaled,
    TopK,
)
from saelake.workers.dictionaries.source import DictionaryFiles
from saelake.workers.dictionaries.tensors import Tensors

_FIRST_CONFIG = "hyperparams.json"
_FIRST_WEIGHTS = "checkpoints/final.safetensors"
_CONFIG = "config.json"
_WEIGHTS = "sae_weights.safetensors"


def read(source: DictionaryFiles) -> LoadedDictionary:
    """The dictionary in an OpenMOSS folder of either generation.

    Raises:
        DictionaryError: a file, key or tensor is missing or wrong, or the dictionary is of a
            kind that cannot be encoded here (GLU encoder, batch-wise norm, cross-layer, …).
    """
    first = source.has(_FIRST_CONFIG)
    config = Config.read(source.path(_FIRST_CONFIG if first else _CONFIG))
    tensors = Tensors.read(source.path(_FIRST_WEIGHTS if first else _WEIGHTS))
    if config.flag("use_glu_encoder", default=False):
        raise config.refuse("use_glu_encoder is true, and GLU encoders are not supported")
    encoder, W_dec = _first(config, tensors) if first else _successor(config, tensors)
    return LoadedDictionary(
        architecture=config.text("act_fn"),
        format=FORMAT.name,
        encoder=encoder,
        W_dec=W_dec,
        hook_name=config.text_or_none("hook_point_in"),
        model_name=_model_name(source),
    )


_Built = tuple[LinearEncoder, Tensor]


def _first(config: Config, tensors: Tensors) -> _Built:
    """`SparseAutoEncoder.from_config` of lm_saes 4ec6f0aa, in the scale of the weights."""
    d_in = config.integer("d_model")
    W_enc = tensors.take("encoder.weight", config.integer_or_none("d_sae"), d_in).T
    b_enc = tensors.take("encoder.bias", W_enc.shape[1])
    W_dec = tensors.stored("decoder.weight", None, W_enc.shape[1]).T
    norms = config.section("dataset_average_activation_norm")
    inputs, scale = _scaling(config, lambda: norms.number("in"))
    # What is stored in the output's scale is brought to the input's: they differ in a transcoder.
    to_input = norms.number("out") / norms.number("in") if _is_scaled(config) else 1.0
    if config.flag("sparsity_include_decoder_norm", default=True):
        norm = W_dec.float().norm(dim=1) * to_input
        W_enc, b_enc = W_enc * norm, b_enc * norm
    if _subtracts(config):
        inputs = (*inputs, Subtract(offset=tensors.take("decoder.bias", d_in) * to_input))
    nonlinearity = _first_nonlinearity(config, scale, len(b_enc))
    encoder = LinearEncoder(inputs=inputs, W_enc=W_enc, b_enc=b_enc, nonlinearity=nonlinearity)
    return encoder, W_dec


def _subtracts(config: Config) -> bool:
    has_bias = config.flag("use_decoder_bias", default=True)
    return has_bias and config.flag("apply_decoder_bias_to_pre_encoder", default=True)


def _first_nonlinearity(config: Config, scale: float, d_sae: int) -> Nonlinearity:
    """lm_saes takes a top-k dictionary for a JumpReLU one as soon as it has a threshold."""
    threshold = config.number_or_none("jump_relu_threshold") or 0.0
    kind = config.text("act_fn")
    if kind == "jumprelu" or (kind == "topk" and threshold > 0):
        return JumpReLU(threshold=torch.full((d_sae,), threshold * scale))
    return _nonlinearity(config, d_sae)


def _successor(config: Config, tensors: Tensors) -> _Built:
    """`SparseAutoEncoder.encode` of llamascopium, after its `normalize_activations`."""
    if config.text_or_none("sae_type") not in (None, "sae"):
        raise config.refuse(f"sae_type is {config.text('sae_type')}; only sae can be encoded")
    W_enc, b_enc, W_dec = _successor_weights(config, tensors)
    norm_name = f"dataset_average_activation_norm.{config.text('hook_point_in')}"
    inputs, _ = _scaling(config, lambda: float(tensors.take(norm_name)))
    nonlinearity = _successor_nonlinearity(config, tensors, len(b_enc))
    if config.flag("sparsity_include_decoder_norm", default=True):
        norm = W_dec.float().norm(dim=1)
        W_enc, b_enc = W_enc * norm, b_enc * norm
        nonlinearity = Rescaled(inner=nonlinearity, scale=torch.where(norm > 0, 1 / norm, 0.0))
    encoder = LinearEncoder(inputs=inputs, W_enc=W_enc, b_enc=b_enc, nonlinearity=nonlinearity)
    return encoder, W_dec


def _successor_weights(config: Config, tensors: Tensors) -> tuple[Tensor, Tensor, Tensor]:
    d_in = config.integer("d_model")
    d_sae = int(d_in * config.number("expansion_factor"))
    if "W_E" in tensors:
        W_enc, W_dec = tensors.take("W_E", d_in, d_sae), tensors.stored("W_D", d_sae, None)
        return W_enc, tensors.take("b_E", d_sae), W_dec
    W_enc = tensors.take("encoder.weight", d_sae, d_in).T
    W_dec = tensors.stored("decoder.weight", None, d_sae).T
    return W_enc, tensors.take("encoder.bias", d_sae), W_dec


def _successor_nonlinearity(config: Config, tensors: Tensors, d_sae: int) -> Nonlinearity:
    if config.text("act_fn") != "jumprelu":
        return _nonlinearity(config, d_sae)
    name = "log_jumprelu_threshold"
    if name not in tensors:
        name = f"activation_function.{name}"
    return JumpReLU(threshold=tensors.take(name, d_sae).exp())


def _nonlinearity(config: Config, d_sae: int) -> Nonlinearity:
    kind = config.text("act_fn")
    if kind == "relu":
        return ReLU()
    if kind != "topk":
        raise config.refuse(f"act_fn is {kind}; expected {', '.join(FORMAT.architectures)}")
    k = config.integer("top_k")
    if not 1 <= k <= d_sae:
        raise config.refuse(f"top_k is {k}; expected 1 to d_sae = {d_sae}")
    return TopK(k=k)


def _is_scaled(config: Config) -> bool:
    return config.text_or_none("norm_activation") == "dataset-wise"


def _scaling(
    config: Config, average_norm: Callable[[], float]
) -> tuple[tuple[InputStep, ...], float]:
    """The step that gives activations the weights' scale, and its factor where it is fixed."""
    kind = config.text_or_none("norm_activation")
    if _is_scaled(config):
        factor = config.integer("d_model") ** 0.5 / average_norm()
        return (Scale(factor=factor),), factor
    if kind == "token-wise":
        return (FixedNorm(),), 1.0
    if kind in (None, "none", "inference"):
        return (), 1.0
    raise config.refuse(
        f"norm_activation is {kind}, so that a code depends on its batch; expected dataset-wise, "
        "token-wise or inference"
    )


def _model_name(source: DictionaryFiles) -> str | None:
    """All of the published ones with names to tell by read Llama 3.1 8B."""
    llama = re.search(r"Llama3_1-8B-Base|Llama-Scope-R1-Distill", source.label)
    return "meta-llama/Llama-3.1-8B" if llama else None


def _recognises(source: DictionaryFiles) -> bool:
    if source.has(_FIRST_CONFIG) and source.has(_FIRST_WEIGHTS):
        return True
    return source.has(_CONFIG) and source.offers(_WEIGHTS) and not source.has("cfg.json")


FORMAT = Format(
    name="llama_scope",
    project="Llama Scope (OpenMOSS)",
    files=f"{_FIRST_CONFIG} + {_FIRST_WEIGHTS}, or {_CONFIG} + {_WEIGHTS}",
    fetched=(_FIRST_CONFIG, _FIRST_WEIGHTS, _CONFIG, _WEIGHTS),
    architectures=("relu", "jumprelu", "topk"),
    recognises=_recognises,
    read=read,
)
