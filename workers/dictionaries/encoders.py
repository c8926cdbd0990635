"""Encoders: activations in, codes out, one bounded dense matrix at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from saelake.workers.dictionaries.components import Component
from saelake.workers.dictionaries.entries import Entries
from saelake.workers.dictionaries.inputs import InputStep
from saelake.workers.dictionaries.nonlinearities import Nonlinearity
from saelake.workers.dictionaries.tiles import Tile

# What was selected from so many blocks of features is cut before more is: it is sorted each time.
_BLOCKS_PER_CUT = 8


class Encoder(Component):
    """What turns activations `(n_tokens, d_in)` into codes `(n_tokens, d_sae)`.

    Attributes:
        inputs: the steps that an activation passes first, in order.
    """

    __slots__ = ()
    inputs: tuple[InputStep, ...]

    @property
    def weight(self) -> Tensor:
        """The matrix that activations are multiplied with, `(d_in, d_sae)`."""
        raise NotImplementedError

    @property
    def signed(self) -> bool:
        """Whether a code may be negative."""
        return False

    def dense(self, x: Tensor) -> Tensor:
        """All codes of `x`, `(n_tokens, d_sae)`."""
        raise NotImplementedError

    @property
    def splits(self) -> bool:
        """Whether it can encode a run of the features at a time."""
        return False

    def sparse(self, x: Tensor, tile: Tile) -> Iterator[tuple[Tensor, Tensor]]:
        """For each chunk of `tile.rows` tokens, (ascending positions, values), some perhaps zero.

        Of no more pre-activations than a tile has at one time, where it `splits`.
        """
        raise NotImplementedError

    def tile(self, chunk_bytes: int) -> Tile:
        """What to encode at once, for a dense matrix of at most `chunk_bytes`."""
        weight = self.weight
        fit = Tile.fitting if self.splits else Tile.whole_rows
        return fit(
            weight.shape[1],
            chunk_bytes=chunk_bytes,
            item_bytes=weight.element_size(),
            cpu=weight.device.type == "cpu",
        )

    def _prepared(self, x: Tensor) -> Tensor:
        for step in self.inputs:
            x = step(x)
        return x


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LinearEncoder(Encoder):
    """A nonlinearity of `z @ W_enc + b_enc`, for z the prepared activation.

    Attributes:
        W_enc: `(d_in, d_sae)`.
        b_enc: `(d_sae,)`, or None where the nonlinearity adds its own biases.
    """

    kind: ClassVar[str] = "linear"
    inputs: tuple[InputStep, ...] = ()
    W_enc: Tensor
    b_enc: Tensor | None
    nonlinearity: Nonlinearity

    @property
    @override
    def weight(self) -> Tensor:
        return self.W_enc

    @property
    @override
    def signed(self) -> bool:
        return self.nonlinearity.signed

    @override
    def dense(self, x: Tensor) -> Tensor:
        pre = self._prepared(x) @ self.W_enc
        return self.nonlinearity.dense(pre if self.b_enc is None else pre + self.b_enc)

    @property
    @override
    def splits(self) -> bool:
        return self.nonlinearity.splits

    @override
    def sparse(self, x: Tensor, tile: Tile) -> Iterator[tuple[Tensor, Tensor]]:
        # One matrix for all tiles: a fresh one each time would be paged in each time.
        scratch = x.new_empty(min(tile.rows, len(x)) * tile.width)
        for chunk in torch.split(x, tile.rows):
            selected = self._selected(self._prepared(chunk), tile, scratch)
            yield selected.position, self.nonlinearity.values(selected)

    def _selected(self, z: Tensor, tile: Tile, scratch: Tensor) -> Entries:
        """The entries of `z @ W_enc + b_enc` that become codes."""
        found: list[Entries] = []
        for number, features in enumerate(tile.blocks(self.W_enc.shape[1]), 1):
            found.append(self._block(z, features, scratch))
            if number % _BLOCKS_PER_CUT == 0:
                found = [self.nonlinearity.cut(Entries.joined(found))]
        whole = Entries.joined(found)
        return whole if len(found) == 1 else self.nonlinearity.cut(whole)

    def _block(self, z: Tensor, features: slice, scratch: Tensor) -> Entries:
        """The entries of a run of features that may become codes."""
        n, width, d_sae = len(z), features.stop - features.start, self.W_enc.shape[1]
        pre = self._pre(z, features, scratch[: n * width].view(n, width))
        position = self.nonlinearity.select(pre, features)
        found = pre.take(position)
        if width < d_sae:
            position = position // width * d_sae + position % width + features.start
        return Entries(position=position, pre=found, shape=(n, d_sae))

    def _pre(self, z: Tensor, features: slice, out: Tensor) -> Tensor:
        if self.b_enc is None:
            return torch.mm(z, self.W_enc[:, features], out=out)
        return torch.addmm(self.b_enc[features], z, self.W_enc[:, features], out=out)
