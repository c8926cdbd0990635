"""OpenAI sparse_autoencoder checkpoints for GPT-2 small: `<layer>.pt`.

As `Autoencoder.from_state_dict` of github.com/openai/sparse_autoencoder (arXiv 2406.04093): the
top-k generation normalizes its input, the ReLU one does not.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from saelake.store.errors import DictionaryError
from saelake.workers.dictionaries.base import LoadedDictionary
from saelake.workers.dictionaries.encoders import LinearEncoder
from saelake.workers.dictionaries.format import Format
from saelake.workers.dictionaries.inputs import InputStep, LayerNorm, Subtract
from saelake.workers.dictionaries.nonlinearities import Nonlinearity, ReLU, TopK
from saelake.workers.dictionaries.source import DictionaryFiles
from saelake.workers.dictionaries.tensors import Tensors, read_checkpoint, tensor_names


def read(source: DictionaryFiles) -> LoadedDictionary:
    """The dictionary in an OpenAI checkpoint: act((LN(x) − pre_bias)·Wᵀ + latent_bias).

    Raises:
        DictionaryError: a tensor is missing or wrong, or the activation is not ReLU or TopK.
    """
    path = source.only_checkpoint()
    checkpoint = read_checkpoint(path)
    tensors = Tensors.of(path, checkpoint)
    W_enc = tensors.take("encoder.weight", None, None).T
    d_in, d_sae = W_enc.shape
    nonlinearity = _nonlinearity(tensors, checkpoint, d_sae)
    subtract = Subtract(offset=tensors.take("pre_bias", d_in))
    is_topk = isinstance(nonlinearity, TopK)
    inputs: tuple[InputStep, ...] = (LayerNorm(), subtract) if is_topk else (subtract,)
    # A tied decoder is stored through its encoder, if at all.
    tied = "decoder.weight" not in tensors
    return LoadedDictionary(
        architecture="topk" if is_topk else "standard",
        format=FORMAT.name,
        encoder=LinearEncoder(
            inputs=inputs,
            W_enc=W_enc,
            b_enc=tensors.take("latent_bias", d_sae),
            nonlinearity=nonlinearity,
        ),
        W_dec=W_enc.T if tied else tensors.decoder("decoder.weight", d_in, d_sae).T,
        hook_name=_hook_name(source),
        model_name="openai-community/gpt2",
        prepend_bos=False,
    )


def _nonlinearity(tensors: Tensors, checkpoint: Mapping[str, Any], d_sae: int) -> Nonlinearity:
    activation = checkpoint.get("activation", "ReLU")
    if activation == "ReLU":
        return ReLU()
    settings = checkpoint.get("activation_state_dict", {})
    k, after = int(settings.get("k", 0)), settings.get("postact_fn", "ReLU")
    if activation != "TopK" or after != "ReLU" or not 1 <= k <= d_sae:
        raise _unsupported(tensors, f"{activation} with k = {k} and {after} after it")
    return TopK(k=k)


def _unsupported(tensors: Tensors, found: str) -> DictionaryError:
    return tensors.refuse(
        f"has the activation {found}; expected ReLU, or TopK with a k of at most d_sae and ReLU "
        "after it"
    )


_LOCATION = re.compile(
    r"(mlp_post_act|resid_delta_attn|resid_delta_mlp|resid_post_attn|resid_post_mlp)"
    r"(_v\d+\w*)?/autoencoders/(\d+)\.pt"
)
_PLACES = MappingProxyType({
    "mlp_post_act": "mlp.hook_post",
    "resid_delta_attn": "hook_attn_out",
    "resid_delta_mlp": "hook_mlp_out",
    "resid_post_attn": "hook_resid_mid",
    "resid_post_mlp": "hook_resid_post",
})  # fmt: skip


def _hook_name(source: DictionaryFiles) -> str | None:
    """Told from the path as it is published: `resid_post_mlp_v5_32k/autoencoders/6.pt`."""
    location = _LOCATION.search(source.label)
    return f"blocks.{location[3]}.{_PLACES[location[1]]}" if location else None


def _recognises(source: DictionaryFiles) -> bool:
    path = source.checkpoint()
    if path is None or path.suffix not in (".pt", ".pth"):
        return False
    return {"pre_bias", "latent_bias", "encoder.weight"} <= tensor_names(path)


FORMAT = Format(
    name="openai",
    project="OpenAI sparse_autoencoder",
    files="<location>/autoencoders/<layer>.pt",
    fetched=(),
    architectures=("standard", "topk"),
    recognises=_recognises,
    read=read,
)
