"""Gemma Scope: `params.npz`, and Gemma Scope 2: `params.safetensors` with `config.json`.

Layouts as published (arXiv 2408.05147); what the files do not say, the model and the hook point
of Gemma Scope 1, is told from the repository's and the folders' names, as SAELens tells it.
"""

import re
from dataclasses import replace
from types import MappingProxyType

from torch import Tensor

from saelake.workers.dictionaries.base import LoadedDictionary
from saelake.workers.dictionaries.config import Config
from saelake.workers.dictionaries.encoders import LinearEncoder
from saelake.workers.dictionaries.format import Format
from saelake.workers.dictionaries.nonlinearities import JumpReLU
from saelake.workers.dictionaries.source import DictionaryFiles
from saelake.workers.dictionaries.tensors import Tensors, tensor_names

_FIRST = "params.npz"
_SECOND = "params.safetensors"
_CONFIG = "config.json"

# The contexts of training, as SAELens records them for both generations.
_CONTEXT_SIZE = 1024


def read(source: DictionaryFiles) -> LoadedDictionary:
    """The dictionary in a Gemma Scope folder: ReLU(p)·1[p > θ] for p = x·W_enc + b_enc.

    Raises:
        DictionaryError: a file or tensor is missing or wrong.
    """
    return _read_first(source) if source.offers(_FIRST) else _read_second(source)


def _read_first(source: DictionaryFiles) -> LoadedDictionary:
    tensors = Tensors.read(source.path(_FIRST))
    tensors = Tensors(
        path=tensors.path,
        values={re.sub("^w_", "W_", name): value for name, value in tensors.values.items()},
    )
    encoder = _encoder(tensors, "W_enc")
    if _reads_embedding(source):  # trained on what Gemma multiplies by √d_in before its first block
        encoder = replace(encoder, W_enc=encoder.W_enc / len(encoder.W_enc) ** 0.5)
    return LoadedDictionary(
        architecture="jumprelu_transcoder" if "transcoder" in source.label else "jumprelu",
        format=FORMAT.name,
        encoder=encoder,
        W_dec=tensors.decoder("W_dec", encoder.W_enc.shape[1], None),
        hook_name=_first_hook(source),
        model_name=_first_model(source),
        context_size=_CONTEXT_SIZE,
        prepend_bos=True,
    )


def _read_second(source: DictionaryFiles) -> LoadedDictionary:
    tensors = Tensors.read(source.path(source.file or _SECOND))
    config = Config.read_if_there(source.path(_CONFIG))
    if config.text_or_none("architecture") not in (None, "jump_relu"):
        raise config.refuse(f"architecture is {config.text('architecture')}; expected jump_relu")
    encoder = _encoder(tensors, "w_enc")
    return LoadedDictionary(
        architecture=_second_architecture(tensors, source),
        format=FORMAT.name,
        encoder=encoder,
        W_dec=_decoder(tensors, encoder.W_enc.shape[1]),
        # A path that ends in .output means the module itself.
        hook_name=(config.text_or_none("hf_hook_point_in") or "").removesuffix(".output") or None,
        model_name=config.text_or_none("model_name"),
        context_size=_CONTEXT_SIZE,
        prepend_bos=True,
    )


def _encoder(tensors: Tensors, weight: str) -> LinearEncoder:
    W_enc = tensors.take(weight, None, None)
    d_sae = W_enc.shape[1]
    return LinearEncoder(
        W_enc=W_enc,
        b_enc=tensors.take("b_enc", d_sae),
        nonlinearity=JumpReLU(threshold=tensors.take("threshold", d_sae)),
    )


def _reads_embedding(source: DictionaryFiles) -> bool:
    return "/embedding/" in f"{source.label}/"


def _decoder(tensors: Tensors, d_sae: int) -> Tensor:
    """The decoder; a cross-layer transcoder writes to every layer, and its sum stands for it."""
    W_dec = tensors.values.get("w_dec")
    if W_dec is not None and W_dec.ndim == 3:
        return tensors.decoder("w_dec", d_sae, None, None).sum(dim=1)
    return tensors.decoder("w_dec", d_sae, None)


def _second_architecture(tensors: Tensors, source: DictionaryFiles) -> str:
    if "affine_skip_connection" in tensors:
        return "jumprelu_skip_transcoder"
    transcodes = "transcoder" in source.label or "clt" in source.label
    return "jumprelu_transcoder" if transcodes else "jumprelu"


_RELEASE = re.compile(r"gemma-scope-(\d+b)-(pt|it)-(res|mlp|att|transcoders)")
_LAYER = re.compile(r"layer_(\d+)")
_PLACES = MappingProxyType({
    "res": "hook_resid_post",
    "mlp": "hook_mlp_out",
    "att": "attn.hook_z",
    "transcoders": "ln2.hook_normalized",
})  # fmt: skip


def _first_model(source: DictionaryFiles) -> str | None:
    release = _RELEASE.search(source.label)
    if release is None:
        return None
    return f"google/gemma-2-{release[1]}" + ("-it" if release[2] == "it" else "")


def _first_hook(source: DictionaryFiles) -> str | None:
    release, layer = _RELEASE.search(source.label), _LAYER.search(source.label)
    if _reads_embedding(source):
        return "hook_embed"
    return f"blocks.{layer[1]}.{_PLACES[release[3]]}" if release and layer else None


def _recognises(source: DictionaryFiles) -> bool:
    if source.offers(_FIRST) or source.offers(_SECOND):
        return True
    path = source.checkpoint()
    if path is None or path.suffix != ".safetensors":
        return False
    return {"w_enc", "w_dec", "threshold"} <= tensor_names(path)


FORMAT = Format(
    name="gemma_scope",
    project="Gemma Scope 1 and 2",
    files=f"{_FIRST}, or {_SECOND} + {_CONFIG}",
    fetched=(_FIRST, _SECOND, _CONFIG),
    architectures=(
        "jumprelu",
        "jumprelu_transcoder",
        "jumprelu_skip_transcoder",
    ),
    recognises=_recognises,
    read=read,
)
