"""Pursuit: encoders that pick one dictionary row after another for what is left of a token."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from saelake.workers.dictionaries.encoders import Encoder
from saelake.workers.dictionaries.inputs import InputStep
from saelake.workers.dictionaries.positions import nonzero
from saelake.workers.dictionaries.tiles import Tile


class PursuitEncoder(Encoder):
    """Greedy codes over `atoms` `(d_sae, d_in)`, the rows of the decoder."""

    __slots__ = ()
    atoms: Tensor

    @property
    @override
    def weight(self) -> Tensor:
        return self.atoms.T

    @override
    def dense(self, x: Tensor) -> Tensor:
        return self._pursue(self._prepared(x))

    @override
    def sparse(self, x: Tensor, tile: Tile) -> Iterator[tuple[Tensor, Tensor]]:
        for chunk in torch.split(x, tile.rows):
            codes = self.dense(chunk)
            positions = nonzero(codes)
            yield positions, codes.take(positions)

    def _pursue(self, residual: Tensor) -> Tensor:
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MatchingPursuit(PursuitEncoder):
    """Non-negative matching pursuit with early stops, as SAELens's matching_pursuit (MP-SAE).

    In each round a token picks the row d that correlates best with its residual r, adds
    v = ReLU(r·d) to d's code, and subtracts v·d from r. It stops after a round that left
    ‖r‖ < `residual_threshold` (where that is positive), or, with `stop_on_repeat`, that added
    no new row; at the latest after `max_rounds` rounds.
    """

    kind: ClassVar[str] = "matching_pursuit"
    inputs: tuple[InputStep, ...] = ()
    atoms: Tensor
    residual_threshold: float
    stop_on_repeat: bool
    max_rounds: int

    def _pursue(self, residual: Tensor) -> Tensor:
        codes = residual.new_zeros((len(residual), len(self.atoms)))
        rows = torch.arange(len(residual), device=residual.device)  # the tokens that go on
        for _ in range(self.max_rounds):
            pick = (residual @ self.atoms.T).argmax(dim=1)
            atom = self.atoms[pick]
            value = (residual * atom).sum(dim=1).relu()
            repeated = (codes[rows, pick] != 0) | (value == 0)
            codes[rows, pick] += value
            residual = residual - value.unsqueeze(1) * atom
            going = ~self._stops(residual, repeated)
            rows, residual = rows[going], residual[going]
            if not len(rows):
                break
        return codes

    def _stops(self, residual: Tensor, repeated: Tensor) -> Tensor:
        stops = repeated if self.stop_on_repeat else torch.zeros_like(repeated)
        if self.residual_threshold > 0:
            stops = stops | (residual.norm(dim=1) < self.residual_threshold)
        return stops


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SignedPursuit(PursuitEncoder):
    """Matching pursuit by magnitude, exactly `k` rounds, as ITDA's `mp_encode`.

    In each round a token picks the row d of largest |r·d|, adds r·d to d's code, and subtracts
    (r·d)·d from r. A row may be picked again.
    """

    kind: ClassVar[str] = "signed_pursuit"
    inputs: tuple[InputStep, ...] = ()
    atoms: Tensor
    k: int

    @property
    @override
    def signed(self) -> bool:
        return True

    def _pursue(self, residual: Tensor) -> Tensor:
        codes = residual.new_zeros((len(residual), len(self.atoms)))
        rows = torch.arange(len(residual), device=residual.device)
        for _ in range(self.k):
            correlations = residual @ self.atoms.T
            pick = correlations.abs().argmax(dim=1)
            value = correlations[rows, pick]
            codes[rows, pick] += value
            residual = residual - value.unsqueeze(1) * self.atoms[pick]
        return codes
