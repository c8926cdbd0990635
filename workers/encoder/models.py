"""A transformer loaded for reading: its module, tokenizer, window and fingerprint."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.utils import cached_file
from transformers.utils import logging as transformers_logging

from saelake.store.errors import ModelError
from saelake.workers.encoder.devices import device_at, devices_of, require_accelerate, spread
from saelake.workers.encoder.modelfiles import (
    ModelFiles,
    fingerprint,
    local_files,
    tokenizer_fingerprint,
    weight_files,
)
from saelake.workers.encoder.quantization import (
    computes_in,
    in_one_dtype,
    quantizer,
    refuse_lost_scales,
    refuse_twice,
)
from saelake.workers.encoder.shallow import Depth, depth_of, shallow

DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}

# The longest window for a model that states none, such as one with ALiBi or relative positions.
UNSTATED_WINDOW = 2048

# transformers writes int(1e30) into `model_max_length` where a tokenizer states no limit.
_UNLIMITED = 10**9

# Their position embeddings start after the padding index, so that many rows are never used.
_OFFSET_POSITIONS = {
    "camembert",
    "longformer",
    "mpnet",
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
}

_LOADING_ERRORS = (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Model:
    """A transformer without its language-model head, in evaluation mode and without gradients.

    Attributes:
        name: the folder's name (with its parent's where it is only "model"), or the hub id.
        module: the transformers `AutoModel`, on `device` in `dtype`.
        device: where it is given tokens; the first of several.
        dtype: what it computes in, also where its weights have fewer bits.
        placed: the device of each of its parts, by their paths, where there are several.
        tokenizer: the fast transformers tokenizer.
        config: the transformers configuration of the whole model.
        window: the most tokens of one sequence, special tokens included.
        d_model: the width of the residual stream.
        fingerprint: sha256 in hex over config.json and the weight files (see `fingerprint`).
        tokenizer_fingerprint: the same over the tokenizer's files.
        revision: the hub's commit hash; None for a local folder.
    """

    name: str
    module: nn.Module
    tokenizer: Any
    config: Any
    window: int
    d_model: int
    fingerprint: str
    tokenizer_fingerprint: str
    revision: str | None
    device: torch.device
    dtype: torch.dtype
    placed: Mapping[str, torch.device] = field(default_factory=dict)

    def device_at(self, path: str) -> torch.device:
        """Where the module at a path is."""
        return device_at(self.placed, path, self.device)


def load_model(
    location: str,
    *,
    device: str | None = None,
    dtype: str | None = None,
    trust_remote_code: bool = False,
    revision: str | None = None,
    hooks: Sequence[str] = (),
    quantization: str | None = None,
) -> Model:
    """The model of a local folder or a Hugging Face hub id, which its local cache may answer.

    Where `hooks` are given, only these hook points will be read: blocks after the deepest are not
    loaded, if the model's family tells which those are.

    `device` None takes CUDA where there is a device, else the CPU; over several, with commas
    between them, the model is spread. `dtype` is float32, float16, bfloat16 or auto (None means
    auto): float32 on the CPU and the checkpoint's own elsewhere. With a `quantization` weights are
    kept in fewer bits, and computed with in `dtype`; a model that is published quantised is loaded
    as it is, without. Nothing of the model is run as Python code unless `trust_remote_code`.

    Raises:
        ModelError: the folder, weights or a fast tokenizer is missing, weights are damaged or do
            not fill the model, or the device, dtype or quantization is not to be had.
        MissingExtra: several devices or a quantization need a library that is not installed.
    """
    devices = devices_of(device)
    precision = _dtype(dtype, devices[0])
    with _quiet():
        source = _located(location, revision)
        options: dict[str, Any] = {
            "trust_remote_code": trust_remote_code,
            "revision": source.revision,
        }
        config = _configuration(source, options)
        tokenizer = _tokenizer(source, options)
        if quantization is not None:
            refuse_twice(config, quantization, source)
            options["quantization_config"] = quantizer(quantization, precision, config)
        outline = None
        if hooks or len(devices) > 1:
            outline = _empty(deepcopy(config), trust_remote_code=trust_remote_code)
        kind, depth = _kind(outline, hooks)
        placed = _placed(outline, depth, devices, source)
        if placed or quantization is not None:  # else it is moved when it is whole
            options["device_map"] = placed or {"": devices[0]}
        module = _module(source, kind, depth, config, precision, options)
        if "device_map" not in options:
            module = module.to(devices[0])
    return Model(
        name=source.name,
        module=module,
        tokenizer=tokenizer,
        config=config,
        window=usable_window(config, tokenizer),
        d_model=text_config(config).hidden_size,
        fingerprint=fingerprint(source.folder),
        tokenizer_fingerprint=tokenizer_fingerprint(source.folder),
        revision=source.revision,
        device=devices[0],
        dtype=computes_in(module),
        placed=placed,
    )


def check_model(
    location: str,
    *,
    device: str | None = None,
    dtype: str | None = None,
    quantization: str | None = None,
    trust_remote_code: bool = False,
) -> None:
    """Raise the errors of `load_model`, as far as they can be told without the weights.

    Of a hub id no more than the small config.json is fetched.
    """
    devices = devices_of(device)
    precision = _dtype(dtype, devices[0])
    if len(devices) > 1:
        require_accelerate("A model on several devices")
    with _quiet():
        source = _located(location, None)
        if quantization is not None:
            options = {"trust_remote_code": trust_remote_code, "revision": source.revision}
            config = _configuration(source, options)
            refuse_twice(config, quantization, source)
            quantizer(quantization, precision, config)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unweighted:
    """What a model is without its weights: enough to tell how texts are read, and where.

    `module` has no weights and takes no memory; it is None for a model that cannot be made so.
    """

    name: str
    module: nn.Module | None
    tokenizer: Any
    config: Any
    window: int
    files: ModelFiles

    @property
    def fingerprint(self) -> str | None:
        """That of the model; None where its weights are not on this machine."""
        folder = self.files.folder
        return fingerprint(folder) if weight_files(folder) else None

    @property
    def tokenizer_fingerprint(self) -> str:
        """That of the model."""
        return tokenizer_fingerprint(self.files.folder)

    def as_model(self) -> Model | None:
        """A model that runs, and computes shapes alone; None where there is no module."""
        if self.module is None:
            return None
        return Model(
            name=self.name,
            module=self.module.eval().requires_grad_(requires_grad=False),
            tokenizer=self.tokenizer,
            config=self.config,
            window=self.window,
            d_model=text_config(self.config).hidden_size,
            fingerprint="",
            tokenizer_fingerprint="",
            revision=self.files.revision,
            device=torch.device("meta"),
            dtype=torch.float32,
        )


def unweighted(location: str, *, trust_remote_code: bool = False) -> Unweighted:
    """A model without its weights. Raises the errors of `load_model` that need none."""
    with _quiet():
        source = _located(location, None)
        options = {"trust_remote_code": trust_remote_code, "revision": source.revision}
        config = _configuration(source, options)
        tokenizer = _tokenizer(source, options)
        module = _empty(config, trust_remote_code=trust_remote_code)
    if module is not None:
        _refuse_other_inputs(module, source)
    return Unweighted(
        name=source.name,
        module=module,
        tokenizer=tokenizer,
        config=config,
        window=usable_window(config, tokenizer),
        files=source,
    )


def _empty(config: Any, *, trust_remote_code: bool) -> nn.Module | None:
    try:
        with torch.device("meta"):
            module: nn.Module = AutoModel.from_config(config, trust_remote_code=trust_remote_code)
    except Exception:  # a model's own code may do anything: loading it will tell
        return None
    return module


def _kind(outline: nn.Module | None, hooks: Sequence[str]) -> tuple[Any, Depth | None]:
    """What loads a model as deep as these hook points need it, and how deep that is.

    `outline` is the model without its weights.
    """
    depth = None if outline is None or not hooks else depth_of(outline, hooks)
    if outline is None or depth is None:
        return AutoModel, None
    return shallow(type(outline), depth), depth


def _placed(
    outline: nn.Module | None,
    depth: Depth | None,
    devices: Sequence[torch.device],
    source: ModelFiles,
) -> dict[str, torch.device]:
    """Where each part of a model goes; nothing where there is one device."""
    if len(devices) == 1:
        return {}
    require_accelerate("A model on several devices")
    if outline is None:
        raise ModelError(
            f"the code of {source.location} cannot be run without its weights, so that it is not "
            "known how to spread it over several devices: give --device only one",
            model=source.location,
        )
    return spread(outline, None if depth is None else depth.n, devices, source.location)


def usable_window(config: Any, tokenizer: Any) -> int:
    """The most tokens of one sequence that both the positions and the tokenizer allow.

    Some models state that they have no limit as -1 (XLNet). Raises `ModelError` where positions
    count from a padding index that is not stated.
    """
    text = text_config(config)
    limits = []
    positions = getattr(text, "max_position_embeddings", None)
    if positions is not None and positions > 0:
        limits.append(positions - _first_position(text))
    if tokenizer.model_max_length < _UNLIMITED:
        limits.append(int(tokenizer.model_max_length))
    return min(limits, default=UNSTATED_WINDOW)


def _first_position(text: Any) -> int:
    if text.model_type not in _OFFSET_POSITIONS:
        return 0
    if text.pad_token_id is None:
        raise ModelError(
            f"the config.json of this {text.model_type} model states no pad_token_id, after which "
            "its positions count: add the one that it was trained with (RoBERTa's is 1)",
            model_type=text.model_type,
        )
    return int(text.pad_token_id) + 1


def text_config(config: Any) -> Any:
    """The configuration of the language part, which multimodal models nest."""
    return config.get_text_config()


def _located(location: str, revision: str | None) -> ModelFiles:
    return local_files(location) or _locate_on_hub(location, revision)


def _locate_on_hub(location: str, revision: str | None) -> ModelFiles:
    # The commit is fixed here, once: configuration, tokenizer and weights then come from the same
    # one, and files that the cache has need no network.
    try:
        folder = Path(str(cached_file(location, "config.json", revision=revision))).parent
    except _LOADING_ERRORS as error:
        raise ModelError(
            f"{location} is neither a folder here nor a model that the Hugging Face hub or its "
            f"local cache gives: {first_line(error)}",
            model=location,
        ) from error
    return ModelFiles(location, location, folder, folder.name)


def _configuration(source: ModelFiles, options: dict[str, Any]) -> Any:
    config = _load("configuration", AutoConfig, source, **options)
    if getattr(config, "is_encoder_decoder", False):
        raise ModelError(
            f"{source.location} is an encoder-decoder model; saelake reads encoders and decoders "
            "only",
            model=source.location,
        )
    return config


def _tokenizer(source: ModelFiles, options: dict[str, Any]) -> Any:
    tokenizer = _load("tokenizer", AutoTokenizer, source, **options)
    if not tokenizer.is_fast:
        raise ModelError(
            f"{source.location} has only a slow tokenizer, without character offsets: "
            "convert it to a tokenizer.json",
            model=source.location,
        )
    return tokenizer


def _module(
    source: ModelFiles,
    kind: Any,
    depth: Depth | None,
    config: Any,
    dtype: torch.dtype | str,
    options: dict[str, Any],
) -> nn.Module:
    is_quantised = getattr(config, "quantization_config", None) is not None  # forgotten on loading
    module, report = _load(
        "weights",
        kind,
        source,
        config=config,
        dtype=dtype,
        output_loading_info=True,
        **options,
    )
    _refuse_other_inputs(module, source)
    unexpected = (key for key in report["unexpected_keys"] if depth is None or depth.has(key))
    refuse_lost_scales(unexpected, source)
    # A pooler follows the last block, so that checkpoints without one are whole to us.
    missing = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    if missing:
        raise ModelError(
            f"the weights of {source.location} lack {len(missing)} tensors of the model "
            f"({', '.join(missing[:3])}, …), which would be random: check the checkpoint",
            model=source.location,
        )
    module = in_one_dtype(module, dtype, source, is_quantised=is_quantised)
    # A cache of keys and values would only cost memory: every sequence is run once.
    module.config.use_cache = False
    text_config(module.config).use_cache = False
    evaluated: nn.Module = module.eval().requires_grad_(requires_grad=False)
    return evaluated


def _refuse_other_inputs(module: nn.Module, source: ModelFiles) -> None:
    signature = inspect.signature(module.forward).parameters.values()
    named = [p.name for p in signature if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if named and "input_ids" not in named:
        takes = getattr(module, "main_input_name", "something else")
        raise ModelError(
            f"{source.location} is no model of text: it reads {takes}, not tokens. Choose a text "
            "model, or the text part of this one",
            model=source.location,
        )


def _load(part: str, loader: Any, source: ModelFiles, **options: Any) -> Any:
    try:
        return loader.from_pretrained(source.location, **options)
    except _LOADING_ERRORS as error:
        reason = first_line(error)
        if "trust_remote_code" in str(error):
            reason = "it brings its own Python code, which runs only with trust_remote_code"
        raise ModelError(
            f"cannot load the {part} of {source.location}: {reason}", model=source.location
        ) from error


def first_line(error: Exception) -> str:
    """The first line of what an error says, or its type's name."""
    return next(iter(str(error).splitlines()), type(error).__name__)


def _dtype(name: str | None, device: torch.device) -> torch.dtype | str:
    if name is None or name == "auto":
        return torch.float32 if device.type == "cpu" else "auto"
    if name not in DTYPES:
        raise ModelError(f"no dtype {name}: choose auto, {', '.join(DTYPES)}", dtype=name)
    return DTYPES[name]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers' bars and load reports off the terminal; errors are still raised."""
    verbosity = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
