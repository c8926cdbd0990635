"""Encoders: activations in, codes out, one bounded dense matrix at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from saelake.workers.dictionaries.inputs import InputStep
from saelake.workers.dictionaries.nonlinearities import Nonlinearity
from saelake.workers.dictionaries.pieces import Piece

# On the CPU a chunk that stays in the last-level cache saves a trip to memory for each pass over
# it, but matrix products lose speed below some hundred rows. Measured on a Zen 5 core, 384 to
# 4,096: 256, 512, 1,024 and 4,096 rows took 46, 44, 43 and 45 us a token.
_CPU_CHUNK_BYTES = 16 * 2**20
_CPU_MIN_ROWS = 512


class Encoder(Piece):
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

    def sparse(self, x: Tensor, rows: int) -> Iterator[tuple[Tensor, Tensor]]:
        """For each chunk of `rows` tokens, (ascending positions, values), some perhaps zero."""
        raise NotImplementedError

    def rows_per_chunk(self, chunk_bytes: int) -> int:
        """How many tokens to encode at once, for a `[rows, d_sae]` matrix of `chunk_bytes`."""
        row_bytes = self.weight.shape[1] * self.weight.element_size()
        most = max(1, chunk_bytes // row_bytes)
        if self.weight.device.type != "cpu":
            return most
        return min(most, max(_CPU_MIN_ROWS, _CPU_CHUNK_BYTES // row_bytes))

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

    @override
    def sparse(self, x: Tensor, rows: int) -> Iterator[tuple[Tensor, Tensor]]:
        # One matrix for all chunks: a fresh one each time would be paged in each time.
        pre = x.new_empty((min(rows, len(x)), self.W_enc.shape[1]))
        for chunk in torch.split(x, rows):
            yield self.nonlinearity.sparse(self._pre(chunk, pre[: len(chunk)]))

    def _pre(self, x: Tensor, out: Tensor) -> Tensor:
        if self.b_enc is None:
            return torch.mm(self._prepared(x), self.W_enc, out=out)
        return torch.addmm(self.b_enc, self._prepared(x), self.W_enc, out=out)
