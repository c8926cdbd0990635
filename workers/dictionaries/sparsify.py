"""EleutherAI sparsify folders: `<hook point>/cfg.json` and `sae.safetensors`.

As `SparseCoder.load_from_disk` and `fused_encoder` of eai-sparsify 1.3.
"""

import re
from pathlib import Path

from torch import Tensor

from saelake.workers.dictionaries.base import LoadedDictionary
from saelake.workers.dictionaries.config import Config
from saelake.workers.dictionaries.encoders import LinearEncoder
from saelake.workers.dictionaries.format import Format
from saelake.workers.dictionaries.inputs import InputStep, Subtract
from saelake.workers.dictionaries.nonlinearities import AbsTopK, GroupMax, Nonlinearity, TopK
from saelake.workers.dictionaries.source import DictionaryFiles
from saelake.workers.dictionaries.tensors import Tensors

_CONFIG = "cfg.json"
_WEIGHTS = "sae.safetensors"


def read(source: DictionaryFiles) -> LoadedDictionary:
    """The sparse coder in a sparsify folder, whose name is the hook point's module path.

    A sparse autoencoder reads the module's output, a transcoder its input (`Trainer.fit`).

    Raises:
        DictionaryError: a file, key or tensor is missing or wrong.
    """
    config = Config.read(source.path(_CONFIG))
    tensors = Tensors.read(source.path(source.file or _WEIGHTS))
    W_enc = _encoder_weight(config, tensors)
    d_in, d_sae = W_enc.shape
    run = Config.read_if_there(_run_folder(source) / "config.json")
    return LoadedDictionary(
        architecture=config.text_or_none("activation") or "topk",
        format=FORMAT.name,
        encoder=LinearEncoder(
            inputs=_inputs(config, tensors, d_in),
            W_enc=W_enc,
            b_enc=tensors.take("encoder.bias", d_sae),
            nonlinearity=_nonlinearity(config, d_sae),
        ),
        W_dec=tensors.decoder("W_dec", d_sae, None) if "W_dec" in tensors else None,
        hook_name=_hook_name(config, source),
        model_name=run.text_or_none("model"),
        context_size=run.integer_or_none("ctx_len"),
    )


def _encoder_weight(config: Config, tensors: Tensors) -> Tensor:
    d_in = config.integer("d_in")
    # 0 latents, or none in older files, stands for d_in times the expansion factor.
    expected = config.integer_or_none("num_latents") or d_in * config.integer("expansion_factor")
    return tensors.take("encoder.weight", expected, d_in).T


def _inputs(config: Config, tensors: Tensors, d_in: int) -> tuple[InputStep, ...]:
    if config.flag("transcode", default=False):
        return ()
    return (Subtract(offset=tensors.take("b_dec", d_in)),)


def _nonlinearity(config: Config, d_sae: int) -> Nonlinearity:
    k = config.integer("k")
    if not 1 <= k <= d_sae:
        raise config.refuse(f"k is {k}; expected 1 to the {d_sae} latents")
    activation = config.text_or_none("activation") or "topk"
    if activation == "groupmax":
        if d_sae % k:
            raise config.refuse(f"{d_sae} latents do not divide into k = {k} equal groups")
        return GroupMax(groups=k)
    if activation != "topk":
        raise config.refuse(f"activation is {activation!r}; expected topk or groupmax")
    # `signed` is a setting of versions before 1.0: the largest magnitudes, signs kept.
    return AbsTopK(k=k) if config.flag("signed", default=False) else TopK(k=k)


# Of several initialisations each has a folder in that of the hook point.
_SEED = re.compile(r"seed\d+")


def _hook_name(config: Config, source: DictionaryFiles) -> str:
    label = source.label.removesuffix(f"/{source.file}") if source.file else source.label
    parts = [part for part in label.split("/") if part]
    if len(parts) > 1 and _SEED.fullmatch(parts[-1]):
        parts.pop()
    module_path = parts[-1]
    return f"{module_path}.input" if config.flag("transcode", default=False) else module_path


def _run_folder(source: DictionaryFiles) -> Path:
    above = source.folder.parent
    return above.parent if _SEED.fullmatch(source.folder.name) else above


FORMAT = Format(
    name="sparsify",
    project="EleutherAI sparsify",
    files=f"<hook point>/{_CONFIG} + {_WEIGHTS}",
    fetched=(_CONFIG, _WEIGHTS),
    architectures=("topk", "groupmax"),
    recognises=lambda source: source.has(_CONFIG) and source.offers(_WEIGHTS),
    read=read,
)
