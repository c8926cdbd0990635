"""SAELens folders: `cfg.json` and `sae_weights.safetensors`, of version 6 and before.

Layouts and formulas as in sae_lens 6.54 (`saes/*.py`, `loading/pretrained_sae_loaders.py`). A
checkpoint of a training run (`topk_threshold`, `activation_scaler.json`) encodes as the inference
dictionary that SAELens would save from it. Dictionaries of `hook_z` (reshape_activations) read
the heads flattened, as hook points here give them.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from torch import Tensor

from saelake.workers.dictionaries.base import LoadedDictionary
from saelake.workers.dictionaries.config import Config
from saelake.workers.dictionaries.encoders import Encoder, LinearEncoder
from saelake.workers.dictionaries.format import Format
from saelake.workers.dictionaries.inputs import (
    Center,
    FixedNorm,
    InputStep,
    LayerNorm,
    Scale,
    Subtract,
    Whiten,
)
from saelake.workers.dictionaries.nonlinearities import (
    AbsTopK,
    Gated,
    JumpReLU,
    Nonlinearity,
    ReLU,
    TopK,
)
from saelake.workers.dictionaries.pursuit import MatchingPursuit
from saelake.workers.dictionaries.source import DictionaryFiles
from saelake.workers.dictionaries.tensors import Tensors

_CONFIG = "cfg.json"
_WEIGHTS = "sae_weights.safetensors"
_SCALER = "activation_scaler.json"
_WHITENING = "activation_whitening.safetensors"

# The places that TransformerLens's center_writing_weights centers: what is written to the
# residual stream, and the stream itself.
_CENTERED_HOOKS = frozenset({
    "hook_embed", "hook_pos_embed", "hook_resid_pre", "hook_resid_mid", "hook_resid_post",
    "hook_attn_out", "hook_mlp_in", "hook_mlp_out",
})  # fmt: skip


def read(source: DictionaryFiles) -> LoadedDictionary:
    """The dictionary in a SAELens folder.

    Raises:
        DictionaryError: a file, key or tensor is missing or wrong, or the architecture is not
            one that encodes token by token.
    """
    config = _modern(Config.read(source.path(_CONFIG)))
    tensors = Tensors.read(source.path(source.file or _WEIGHTS))
    architecture = config.text("architecture")
    if architecture not in _ARCHITECTURES:
        raise _unsupported(config, architecture)
    encoder, W_dec = _ARCHITECTURES[architecture](config, tensors, _inputs(config, tensors, source))
    metadata = config.section("metadata")
    return LoadedDictionary(
        architecture=architecture,
        format=FORMAT.name,
        encoder=encoder,
        W_dec=W_dec,
        hook_name=_hook_name(metadata),
        model_name=metadata.text_or_none("model_name"),
        context_size=metadata.integer_or_none("context_size"),
        prepend_bos=metadata.flag_or_none("prepend_bos"),
    )


def _hook_name(metadata: Config) -> str | None:
    """The recorded place; of one head, with its number."""
    name, head = metadata.text_or_none("hook_name"), metadata.integer_or_none("hook_head_index")
    if name is not None and name.endswith(".hook_mlp_in"):
        # SAELens calls the place of Gemma Scope 2's transcoders so, which is what the MLP reads,
        # not TransformerLens's hook_mlp_in; it keeps their own name of it beside.
        name = (metadata.text_or_none("hf_hook_name") or name).removesuffix(".output")
    if name is None or head is None:
        return name
    return f"{name}.{head}"


_Inputs = tuple[InputStep, ...]
_Built = tuple[Encoder, Tensor]


def _linear(
    nonlinearity: Callable[[Config, Tensors, int], Nonlinearity], *, bias: bool = True
) -> Callable[[Config, Tensors, _Inputs], _Built]:
    """The reader of an architecture that applies `nonlinearity` to `z @ W_enc + b_enc`."""

    def build(config: Config, tensors: Tensors, inputs: _Inputs) -> _Built:
        d_in, d_sae = config.integer_or_none("d_in"), config.integer_or_none("d_sae")
        W_enc = tensors.take("W_enc", d_in, d_sae)
        d_in, d_sae = W_enc.shape
        b_enc = tensors.take("b_enc", d_sae) if bias else None
        W_dec = tensors.decoder("W_dec", d_sae, config.integer_or_none("d_out") or d_in)
        if b_enc is not None and config.flag("rescale_acts_by_decoder_norm", default=False):
            W_dec = tensors.stored("W_dec", d_sae, None)
            norm = W_dec.float().norm(dim=1)
            W_enc, b_enc = W_enc * norm, b_enc * norm
            # The clamp is SAELens's: a row of zeros has no norm to divide by.
            W_dec = W_dec / norm.clamp(min=1e-8).unsqueeze(1)
        encoder = LinearEncoder(
            inputs=inputs,
            W_enc=W_enc,
            b_enc=b_enc,
            nonlinearity=nonlinearity(config, tensors, d_sae),
        )
        return encoder, W_dec

    return build


def _relu(_config: Config, _tensors: Tensors, _d_sae: int) -> Nonlinearity:
    return ReLU()


def _gated(_config: Config, tensors: Tensors, d_sae: int) -> Nonlinearity:
    return Gated(
        b_gate=tensors.take("b_gate", d_sae),
        b_mag=tensors.take("b_mag", d_sae),
        r_mag=tensors.take("r_mag", d_sae),
    )


def _jumprelu(_config: Config, tensors: Tensors, d_sae: int) -> Nonlinearity:
    if "log_threshold" in tensors:  # in older checkpoints
        return JumpReLU(threshold=tensors.take("log_threshold", d_sae).exp())
    return JumpReLU(threshold=tensors.take("threshold", d_sae))


def _batchtopk(config: Config, tensors: Tensors, d_sae: int) -> Nonlinearity:
    if "topk_threshold" not in tensors:
        return _jumprelu(config, tensors, d_sae)
    return JumpReLU(threshold=tensors.take("topk_threshold").expand(d_sae))


def _topk(config: Config, _tensors: Tensors, d_sae: int) -> Nonlinearity:
    return TopK(k=_k(config, d_sae))


def _abstopk(config: Config, _tensors: Tensors, d_sae: int) -> Nonlinearity:
    return AbsTopK(k=_k(config, d_sae))


def _k(config: Config, d_sae: int) -> int:
    kwargs = config.section("activation_fn_kwargs").integer_or_none("k")
    k = config.integer("k") if kwargs is None else kwargs
    if k != (config.integer_or_none("k") or k):
        raise config.refuse(f"k is {config.integer('k')}, and {k} in activation_fn_kwargs")
    if not 1 <= k <= d_sae:
        raise config.refuse(f"k is {k}; expected 1 to d_sae = {d_sae}")
    return k


def _matching_pursuit(config: Config, tensors: Tensors, inputs: _Inputs) -> _Built:
    W_dec = tensors.take("W_dec", config.integer_or_none("d_sae"), config.integer_or_none("d_in"))
    threshold = config.number_or_none("residual_threshold")
    encoder = MatchingPursuit(
        inputs=inputs,
        atoms=W_dec,
        residual_threshold=1e-2 if threshold is None else threshold,
        stop_on_repeat=config.flag("stop_on_duplicate_support", default=True),
        max_rounds=config.integer_or_none("max_iterations") or W_dec.shape[1],
    )
    return encoder, tensors.stored("W_dec", None, None)


_ARCHITECTURES: Mapping[str, Callable[[Config, Tensors, _Inputs], _Built]] = MappingProxyType({
    "standard": _linear(_relu),
    "gated": _linear(_gated, bias=False),
    "jumprelu": _linear(_jumprelu),
    "topk": _linear(_topk),
    "abstopk": _linear(_abstopk),
    "batchtopk": _linear(_batchtopk),
    "matryoshka_batchtopk": _linear(_batchtopk),
    "matching_pursuit": _matching_pursuit,
    "transcoder": _linear(_relu),
    "skip_transcoder": _linear(_relu),
    "jumprelu_transcoder": _linear(_jumprelu),
    "jumprelu_skip_transcoder": _linear(_jumprelu),
})  # fmt: skip


def _unsupported(config: Config, architecture: str) -> Exception:
    if architecture == "temporal":
        return config.refuse(
            "a temporal dictionary encodes a token from those before it, and codes here are made "
            "token by token; use another dictionary of this model"
        )
    return config.refuse(
        f"architecture {architecture!r} is not known; known are {', '.join(_ARCHITECTURES)}"
    )


def _inputs(config: Config, tensors: Tensors, source: DictionaryFiles) -> _Inputs:
    """The steps before the encoder, in SAELens's order."""
    steps = [*_centering(config), *_normalization(config, source)]
    is_transcoder = "transcoder" in config.text("architecture")
    if not is_transcoder and config.flag("apply_b_dec_to_input", default=True):
        steps.append(Subtract(offset=tensors.take("b_dec", config.integer_or_none("d_in"))))
    return tuple(steps)


