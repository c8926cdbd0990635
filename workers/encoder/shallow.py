"""Models without the blocks that come after every hook point: they are not even loaded.

A forward run ends at the deepest hook point, so that blocks after it would only take memory and the
time to read them: of a model of 32 blocks read at block 12, more than half.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn

from saelake.store.errors import ModelError
from saelake.workers.encoder.hooks import HookPoint, blocks_of, resolve_hook


@dataclass(frozen=True, slots=True)
class Depth:
    """How deep a model is read: the first `n` of the modules in the list at the path `blocks`."""

    blocks: str
    n: int

    def has(self, key: str) -> bool:
        """Whether a tensor, by its name in a checkpoint, is of none of the blocks left out."""
        name = self.blocks.rpartition(".")[2]  # what is before it differs with the head
        _, found, rest = f".{key}".partition(f".{name}.")
        number = rest.partition(".")[0]
        return not found or not number.isdigit() or int(number) < self.n


def depth_of(module: nn.Module, names: Iterable[str]) -> Depth | None:
    """How deep the hook points of these names need a model; None where that is all of it.

    Also None where it is not known which blocks come before a place: in models of no family that
    is known, in those whose blocks run several times, and for modules that are in no block. A name
    that the model lacks is for others to refuse.
    """
    stack = blocks_of(module)
    if stack is None:
        return None
    path, n_blocks = stack
    try:
        needed = [_needed(resolve_hook(module, name)) for name in names]
    except ModelError:
        return None
    deepest = max((n for n in needed if n is not None), default=None)
    if deepest is None or None in needed or deepest >= n_blocks:
        return None
    return Depth(path, deepest)


def _needed(hook: HookPoint) -> int | None:
    return None if hook.layer is None else hook.layer + 1


def shallow(kind: type[Any], depth: Depth) -> type[Any]:
    """A class of models that is as `kind`, with the first blocks only.

    Its configuration still says how many blocks there are in the whole model, so that nothing else
    that follows from it changes.
    """

    def first_blocks(self: Any, *args: Any, **kwargs: Any) -> None:
        kind.__init__(self, *args, **kwargs)
        del self.get_submodule(depth.blocks)[depth.n :]

    return type(kind.__name__, (kind,), {"__init__": first_blocks, "__module__": kind.__module__})
