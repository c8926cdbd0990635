"""What reading memory takes: the least time of every question that has to read its values."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from benchmarks.common.measure import elapsed_s
from benchmarks.common.report import Cell

N_BYTES = 1_000_000_000
ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """Bytes a second that one thread reads from memory, one after the other."""

    bytes_per_s: float

    @classmethod
    def measured(cls, n_bytes: int = N_BYTES) -> Self:
        """The best of some sums of a float32 array of this size, by NumPy."""
        array = np.ones(n_bytes // 4, np.float32)
        return cls(array.nbytes / min(elapsed_s(array.sum) for _ in range(ROUNDS)))

    def cells(self, n_bytes: int | None, seconds: float) -> dict[str, Cell]:
        """The bytes to move, the least time for them, and how many times that was taken."""
        if n_bytes is None:
            return {"MB to move": None, "floor ms": None, "× floor": None}
        floor = n_bytes / self.bytes_per_s
        return {"MB to move": n_bytes / 1e6, "floor ms": 1e3 * floor, "× floor": seconds / floor}
