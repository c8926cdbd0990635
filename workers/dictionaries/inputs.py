"""Input steps: what a dictionary does to an activation before its encoder reads it."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from typing_extensions import override

from saelake.workers.dictionaries.components import Component


class InputStep(Component):
    """A map of activations `(n_tokens, d_in)` to activations of the same shape."""

    __slots__ = ()

    def __call__(self, x: Tensor) -> Tensor:
        """The step's output, a new tensor `(n_tokens, d_in)`."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Center(InputStep):
    """Subtract each token's mean over d_in.

    On a residual stream this equals what TransformerLens's `center_writing_weights` does to the
    model, for dictionaries that were trained on its activations (SAELens issue 469).
    """

    kind: ClassVar[str] = "center"

    @override
    def __call__(self, x: Tensor) -> Tensor:
        return x - x.mean(dim=-1, keepdim=True)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subtract(InputStep):
    """Subtract `offset` `(d_in,)`, as a rule the decoder's bias."""

    kind: ClassVar[str] = "subtract"
    offset: Tensor

    @override
    def __call__(self, x: Tensor) -> Tensor:
        return x - self.offset


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scale(InputStep):
    """Multiply by `factor`, as a rule √d_in over the average norm of the training activations."""

    kind: ClassVar[str] = "scale"
    factor: float

    @override
    def __call__(self, x: Tensor) -> Tensor:
        return x * self.factor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Whiten(InputStep):
    """`(x - mean) @ matrix`, with `mean` `(d_in,)` and `matrix` `(d_in, d_in)`.

    SAELens's covariance_whitening (arXiv 2511.13981).
    """

    kind: ClassVar[str] = "whiten"
    mean: Tensor
    matrix: Tensor

    @override
    def __call__(self, x: Tensor) -> Tensor:
        return (x - self.mean) @ self.matrix


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerNorm(InputStep):
    """Mean 0 and standard deviation 1 over d_in for each token.

    The deviation is the unbiased one, plus 1e-5: the `LN` of OpenAI's sparse_autoencoder, which
    SAELens repeats as `layer_norm`.
    """

    kind: ClassVar[str] = "layer_norm"

    @override
    def __call__(self, x: Tensor) -> Tensor:
        centered = x - x.mean(dim=-1, keepdim=True)
        return centered / (centered.std(dim=-1, keepdim=True) + 1e-5)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FixedNorm(InputStep):
    """Norm √d_in for each token: SAELens's constant_norm_rescale, OpenMOSS's token-wise."""

    kind: ClassVar[str] = "fixed_norm"

    @override
    def __call__(self, x: Tensor) -> Tensor:
        factor: Tensor = x.shape[-1] ** 0.5 / x.norm(dim=-1, keepdim=True)
        return x * factor
