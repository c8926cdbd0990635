"""Nonlinearities: which pre-activations become codes, and with what values."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from saelake.workers.dictionaries.components import Component
from saelake.workers.dictionaries.entries import Entries
from saelake.workers.dictionaries.positions import above, group_winners, strongest, strongest_of


class Nonlinearity(Component):
    """A map of pre-activations `(n, d_sae)` to codes of the same shape, most of them zero.

    Its sparse form comes in three steps, so that the pre-activations need never be there whole:
    `select` from a run of features, `cut` what was selected from several runs, and `values`.
    """

    __slots__ = ()

    @property
    def signed(self) -> bool:
        """Whether a code may be negative."""
        return False

    def dense(self, pre: Tensor) -> Tensor:
        """All codes `(n, d_sae)`: the published formula, in plain tensor operations."""
        raise NotImplementedError

    @property
    def splits(self) -> bool:
        """Whether it can select from a run of the features, and not only from all at once."""
        return True

    def select(self, pre: Tensor, features: slice) -> Tensor:
        """The entries of `pre` `(n, width)` that may become codes, as ascending positions.

        `pre` has the pre-activations of a run of `features`, and a position is
        `row * width + place in the run`. Selected from all features, every one is a code, though
        its value may be zero.
        """
        raise NotImplementedError

    def cut(self, selected: Entries) -> Entries:
        """Those that are codes, of all that were selected from the runs so far."""
        return selected

    def values(self, selected: Entries) -> Tensor:
        """The code of each entry, `(m,)`."""
        return selected.pre


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReLU(Nonlinearity):
    """max(pre, 0)."""

    kind: ClassVar[str] = "relu"

    @override
    def dense(self, pre: Tensor) -> Tensor:
        return pre.relu()

    @override
    def select(self, pre: Tensor, features: slice) -> Tensor:
        return above(pre, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JumpReLU(Nonlinearity):
    """ReLU(pre) where pre > `threshold` `(d_sae,)`, else 0 (arXiv 2407.14435).

    A dictionary that was trained with BatchTopK is this one with a single threshold.
    """

    kind: ClassVar[str] = "jumprelu"
    threshold: Tensor

    @override
    def dense(self, pre: Tensor) -> Tensor:
        return pre.relu() * (pre > self.threshold)

    @override
    def select(self, pre: Tensor, features: slice) -> Tensor:
        return above(pre, self.threshold[features].clamp(min=0.0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TopK(Nonlinearity):
    """The `k` largest pre-activations of each token, through ReLU (arXiv 2406.04093).

    Ties at the k-th place: see :func:`positions.strongest`.
    """

    kind: ClassVar[str] = "topk"
    k: int

    @override
    def dense(self, pre: Tensor) -> Tensor:
        return pre.relu() * _mask_of_largest(pre, self.k)

    @override
    def select(self, pre: Tensor, features: slice) -> Tensor:
        return strongest(pre, min(self.k, pre.shape[1]))

    @override
    def cut(self, selected: Entries) -> Entries:
        return selected[strongest_of(selected.pre, selected.row, selected.shape[0], self.k)]

    @override
    def values(self, selected: Entries) -> Tensor:
        return selected.pre.relu()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AbsTopK(Nonlinearity):
    """The `k` pre-activations of largest magnitude, with their signs (arXiv 2510.00404)."""

    kind: ClassVar[str] = "abstopk"
    k: int

    @property
    @override
    def signed(self) -> bool:
        return True

    @override
    def dense(self, pre: Tensor) -> Tensor:
        return pre * _mask_of_largest(pre.abs(), self.k)

    @override
    def select(self, pre: Tensor, features: slice) -> Tensor:
        return strongest(pre.abs(), min(self.k, pre.shape[1]))

    @override
    def cut(self, selected: Entries) -> Entries:
        scores = selected.pre.abs()
        return selected[strongest_of(scores, selected.row, selected.shape[0], self.k)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GroupMax(Nonlinearity):
    """The largest of each of `groups` equal runs of features, through ReLU (sparsify)."""

    kind: ClassVar[str] = "groupmax"
    groups: int

    @override
    def dense(self, pre: Tensor) -> Tensor:
        runs = pre.reshape(len(pre), self.groups, pre.shape[1] // self.groups)
        winners = torch.zeros_like(runs).scatter_(2, runs.argmax(dim=2, keepdim=True), 1)
        return pre.relu() * winners.flatten(1)

    @property
    @override
    def splits(self) -> bool:
        return False

    @override
    def select(self, pre: Tensor, features: slice) -> Tensor:
        return group_winners(pre, self.groups)

    @override
    def values(self, selected: Entries) -> Tensor:
        return selected.pre.relu()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gated(Nonlinearity):
    """ReLU(pre·exp(r_mag) + b_mag) where pre + b_gate > 0, else 0 (arXiv 2404.16014).

    Gate and magnitude share one product `pre` `(n, d_sae)`, to which no bias was added.
    """

    kind: ClassVar[str] = "gated"
    b_gate: Tensor
    b_mag: Tensor
    r_mag: Tensor

    @override
    def dense(self, pre: Tensor) -> Tensor:
        return (pre * self.r_mag.exp() + self.b_mag).relu() * (pre + self.b_gate > 0)

    @override
    def select(self, pre: Tensor, features: slice) -> Tensor:
        # In IEEE arithmetic pre + b > 0 exactly where pre > -b.
        return above(pre, -self.b_gate[features])

    @override
    def values(self, selected: Entries) -> Tensor:
        feature = selected.feature
        return (selected.pre * self.r_mag[feature].exp() + self.b_mag[feature]).relu()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rescaled(Nonlinearity):
    """The codes of `inner`, each times its feature's `scale` `(d_sae,)`."""

    kind: ClassVar[str] = "rescaled"
    inner: Nonlinearity
    scale: Tensor

    @property
    @override
    def signed(self) -> bool:
        return self.inner.signed

    @override
    def dense(self, pre: Tensor) -> Tensor:
        return self.inner.dense(pre) * self.scale

    @property
    @override
    def splits(self) -> bool:
        return self.inner.splits

    @override
    def select(self, pre: Tensor, features: slice) -> Tensor:
        return self.inner.select(pre, features)

    @override
    def cut(self, selected: Entries) -> Entries:
        return self.inner.cut(selected)

    @override
    def values(self, selected: Entries) -> Tensor:
        return self.inner.values(selected) * self.scale[selected.feature]


def _mask_of_largest(scores: Tensor, k: int) -> Tensor:
    """1 at each row's `k` largest scores, the lowest features among equals, else 0."""
    largest = scores.sort(dim=1, descending=True, stable=True).indices[:, :k]
    return torch.zeros_like(scores).scatter_(1, largest, 1)
