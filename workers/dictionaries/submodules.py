"""The place that a dictionary_learning run records: a submodule's name, and which side of it.

The library itself only copies `submodule_name` into `config.json`; its activation buffers hook a
module, and record as `io` whether they read its output, its input, or for a transcoder both. The
names are those that its scripts and published dictionaries have: `resid_post_layer_8`,
`mlp_out_layer3`, `attention_out_layer_3`, `mlp_layer_3`, `embed`, a module's path.
"""

import re
from types import MappingProxyType

from saelake.workers.dictionaries.config import Config

_NAME = re.compile(r"(?P<what>[a-z_]+?)_layer_?(?P<layer>\d+)")

# "mlp" and "attn" are the modules, of which `io` says the side.
_WHAT = MappingProxyType({
    "resid_pre": "hook_resid_pre", "resid_mid": "hook_resid_mid",
    "resid_post": "hook_resid_post", "resid_out": "hook_resid_post",
    "attn_in": "attn.hook_in", "attention_in": "attn.hook_in",
    "attn_out": "attn.hook_out", "attention_out": "attn.hook_out",
    "mlp_in": "mlp.hook_in", "mlp_out": "mlp.hook_out",
    "attn": "attn", "attention": "attn", "mlp": "mlp",
})  # fmt: skip

# Where these families norm what a module gives before it is added, TransformerLens's names mean
# what is added, and the buffers read the module.
_NORMED = re.compile(r"gemma-?[23]|olmo-?[23]", re.IGNORECASE)
_ADDED = MappingProxyType({"attn.hook_out": "hook_attn_out", "mlp.hook_out": "hook_mlp_out"})


def recorded_place(config: Config) -> str | None:
    """The hook point that a run's configuration records; the residual stream where only a layer is.

    Raises:
        DictionaryError: it is not understood, or its parts contradict each other.
    """
    trainer = config.section("trainer")
    name = trainer.text_or_none("submodule_name")
    io = config.section("buffer").text_or_none("io") or "out"
    if not name:
        layer = trainer.integer_or_none("layer")
        return None if layer is None else _resid(config, layer, io)
    if "." in name:
        return name if io == "out" or name.endswith((".input", ".output")) else f"{name}.input"
    if name == "embed" and io == "out":
        return "hook_embed"
    place = _named(trainer, name, io)
    if place is None:
        raise trainer.refuse(
            f"submodule_name is {name!r}" + (f" with io {io!r}" if io != "out" else "") + ", which "
            "names no place that is known here; say where in the model the dictionary belongs with "
            "--hook, for instance blocks.1.hook_mlp_out"
        )
    return place


def _resid(config: Config, layer: int, io: str) -> str:
    """The library's own default, a block: its output, or what it reads."""
    if io == "in_and_out":
        raise config.refuse(
            "a transcoder's submodule_name is missing; say what it reads with --hook, for instance "
            f"blocks.{layer}.mlp.hook_in"
        )
    return f"blocks.{layer}.hook_resid_{'pre' if io == 'in' else 'post'}"


def _named(trainer: Config, name: str, io: str) -> str | None:
    match = _NAME.fullmatch(name)
    what = _WHAT.get(match["what"]) if match else None
    if match is None or what is None:
        return None
    if what in ("attn", "mlp"):
        what = f"{what}.hook_{'out' if io == 'out' else 'in'}"
    elif io != "out" and not what.endswith(("_in", "_pre")):
        return None  # of the block or module that ends there the input was read: which is not said
    if not _NORMED.search(trainer.text_or_none("lm_name") or ""):
        what = _ADDED.get(what, what)
    return f"blocks.{match['layer']}.{what}"
