"""Parts: what a hook point means of the vector that a module reads or gives."""

from dataclasses import dataclass

from torch import Tensor
from typing_extensions import override


class VectorPart:
    """A map of vectors `(n_tokens, d)` to those that are meant, `(n_tokens, d_part)`."""

    __slots__ = ()

    def __call__(self, x: Tensor) -> Tensor:
        """The part, in the dtype of `x`."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRuns(VectorPart):
    """The columns `start` to `stop` of each of `groups` equal runs of columns.

    Queries, keys and values of one projection stand one after the other (GPT-2, Phi-3), or so
    for each head (GPT-NeoX: a group is a head).
    """

    groups: int = 1
    start: int
    stop: int

    @override
    def __call__(self, x: Tensor) -> Tensor:
        runs = x.view(len(x), self.groups, x.shape[1] // self.groups)
        return runs[:, :, self.start : self.stop].reshape(len(x), -1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalized(VectorPart):
    """What a norm makes of its input before its gain and bias: `(x - mean) / sqrt(var + eps)`.

    Without `centered` of an RMSNorm: `x / sqrt(mean(x²) + eps)`. This is TransformerLens's
    `hook_normalized` (components/layer_norm.py, rms_norm.py), computed in float32 as there. Gemma
    Scope's transcoders were trained on it: the gain was folded into the MLP (arXiv 2408.05147,
    appendix B).
    """

    centered: bool
    eps: float

    @override
    def __call__(self, x: Tensor) -> Tensor:
        wide = x.float()
        if self.centered:
            wide = wide - wide.mean(dim=-1, keepdim=True)
        scale = (wide.square().mean(dim=-1, keepdim=True) + self.eps).sqrt()
        return (wide / scale).to(x.dtype)
