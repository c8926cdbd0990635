"""SAE embeddings as plain files, for those who have no saelake; this needs only NumPy."""

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The pooled values of documents, as sparse rows.

    Attributes:
        docs: uint64 (n,), the documents' numbers.
        offsets: int64 (n + 1,); row i is `offsets[i]:offsets[i + 1]` of the two arrays below.
        features: uint32, ascending in each row.
        values: float32.
        half: bool (n,), the documents of the first side of a diff.
        d_sae: int64 (), how many features there are.
    """

    docs: Array
    offsets: Array
    features: Array
    values: Array
    half: Array
    d_sae: Array

    def __len__(self) -> int:
        return len(self.docs)

    def save(self, folder: Path) -> None:
        """Write each array as a file."""
        folder.mkdir(parents=True)
        for field in fields(self):
            np.save(folder / f"{field.name}.npy", getattr(self, field.name))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The rows that `save` wrote, in memory."""
        return cls(**{f.name: np.load(folder / f"{f.name}.npy") for f in fields(cls)})

    def first(self, n: int) -> "Rows":
        """The first `n` rows."""
        end = self.offsets[min(n, len(self))]
        return Rows(
            docs=self.docs[:n],
            offsets=self.offsets[: n + 1],
            features=self.features[:end],
            values=self.values[:end],
            half=self.half[:n],
            d_sae=self.d_sae,
        )

    @property
    def n_bytes(self) -> int:
        """The memory of the features and their values."""
        return int(self.features.nbytes + self.values.nbytes)

    @cached_property
    def lengths(self) -> Array:
        """The Euclidean length of each row, float32 (n,); 1 for a row of nothing."""
        starts = self.offsets[:-1][np.diff(self.offsets) > 0]
        lengths = np.ones(len(self), np.float32)
        if len(starts):
            lengths[np.diff(self.offsets) > 0] = np.sqrt(np.add.reduceat(self.values**2, starts))
        return lengths

    def unit(self, row: int) -> tuple[Array, Array]:
        """The features of a row, and its values at length 1."""
        span = slice(self.offsets[row], self.offsets[row + 1])
        return self.features[span], self.values[span] / self.lengths[row]
