"""Entries: the pre-activations of a matrix that become codes, and where they are."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entries:
    """Some entries of a matrix of pre-activations `(n, d_sae)`.

    Attributes:
        position: `(m,) int64`, ascending; `row * d_sae + feature`.
        pre: `(m,)`, their values in the matrix.
        shape: `(n, d_sae)`.
    """

    position: Tensor
    pre: Tensor
    shape: tuple[int, int]

    @classmethod
    def joined(cls, pieces: Sequence["Entries"]) -> "Entries":
        """The entries of several runs of features of one matrix."""
        if len(pieces) == 1:
            return pieces[0]
        position, order = torch.cat([piece.position for piece in pieces]).sort(stable=True)
        pre = torch.cat([piece.pre for piece in pieces])[order]
        return cls(position=position, pre=pre, shape=pieces[0].shape)

    def __len__(self) -> int:
        return len(self.position)

    def __getitem__(self, index: Tensor) -> "Entries":
        return Entries(position=self.position[index], pre=self.pre[index], shape=self.shape)

    @property
    def row(self) -> Tensor:
        """The row of each, `(m,) int64`."""
        return self.position // self.shape[1]

    @property
    def feature(self) -> Tensor:
        """The feature of each, `(m,) int64`."""
        return self.position % self.shape[1]
