"""Goodfire checkpoints: one `.pth` or `.pt` file with two linear layers.

The two published ones read layer 19 of Llama 3.1 8B Instruct (4096 to 65,536) and layer 50 of
Llama 3.3 70B Instruct (8192 to 65,536); model and layer are told from the file's name.
"""

import re

from saelake.workers.dictionaries.base import LoadedDictionary
from saelake.workers.dictionaries.encoders import LinearEncoder
from saelake.workers.dictionaries.format import Format
from saelake.workers.dictionaries.nonlinearities import ReLU
from saelake.workers.dictionaries.source import DictionaryFiles
from saelake.workers.dictionaries.tensors import Tensors, tensor_names

_NAME = re.compile(r"(?P<model>Llama-[\w.-]+)-SAE-l(?P<layer>\d+)\.pth?")


def read(source: DictionaryFiles) -> LoadedDictionary:
    """The dictionary in a Goodfire checkpoint: ReLU(x·Wᵀ + b), nothing subtracted.

    Raises:
        DictionaryError: a tensor is missing or wrong.
    """
    path = source.only_checkpoint()
    tensors = Tensors.read(path)
    W_enc = tensors.take("encoder_linear.weight", None, None).T
    d_in, d_sae = W_enc.shape
    name = _NAME.fullmatch(path.name)
    return LoadedDictionary(
        architecture="standard",
        format=FORMAT.name,
        encoder=LinearEncoder(
            W_enc=W_enc,
            b_enc=tensors.take("encoder_linear.bias", d_sae),
            nonlinearity=ReLU(),
        ),
        W_dec=tensors.decoder("decoder_linear.weight", d_in, d_sae).T,
        hook_name=f"blocks.{name['layer']}.hook_resid_post" if name else None,
        model_name=f"meta-llama/{name['model']}" if name else None,
    )


def _recognises(source: DictionaryFiles) -> bool:
    path = source.checkpoint()
    if path is None or path.suffix not in (".pt", ".pth"):
        return False
    return "encoder_linear.weight" in tensor_names(path)


FORMAT = Format(
    name="goodfire",
    project="Goodfire",
    files="<model>-SAE-l<layer>.pth",
    fetched=(),
    architectures=("standard",),
    recognises=_recognises,
    read=read,
)
