"""Where in a model an activation is read: a name resolved to one side of one module."""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from saelake.store.errors import ModelError

Side = Literal["input", "output"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HookPoint:
    """One side of one module, where activations `(rows, length, d)` pass in a forward run.

    Attributes:
        name: as it was asked for.
        module_path: the module within the transformers `AutoModel`.
        side: whether the module's first input or its first output is read.
        layer: the block's index, counted from 0; None outside of the blocks.
    """

    name: str
    module_path: str
    side: Side
    layer: int | None


def resolve_hook(module: nn.Module, name: str) -> HookPoint:
    """The hook point of a TransformerLens name or of a module path.

    TransformerLens names are `blocks.N.` with `hook_resid_pre`, `hook_resid_mid`,
    `hook_resid_post`, `hook_attn_out`, `hook_mlp_out` or `attn.hook_z`, and `hook_embed`. They
    mean the place that TransformerLens gives the name, in the model as transformers runs it:
    without TransformerLens's folding and centering of weights. `attn.hook_z` has its heads
    flattened, `(rows, length, n_heads * d_head)`. A model of a family that is not known here has
    only `hook_resid_pre` and `hook_resid_post`, the input and the output of a block.

    BERT and RoBERTa differ from TransformerLens in one name: `hook_resid_post` is the block's
    output, after its last LayerNorm, which TransformerLens calls `hook_normalized_resid_post`
    (also known here). The sum before that LayerNorm is
    `encoder.layer.N.output.LayerNorm.input`.

    A module path (`layers.5.mlp`, `encoder.layer.3`) means the module's output; with `.input`
    appended, its input. A prefix of the model with a head (`model.`, `transformer.`, `bert.`) is
    left out where `AutoModel` has none.

    Raises:
        ModelError: no such place in this model; the message lists the nearest names.
    """
    stack = _Stack.of(module)
    sites = dict(stack.sites())
    if name in sites:
        path, side = sites[name]
    elif found := _module_site(module, name):
        path, side = found
    else:
        raise _unknown(module, name, stack, list(sites))
    return HookPoint(name=name, module_path=path, side=side, layer=_layer(path, stack))


_Site = tuple[str, Side]


@dataclass(frozen=True, slots=True, kw_only=True)
class _ModelFamily:
    """The places of a family of models: within each block, and within the whole stack."""

    blocks: str
    within: Mapping[str, _Site]
    whole: Mapping[str, _Site]


_BLOCK: Mapping[str, _Site] = {"hook_resid_pre": ("", "input"), "hook_resid_post": ("", "output")}

_GPT2 = _ModelFamily(
    blocks="h",
    within={
        **_BLOCK,
        "hook_resid_mid": ("ln_2", "input"),
        "hook_attn_out": ("attn", "output"),
        "hook_mlp_out": ("mlp", "output"),
        "attn.hook_z": ("attn.c_proj", "input"),
    },
    whole={"hook_embed": ("wte", "output")},
)

# Attention and MLP both read the block's input: there is no residual stream between them.
_GPT_NEOX = _ModelFamily(
    blocks="layers",
    within={
        **_BLOCK,
        "hook_attn_out": ("attention", "output"),
        "hook_mlp_out": ("mlp", "output"),
        "attn.hook_z": ("attention.dense", "input"),
    },
    whole={"hook_embed": ("embed_in", "output")},
)

_GPT_NEOX_SEQUENTIAL = _ModelFamily(
    blocks="layers",
    within={**_GPT_NEOX.within, "hook_resid_mid": ("post_attention_layernorm", "input")},
    whole=_GPT_NEOX.whole,
)

# The embedding is read where it enters the first block: Gemma scales it on the way there.
_LLAMA = _ModelFamily(
    blocks="layers",
    within={
        **_BLOCK,
        "hook_resid_mid": ("post_attention_layernorm", "input"),
        "hook_attn_out": ("self_attn", "output"),
        "hook_mlp_out": ("mlp", "output"),
        "attn.hook_z": ("self_attn.o_proj", "input"),
    },
    whole={"hook_embed": ("layers.0", "input")},
)

# Gemma 2 and 3 norm what a sublayer adds, and TransformerLens's names mean what is added.
_GEMMA2 = _ModelFamily(
    blocks="layers",
    within={
        **_LLAMA.within,
        "hook_resid_mid": ("pre_feedforward_layernorm", "input"),
        "hook_attn_out": ("post_attention_layernorm", "output"),
        "hook_mlp_out": ("post_feedforward_layernorm", "output"),
    },
    whole=_LLAMA.whole,
)

# Sublayers are read before the residual sum and LayerNorm that follow them.
_BERT = _ModelFamily(
    blocks="encoder.layer",
    within={
        **_BLOCK,
        "hook_normalized_resid_post": ("", "output"),
        "hook_resid_mid": ("attention.output.LayerNorm", "input"),
        "hook_attn_out": ("attention.output.dense", "output"),
        "hook_mlp_out": ("output.dense", "output"),
        "attn.hook_z": ("attention.output.dense", "input"),
    },
    whole={
        "hook_embed": ("embeddings.word_embeddings", "output"),
        "hook_full_embed": ("embeddings", "output"),
    },
)

_FAMILIES = {
    "bert": _BERT,
    "camembert": _BERT,
    "gemma": _LLAMA,
    "gemma2": _GEMMA2,
    "gemma3_text": _GEMMA2,
    "gpt2": _GPT2,
    "gpt_neox": _GPT_NEOX,
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "mixtral": _LLAMA,
    "olmo": _LLAMA,
    "phi3": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
    "qwen3_moe": _LLAMA,
    "roberta": _BERT,
    "smollm3": _LLAMA,
    "xlm-roberta": _BERT,
}

# What a model with a head, or with vision, has before the paths that its `AutoModel` knows.
_HEADED_PREFIXES = ("model.", "transformer.", "bert.", "roberta.", "gpt_neox.", "language_model.")


@dataclass(frozen=True, slots=True)
class _Stack:
    """The language part of a model: where it lies, its family and its number of blocks."""

    path: str
    family: _ModelFamily
    n_blocks: int

    @classmethod
    def of(cls, module: nn.Module) -> "_Stack":
        path = "language_model" if _submodule(module, "language_model") else ""
        text = module.get_submodule(path)
        family = _family(text)
        blocks = _submodule(text, family.blocks)
        return cls(path, family, len(blocks) if isinstance(blocks, nn.ModuleList) else 0)

    def sites(self) -> Iterator[tuple[str, _Site]]:
        """Every TransformerLens name of the model with its module path and side."""
        for name, (path, side) in self.family.whole.items():
            yield name, (_join(self.path, path), side)
        for n in range(self.n_blocks):
            for name, (path, side) in self.family.within.items():
                yield f"blocks.{n}.{name}", (_join(self.blocks, str(n), path), side)

    @property
    def blocks(self) -> str:
        """The module path of the list of blocks."""
        return _join(self.path, self.family.blocks)


def _family(text: nn.Module) -> _ModelFamily:
    config: Any = text.config
    if config.model_type == "gpt_neox" and not config.use_parallel_residual:
        return _GPT_NEOX_SEQUENTIAL
    return _FAMILIES.get(config.model_type) or _ModelFamily(
        blocks=_block_list(text, getattr(config, "num_hidden_layers", 0)), within=_BLOCK, whole={}
    )


def _block_list(text: nn.Module, n_blocks: int) -> str:
    """The path of the outermost list of `n_blocks` modules; "" where there is none."""
    lists = (
        path
        for path, module in text.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == n_blocks
    )
    return next(lists, "")


def _module_site(module: nn.Module, name: str) -> _Site | None:
    for path in _without_prefixes(name):
        if _submodule(module, path):
            return path, "output"
        stem, _, side = path.rpartition(".")
        if side in ("input", "output") and _submodule(module, stem):
            return stem, "input" if side == "input" else "output"
    return None


def _without_prefixes(name: str) -> Iterator[str]:
    """`name`, then `name` with one leading prefix of a headed model after another left out."""
    yield name
    while prefix := next((p for p in _HEADED_PREFIXES if name.startswith(p)), None):
        name = name.removeprefix(prefix)
        yield name


def _submodule(module: nn.Module, path: str) -> nn.Module | None:
    try:
        return module.get_submodule(path) if path else None
    except AttributeError:
        return None


def _layer(path: str, stack: _Stack) -> int | None:
    match = re.match(re.escape(stack.blocks) + r"\.(\d+)(\.|$)", path)
    return int(match[1]) if match else None


def _join(*parts: str) -> str:
    return ".".join(filter(None, parts))


def _unknown(module: nn.Module, name: str, stack: _Stack, names: list[str]) -> ModelError:
    modules = [path for path, _ in module.named_modules() if path]
    nearest = difflib.get_close_matches(name, names + modules, n=4, cutoff=0.5)
    hint = f" (near it: {', '.join(nearest)})" if nearest else ""
    return ModelError(f"the model has no hook point {name}{hint}. {_offer(stack)}", hook=name)


def _offer(stack: _Stack) -> str:
    if not stack.n_blocks:
        return "Give a module path, as the model's named_modules() lists them"
    points = ", ".join([*stack.family.within, *stack.family.whole])
    return (
        f"It has blocks 0 to {stack.n_blocks - 1} with {points}; a module path also works, such as "
        f"{stack.blocks}.0"
    )