def _centering(config: Config) -> list[InputStep]:
    metadata = config.section("metadata")
    place = (metadata.text_or_none("hook_name") or "").rpartition(".")[2]
    processing = metadata.section("model_from_pretrained_kwargs")
    centered = processing.flag("center_writing_weights", default=False)
    return [Center()] if centered and place in _CENTERED_HOOKS else []


def _normalization(config: Config, source: DictionaryFiles) -> list[InputStep]:
    kind = config.text_or_none("normalize_activations") or "none"
    if source.norm_factor is not None and kind != "expected_average_only_in":
        raise config.refuse(f"normalize_activations is {kind}, which takes no norm factor")
    match kind:
        case "none":
            return []
        case "layer_norm":
            return [LayerNorm()]
        case "constant_norm_rescale":
            return [FixedNorm()]
        case "expected_average_only_in" | "covariance_whitening":
            return _training_scaler(config, source, kind)
    raise config.refuse(f"normalize_activations is {kind!r}, which is not known")


def _training_scaler(config: Config, source: DictionaryFiles, kind: str) -> list[InputStep]:
    """The scaling that a training run keeps beside its weights until it folds it into them."""
    scaler = Config.read_if_there(source.path(_SCALER))
    factor, given = scaler.number_or_none("scaling_factor"), source.norm_factor
    if given is not None and factor not in (None, given):
        raise scaler.refuse(f"scaling_factor is {factor}, and {given} was given as norm factor")
    factor = given if factor is None else factor
    averages = kind == "expected_average_only_in"
    if averages and factor is not None:
        return [Scale(factor=factor)]
    if kind == "covariance_whitening" and source.has(_WHITENING):
        whitening = Tensors.read(source.path(_WHITENING))
        d_in = config.integer_or_none("d_in")
        mean, matrix = whitening.take("mean", d_in), whitening.take("matrix", d_in, d_in)
        return [Whiten(mean=mean, matrix=matrix)]
    raise config.refuse(
        f"normalize_activations is {kind}, and the folder has no {_SCALER} that says by how much; "
        "save the dictionary again with SAELens's save_inference_model, which folds it in"
        + (", or give what activations are multiplied with as --norm-factor" if averages else "")
    )


def _modern(config: Config) -> Config:
    """The configuration in the layout of version 6; older ones are flat."""
    if "metadata" in config.values:
        return config
    renamed = {_RENAMED.get(key, key): value for key, value in config.values.items()}
    flat: dict[str, Any] = {"architecture": "standard", "prepend_bos": True, **renamed}
    if isinstance(flat.get("normalize_activations"), bool):
        flat["normalize_activations"] = (
            "expected_average_only_in" if flat["normalize_activations"] else "none"
        )
    if flat.get("activation_fn") == "topk":
        flat["architecture"] = "topk"
    return Config(path=config.path, values={**flat, "metadata": flat})


_RENAMED = MappingProxyType({
    "hook_point": "hook_name",
    "hook_point_head_index": "hook_head_index",
    "activation_fn_str": "activation_fn",
})  # fmt: skip


FORMAT = Format(
    name="saelens",
    project="SAELens",
    files=f"{_CONFIG} + {_WEIGHTS}",
    fetched=(_CONFIG, _WEIGHTS, _SCALER, _WHITENING),
    architectures=tuple(_ARCHITECTURES),
    recognises=lambda source: source.has(_CONFIG) and source.offers(_WEIGHTS),
    read=read,
)
