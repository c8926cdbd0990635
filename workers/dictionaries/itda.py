"""ITDA folders: `atoms.pt` (stored activations as unit rows) and `metadata.yaml`.

As `ITDA.from_pretrained` and `mp_encode` of the authors' train.py (arXiv 2505.17769).
"""

from saelake.workers.dictionaries.base import LoadedDictionary
from saelake.workers.dictionaries.config import Config
from saelake.workers.dictionaries.format import Format
from saelake.workers.dictionaries.pursuit import SignedPursuit
from saelake.workers.dictionaries.source import DictionaryFiles
from saelake.workers.dictionaries.tensors import Tensors

_ATOMS = "atoms.pt"
_CONFIG = "metadata.yaml"

# `from_pretrained` takes 40 where the metadata has no k.
_DEFAULT_K = 40


def read(source: DictionaryFiles) -> LoadedDictionary:
    """The dictionary in an ITDA folder, encoded by matching pursuit with k rounds.

    Raises:
        DictionaryError: a file or tensor is missing or wrong.
    """
    config = Config.read(source.path(_CONFIG))
    tensors = Tensors.read(source.path(_ATOMS))
    atoms = tensors.take("atoms", None, config.integer_or_none("activation_dim"))
    k = config.integer_or_none("k") or _DEFAULT_K
    layer = config.integer_or_none("layer")
    return LoadedDictionary(
        architecture="itda",
        format=FORMAT.name,
        encoder=SignedPursuit(atoms=atoms, k=k),
        W_dec=tensors.stored("atoms", *atoms.shape),
        hook_name=None if layer is None else f"blocks.{layer}.hook_resid_post",
        model_name=config.text_or_none("lm_name"),
        context_size=config.integer_or_none("seq_len"),
    )


FORMAT = Format(
    name="itda",
    project="ITDA",
    files=f"{_ATOMS} + {_CONFIG}",
    fetched=(_ATOMS, _CONFIG),
    architectures=("itda",),
    recognises=lambda source: source.has(_CONFIG) and source.offers(_ATOMS),
    read=read,
)
