"""The codes of a page while they are tensors, on whichever device made them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from saelake.workers.dictionaries.codes import TokenCodes
from saelake.workers.encoder.pack import FEATURE_BITS, POSITION_BITS, PageCodes


@dataclass(frozen=True, slots=True, eq=False)
class DeviceCodes:
    """`PageCodes` as tensors, all (nnz,): three int32, and `value` float32."""

    row: Tensor
    position: Tensor
    feature: Tensor
    value: Tensor

    @classmethod
    def of(
        cls, codes: TokenCodes, row: npt.NDArray[np.int32], position: npt.NDArray[np.int64]
    ) -> Self:
        """The codes of tokens that are at `row` and `position`, both (n_tokens,)."""
        device = codes.token.device
        rows = torch.from_numpy(row).to(device)
        positions = torch.from_numpy(position.astype(np.int32)).to(device)
        return cls(rows[codes.token], positions[codes.token], codes.feature, codes.value)

    @classmethod
    def joined(cls, pieces: Sequence["DeviceCodes"]) -> "DeviceCodes | None":
        """The codes of several batches; None of no batch."""
        if not pieces:
            return None
        columns = zip(*((p.row, p.position, p.feature, p.value) for p in pieces), strict=True)
        return cls(*map(torch.cat, columns))

    def by_pole(self, d_sae: int) -> "DeviceCodes":
        """The codes with poles for features, and strengths (see `store.format.poles`)."""
        below = (self.value < 0).to(self.feature.dtype)
        return DeviceCodes(self.row, self.position, self.feature + d_sae * below, self.value.abs())

    def sorted(self) -> "DeviceCodes":
        """The codes in the order in which they are packed."""
        row = self.row.long() << (FEATURE_BITS + POSITION_BITS)
        order = (row | (self.feature.long() << POSITION_BITS) | self.position).argsort()
        return DeviceCodes(
            self.row[order], self.position[order], self.feature[order], self.value[order]
        )

    def to_host(self) -> "DeviceCodes":
        """The codes in pinned memory, where they are once the device has come so far."""
        columns = (self.row, self.position, self.feature, self.value)
        return DeviceCodes(*(column.to("cpu", non_blocking=True) for column in columns))

    def to_numpy(self) -> PageCodes:
        """The codes as numpy arrays; those in the host's memory are not copied."""
        columns = (self.row, self.position, self.feature, self.value)
        return PageCodes(*(column.cpu().numpy() for column in columns))
