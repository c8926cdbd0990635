"""dictionary_learning folders: `ae.pt` (a state dict) and `config.json`.

Classes and formulas as in dictionary_learning 0.1 (`dictionary.py`, `trainers/*top_k.py`).
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from saelake.workers.dictionaries.base import LoadedDictionary
from saelake.workers.dictionaries.config import Config
from saelake.workers.dictionaries.encoders import LinearEncoder
from saelake.workers.dictionaries.format import Format
from saelake.workers.dictionaries.inputs import Subtract
from saelake.workers.dictionaries.nonlinearities import Gated, JumpReLU, Nonlinearity, ReLU, TopK
from saelake.workers.dictionaries.source import DictionaryFiles
from saelake.workers.dictionaries.submodules import recorded_place
from saelake.workers.dictionaries.tensors import Tensors, tensor_names

_CONFIG = "config.json"
_WEIGHTS = "ae.pt"


def read(source: DictionaryFiles) -> LoadedDictionary:
    """The dictionary in a dictionary_learning folder, or in a state dict of one of its classes.

    Without a `config.json` the class is told from the tensors' names, where they tell it.

    Raises:
        DictionaryError: a file, key or tensor is missing or wrong, the class is not known, or the
            place that is recorded is not understood and no other is given.
    """
    checkpoint = source.path(_WEIGHTS) if source.offers(_WEIGHTS) else source.only_checkpoint()
    config = Config.read_if_there(source.path(_CONFIG))
    trainer = config.section("trainer")
    tensors = Tensors.read(checkpoint)
    name = trainer.text_or_none("dict_class") or _class_of(tensors)
    if name not in _CLASSES:
        raise trainer.refuse(f"dict_class {name} is not known; known are {', '.join(_CLASSES)}")
    encoder, W_dec = _CLASSES[name](trainer, tensors)
    return LoadedDictionary(
        architecture=name,
        format=FORMAT.name,
        encoder=encoder,
        W_dec=W_dec,
        hook_name=None if source.hook else recorded_place(config),
        model_name=trainer.text_or_none("lm_name"),
        context_size=config.section("buffer").integer_or_none("ctx_len"),
    )


_Built = tuple[LinearEncoder, Tensor]


def _auto_encoder(trainer: Config, tensors: Tensors) -> _Built:
    """ReLU(enc(x − bias)), in units of a decoder of norm 1, as `from_pretrained` makes it."""
    W_enc, b_enc, _ = _linear_weights(trainer, tensors)
    W_dec = tensors.stored("decoder.weight", *W_enc.shape).T
    norm = W_dec.float().norm(dim=1)
    if not torch.allclose(norm, torch.ones_like(norm)):
        W_enc, b_enc = W_enc * norm, b_enc * norm
        W_dec = W_dec / norm.clamp(min=torch.finfo(norm.dtype).tiny).unsqueeze(1)
    offset = tensors.take("bias", W_enc.shape[0])
    return _encoder(W_enc, b_enc, ReLU(), offset), W_dec


def _auto_encoder_new(trainer: Config, tensors: Tensors) -> _Built:
    W_enc, b_enc, W_dec = _linear_weights(trainer, tensors)
    return _encoder(W_enc, b_enc, ReLU(), None), W_dec


def _top_k(trainer: Config, tensors: Tensors) -> _Built:
    W_enc, b_enc, W_dec = _linear_weights(trainer, tensors)
    nonlinearity = TopK(k=_k(trainer, tensors, len(b_enc)))
    return _encoder(W_enc, b_enc, nonlinearity, tensors.take("b_dec", len(W_enc))), W_dec


def _batch_top_k(trainer: Config, tensors: Tensors) -> _Built:
    W_enc, b_enc, W_dec = _linear_weights(trainer, tensors)
    threshold = JumpReLU(threshold=tensors.take("threshold").expand(len(b_enc)))
    return _encoder(W_enc, b_enc, threshold, tensors.take("b_dec", len(W_enc))), W_dec


def _matryoshka(trainer: Config, tensors: Tensors) -> _Built:
    W_enc, b_enc, W_dec = _matrix_weights(trainer, tensors)
    threshold = JumpReLU(threshold=tensors.take("threshold").expand(len(b_enc)))
    return _encoder(W_enc, b_enc, threshold, tensors.take("b_dec", len(W_enc))), W_dec


def _jump_relu(trainer: Config, tensors: Tensors) -> _Built:
    W_enc, b_enc, W_dec = _matrix_weights(trainer, tensors)
    threshold = JumpReLU(threshold=tensors.take("threshold", len(b_enc)))
    return _encoder(W_enc, b_enc, threshold, None), W_dec


def _gated(trainer: Config, tensors: Tensors) -> _Built:
    W_enc, W_dec = _linear_matrices(trainer, tensors)
    d_in, d_sae = W_enc.shape
    nonlinearity = Gated(
        b_gate=tensors.take("gate_bias", d_sae),
        b_mag=tensors.take("mag_bias", d_sae),
        r_mag=tensors.take("r_mag", d_sae),
    )
    return _encoder(W_enc, None, nonlinearity, tensors.take("decoder_bias", d_in)), W_dec


_CLASSES: Mapping[str, Callable[[Config, Tensors], _Built]] = MappingProxyType({
    "AutoEncoder": _auto_encoder,
    "AutoEncoderNew": _auto_encoder_new,
    "GatedAutoEncoder": _gated,
    "JumpReluAutoEncoder": _jump_relu,
    "AutoEncoderTopK": _top_k,
    "BatchTopKSAE": _batch_top_k,
    "MatryoshkaBatchTopKSAE": _matryoshka,
})  # fmt: skip


def _linear_matrices(trainer: Config, tensors: Tensors) -> tuple[Tensor, Tensor]:
    d_in, d_sae = trainer.integer_or_none("activation_dim"), trainer.integer_or_none("dict_size")
    W_enc = tensors.take("encoder.weight", d_sae, d_in).T
    d_in, d_sae = W_enc.shape
    return W_enc, tensors.decoder("decoder.weight", d_in, d_sae).T


def _linear_weights(trainer: Config, tensors: Tensors) -> tuple[Tensor, Tensor, Tensor]:
    W_enc, W_dec = _linear_matrices(trainer, tensors)
    return W_enc, tensors.take("encoder.bias", W_enc.shape[1]), W_dec


def _matrix_weights(trainer: Config, tensors: Tensors) -> tuple[Tensor, Tensor, Tensor]:
    d_in, d_sae = trainer.integer_or_none("activation_dim"), trainer.integer_or_none("dict_size")
    W_enc = tensors.take("W_enc", d_in, d_sae)
    d_in, d_sae = W_enc.shape
    return W_enc, tensors.take("b_enc", d_sae), tensors.decoder("W_dec", d_sae, d_in)


def _encoder(
    W_enc: Tensor, b_enc: Tensor | None, nonlinearity: Nonlinearity, offset: Tensor | None
) -> LinearEncoder:
    inputs = () if offset is None else (Subtract(offset=offset),)
    return LinearEncoder(inputs=inputs, W_enc=W_enc, b_enc=b_enc, nonlinearity=nonlinearity)


def _k(trainer: Config, tensors: Tensors, d_sae: int) -> int:
    recorded = trainer.integer_or_none("k")
    stored = int(tensors.take("k")) if "k" in tensors else None
    if recorded is not None and stored is not None and recorded != stored:
        raise trainer.refuse(f"k is {recorded}, and {stored} in {tensors.path}; correct one")
    k = stored if recorded is None else recorded
    if k is None:
        raise tensors.refuse(f"has no k, and {trainer.path} records none")
    if not 1 <= k <= d_sae:
        raise tensors.refuse(f"has k = {k}; expected 1 to dict_size = {d_sae}")
    return k


# The name that only one class's state dict has, first match first.
_TELLING = (
    ("group_sizes", "MatryoshkaBatchTopKSAE"),
    ("gate_bias", "GatedAutoEncoder"),
    ("W_enc", "JumpReluAutoEncoder"),
    ("bias", "AutoEncoder"),
    ("decoder.bias", "AutoEncoderNew"),
)


def _class_of(tensors: Tensors) -> str:
    for name, class_name in _TELLING:
        if name in tensors:
            return class_name
    raise tensors.refuse(
        f"is a top-k dictionary, and there is no {_CONFIG} beside it to say which: AutoEncoderTopK "
        f"and BatchTopKSAE store the same tensors; found {', '.join(sorted(tensors))}"
    )


def _recognises(source: DictionaryFiles) -> bool:
    if source.offers(_WEIGHTS):
        return True
    checkpoint = source.checkpoint()
    if checkpoint is None or checkpoint.suffix not in (".pt", ".pth"):
        return False
    names = tensor_names(checkpoint)
    return {"encoder.weight", "decoder.weight"} <= names and "latent_bias" not in names


FORMAT = Format(
    name="dictionary_learning",
    project="dictionary_learning",
    files=f"{_WEIGHTS} + {_CONFIG}",
    fetched=(_WEIGHTS, _CONFIG),
    architectures=tuple(_CLASSES),
    recognises=_recognises,
    read=read,
)
