"""Where in a model an activation is read: a name resolved to one side of one module."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from saelake.store.errors import ModelError
from saelake.workers.encoder.families import BLOCK, ModelFamily, Side, Site, known_family
from saelake.workers.encoder.parts import ColumnRuns, Normalized, VectorPart

# What a model with a head, or with vision, has before the paths that its `AutoModel` knows.
_HEADED_PREFIXES = ("model.", "transformer.", "bert.", "roberta.", "gpt_neox.", "language_model.")

# Where a model of several kinds of input has its language part.
_LANGUAGE_PARTS = ("language_model", "text_model")

_HEAD = re.compile(r"(?P<whole>.+\.attn\.hook_(?P<of>[qkvz]))\.(?P<head>\d+)")
_CALL = re.compile(r"(?P<path>.+)\.call\.(?P<call>\d+)")

# Of norms that do not say theirs.
_EPS = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class HookPoint:
    """One side of one module, where activations `(rows, length, d)` pass in a forward run.

    Attributes:
        name: as it was asked for.
        module_path: the module within the transformers `AutoModel`.
        side: whether the module's first input or its first output is read.
        layer: the block's index, counted from 0; None outside of the blocks.
        parts: what is meant of the vector that passes there, one step after the other; all of
            it without any.
        call: which of the module's runs in a forward, counted from 0; None where it has one.
    """

    name: str
    module_path: str
    side: Side
    layer: int | None
    parts: tuple[VectorPart, ...] = ()
    call: int | None = None


def resolve_hook(module: nn.Module, name: str) -> HookPoint:
    """The hook point of a TransformerLens name or of a module path.

    TransformerLens names are those of `families`, as `blocks.N.hook_resid_post`. They mean the
    place that TransformerLens gives the name, in the model as transformers runs it: without
    TransformerLens's folding and centering of weights.

    - `hook_mlp_in` is the residual stream before the MLP's norm, `mlp.hook_in` what the MLP reads.
    - `ln1.hook_normalized` and `ln2.hook_normalized` are a norm's result before its gain and bias.
    - `attn.hook_q`, `hook_k` and `hook_v` are before norms of heads and before rotation, and have
      as many heads as the model has of each; like `attn.hook_z` they have their heads flattened,
      `(rows, length, n_heads * d_head)`. With a number after the name (`attn.hook_z.5`) they are
      that head alone, counted from 0.

    A model of a family that is not known has only `hook_resid_pre` and `hook_resid_post`, the
    input and the output of a block.

    BERT and its like differ from TransformerLens in one name: `hook_resid_post` is the block's
    output, after its last LayerNorm, which TransformerLens calls `hook_normalized_resid_post`
    (also known here). The sum before that LayerNorm is
    `encoder.layer.N.output.LayerNorm.input`.

    A module path (`layers.5.mlp`, `encoder.layer.3`) means the module's output; with `.input`
    appended, its input. A prefix of the model with a head (`model.`, `transformer.`, `bert.`) is
    left out where `AutoModel` has none. Of a module that runs several times in a forward, one
    run is chosen with `.call.N` appended, counted from 0.

    Raises:
        ModelError: no such place in this model; the message lists the nearest names.
    """
    stack = _Stack.of(module)
    hook = stack.hook(name) or _module_hook(module, name, stack)
    if hook is None:
        raise _unknown(module, name, stack)
    return hook


def same_place(module: nn.Module, one: str, other: str) -> bool:
    """Whether two names mean one place of the model, as far as their modules tell.

    The input of a block is the output of the one before. A name that the model does not have
    means no place.
    """
    if one == other:
        return True
    try:
        stack = _Stack.of(module)
        return stack.place(resolve_hook(module, one)) == stack.place(resolve_hook(module, other))
    except ModelError:
        return False


def blocks_of(module: nn.Module) -> tuple[str, int] | None:
    """The path of a model's list of blocks and their number, if each runs once, one after another.

    None also for a model of a family that is not known.
    """
    stack = _Stack.of(module)
    if not stack.family.whole or stack.family.shared or not stack.n_blocks:
        return None
    return stack.blocks, stack.n_blocks


def block_list(module: nn.Module) -> tuple[str, int] | None:
    """The path of a model's list of blocks, and how many modules it has; None where none is found.

    Unlike with `blocks_of`, it is not sure that each of them runs once, or in this order.
    """
    stack = _Stack.of(module)
    blocks = _submodule(module, stack.blocks)
    if not isinstance(blocks, nn.ModuleList) or not len(blocks):
        return None
    return stack.blocks, len(blocks)


@dataclass(frozen=True, slots=True)
class _Stack:
    """The language part of a model: where it lies, its family, its blocks and its heads."""

    module: nn.Module
    path: str
    family: ModelFamily
    n_blocks: int

    @classmethod
    def of(cls, module: nn.Module) -> "_Stack":
        path: str = next((path for path in _LANGUAGE_PARTS if _has_config(module, path)), "")
        text = module.get_submodule(path)
        family = known_family(text.config) or _unknown_family(text)
        blocks = _submodule(text, family.blocks)
        n_modules = len(blocks) if isinstance(blocks, nn.ModuleList) else 0
        config: Any = text.config
        n_blocks = config.num_hidden_layers if family.shared else n_modules
        return cls(module, path, family, n_blocks)

    @property
    def blocks(self) -> str:
        """The module path of the list of blocks."""
        return _join(self.path, self.family.blocks)

    def sites(self) -> Iterator[tuple[str, Site, int | None]]:
        """Every TransformerLens name that the model has, with its site and its layer."""
        for name, site in self.family.whole.items():
            yield name, replace(site, path=_join(self.path, site.path)), None
        for n in range(self.n_blocks):
            block, call = self._block(n)
            for name, site in self.family.within.items():
                path = _join(self.blocks, str(block), site.path)
                if _submodule(self.module, path) is not None:
                    yield f"blocks.{n}.{name}", replace(site, path=path, call=call), n

    def hook(self, name: str) -> HookPoint | None:
        """The hook point of a TransformerLens name, if the model has it."""
        head = _HEAD.fullmatch(name)
        whole = head["whole"] if head else name
        found = next(((site, n) for known, site, n in self.sites() if known == whole), None)
        if found is None:
            return None
        site, layer = found
        parts = self._parts(site)
        if head:
            parts = (*parts, self._head(name, head["of"], int(head["head"])))
        return HookPoint(
            name=name,
            module_path=site.path,
            side=site.side,
            layer=layer,
            parts=parts,
            call=site.call,
        )

    def layer(self, path: str) -> int | None:
        """The layer that a module is of."""
        match = re.match(re.escape(self.blocks) + r"\.(\d+)(\.|$)", path)
        return int(match[1]) if match and not self.family.shared else None

    def place(self, hook: HookPoint) -> tuple[object, ...]:
        """What tells hook points of different names apart."""
        path, side = hook.module_path, hook.side
        layer = hook.layer or 0
        is_known = bool(self.family.whole)  # else anything may be between two blocks
        if is_known and layer and side == "input" and path == _join(self.blocks, str(layer)):
            path, side = _join(self.blocks, str(layer - 1)), "output"
        return path, side, hook.parts, hook.call

    def _block(self, n: int) -> tuple[int, int | None]:
        """The module of the n-th block, and in which of its runs it is that block."""
        if not self.family.shared:
            return n, None
        n_modules = len(self.module.get_submodule(self.blocks))  # type: ignore[arg-type]
        modules = [int(i / (self.n_blocks / n_modules)) for i in range(self.n_blocks)]
        n_runs = modules.count(modules[n])
        return modules[n], modules[:n].count(modules[n]) if n_runs > 1 else None

    def _parts(self, site: Site) -> tuple[VectorPart, ...]:
        match site.meant:
            case "all":
                return ()
            case "normalized":
                return (_normalized(self.module.get_submodule(site.path)),)
            case "gate" | "up":
                half = self._text.intermediate_size
                first = 0 if site.meant == "gate" else half
                return (ColumnRuns(start=first, stop=first + half),)
        return (self._projection("qkv".index(site.meant)),)

    def _projection(self, place: int) -> ColumnRuns:
        """Queries, keys or values of a projection that makes all three."""
        if self.family.qkv_by_head:
            start = place * self._d_head
            return ColumnRuns(groups=self._n_heads("q"), start=start, stop=start + self._d_head)
        widths = [self._n_heads(of) * self._d_head for of in "qkv"]
        return ColumnRuns(start=sum(widths[:place]), stop=sum(widths[: place + 1]))

    def _head(self, name: str, of: str, head: int) -> ColumnRuns:
        n_heads = self._n_heads(of)
        if head >= n_heads:
            raise ModelError(
                f"the model has no hook point {name}: it has heads 0 to {n_heads - 1} there",
                hook=name,
            )
        return ColumnRuns(start=head * self._d_head, stop=(head + 1) * self._d_head)

    @property
    def _text(self) -> Any:
        return self.module.get_submodule(self.path).config

    @property
    def _d_head(self) -> int:
        text = self._text
        stated = getattr(text, "head_dim", None)
        return int(stated or text.hidden_size // text.num_attention_heads)

    def _n_heads(self, of: str) -> int:
        """How many heads queries (and `z`), keys or values have."""
        text = self._text
        shared = getattr(text, "num_key_value_heads", None) if of in "kv" else None
        return int(shared or text.num_attention_heads)


def _normalized(norm: nn.Module) -> Normalized:
    stated = (getattr(norm, name, None) for name in ("eps", "variance_epsilon"))
    eps = next((float(eps) for eps in stated if eps is not None), _EPS)
    return Normalized(centered=isinstance(norm, nn.LayerNorm), eps=eps)


def _unknown_family(text: Any) -> ModelFamily:
    n_blocks = getattr(text.config, "num_hidden_layers", 0)
    return ModelFamily(blocks=_block_list(text, n_blocks), within=BLOCK, whole={})


def _block_list(text: nn.Module, n_blocks: int) -> str:
    """The path of the outermost list of `n_blocks` modules; "" where there is none."""
    lists = (
        path
        for path, module in text.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == n_blocks
    )
    return next(lists, "")


def _module_hook(module: nn.Module, name: str, stack: _Stack) -> HookPoint | None:
    """The hook point of a module path, if the model has it."""
    chosen = _CALL.fullmatch(name)
    site = _module_site(module, chosen["path"] if chosen else name, stack)
    if site is None:
        return None
    return HookPoint(
        name=name,
        module_path=site.path,
        side=site.side,
        layer=stack.layer(site.path),
        call=int(chosen["call"]) if chosen else None,
    )


def _module_site(module: nn.Module, name: str, stack: _Stack) -> Site | None:
    for path in _paths(name, stack.path):
        if _submodule(module, path):
            return Site(path, "output")
        stem, _, side = path.rpartition(".")
        if side in ("input", "output") and _submodule(module, stem):
            return Site(stem, "input" if side == "input" else "output")
    return None


def _paths(name: str, language: str) -> Iterator[str]:
    """What a path may mean: with fewer prefixes, or within a model's language part."""
    for path in _without_prefixes(name):
        yield path
        if language and path:
            yield _join(language, path)


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


def _has_config(module: nn.Module, path: str) -> bool:
    return getattr(_submodule(module, path), "config", None) is not None


def _join(*parts: str) -> str:
    return ".".join(filter(None, parts))


def _unknown(module: nn.Module, name: str, stack: _Stack) -> ModelError:
    names = [known for known, _, _ in stack.sites()]
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
