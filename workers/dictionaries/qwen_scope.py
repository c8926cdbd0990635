"""Qwen Scope checkpoints: `layer<n>.sae.pt`, one file for each layer of a model.

k and the model are told from the repository's name, `Qwen/SAE-Res-<model>-W<width>K-L0_<k>`.
"""

import re

from saelake.workers.dictionaries.base import LoadedDictionary
from saelake.workers.dictionaries.encoders import LinearEncoder
from saelake.workers.dictionaries.format import Format
from saelake.workers.dictionaries.nonlinearities import TopK
from saelake.workers.dictionaries.source import DictionaryFiles
from saelake.workers.dictionaries.tensors import Tensors

_FILE = re.compile(r"layer(\d+)\.sae\.pt")
_REPOSITORY = re.compile(r"SAE-Res-(?P<model>[\w.-]+)-W\d+K-L0_(?P<k>\d+)")


def read(source: DictionaryFiles) -> LoadedDictionary:
    """The dictionary in a Qwen Scope checkpoint: the k largest of x·W_encᵀ + b_enc, through ReLU.

    Raises:
        DictionaryError: a tensor is missing or wrong, or no folder of the path tells k.
    """
    path = source.only_checkpoint()
    tensors = Tensors.read(path)
    repository = _REPOSITORY.search(source.label)
    if repository is None:
        raise tensors.refuse(
            "does not hold its k; keep it in a folder that is named as its repository, "
            "SAE-Res-<model>-W<width>K-L0_<k>"
        )
    W_enc = tensors.take("W_enc", None, None).T
    d_in, d_sae = W_enc.shape
    k = int(repository["k"])
    if not 1 <= k <= d_sae:
        raise tensors.refuse(f"has {d_sae} features, and its folder's name tells k = {k}")
    layer = _FILE.fullmatch(path.name)
    return LoadedDictionary(
        architecture="topk",
        format=FORMAT.name,
        encoder=LinearEncoder(
            W_enc=W_enc,
            b_enc=tensors.take("b_enc", d_sae),
            nonlinearity=TopK(k=k),
        ),
        W_dec=tensors.decoder("W_dec", d_in, d_sae).T,
        hook_name=f"blocks.{layer[1]}.hook_resid_post" if layer else None,
        model_name=f"Qwen/{repository['model']}",
    )


def _recognises(source: DictionaryFiles) -> bool:
    path = source.checkpoint()
    return path is not None and _FILE.fullmatch(path.name) is not None


FORMAT = Format(
    name="qwen_scope",
    project="Qwen Scope",
    files="SAE-Res-<model>-W<width>K-L0_<k>/layer<n>.sae.pt",
    fetched=(),
    architectures=("topk",),
    recognises=_recognises,
    read=read,
)
