"""Tiles: how much of the matrix `[n_tokens, d_sae]` of pre-activations exists at one time."""

from collections.abc import Iterator
from dataclasses import dataclass

# Matrix products lose speed below some hundred rows. Measured on a Zen 5 core, 384 to 4,096: 256,
# 512, 1,024 and 4,096 rows took 46, 44, 43 and 45 us a token.
_ROWS = 512

# On the CPU a tile that stays in the last-level cache saves a trip to memory for each pass over it.
_CPU_BYTES = 16 * 2**20

# Below so many features a tile has fewer rows rather than fewer features.
_WIDTH = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """So many tokens by so many features."""

    rows: int
    width: int

    @classmethod
    def whole_rows(cls, d_sae: int, *, chunk_bytes: int, item_bytes: int, cpu: bool) -> "Tile":
        """All features of as many tokens as fit in `chunk_bytes`, of one token at least."""
        row_bytes = d_sae * item_bytes
        most = max(1, chunk_bytes // row_bytes)
        if cpu:
            most = min(most, max(_ROWS, _CPU_BYTES // row_bytes))
        return cls(rows=most, width=d_sae)

    @classmethod
    def fitting(cls, d_sae: int, *, chunk_bytes: int, item_bytes: int, cpu: bool) -> "Tile":
        """Whole rows where 512 of them fit in `chunk_bytes`, else a part of their features.

        A tile of 1,024 features of one token is made however few the bytes are.
        """
        if chunk_bytes // (d_sae * item_bytes) >= _ROWS:
            return cls.whole_rows(d_sae, chunk_bytes=chunk_bytes, item_bytes=item_bytes, cpu=cpu)
        n_items = min(chunk_bytes, _CPU_BYTES if cpu else chunk_bytes) // item_bytes
        width = min(max(n_items // _ROWS, _WIDTH), d_sae)
        return cls(rows=min(max(n_items // width, 1), _ROWS), width=width)

    def blocks(self, d_sae: int) -> Iterator[slice]:
        """The features of a dictionary in runs of the tile's width, the last perhaps shorter."""
        for first in range(0, d_sae, self.width):
            yield slice(first, min(first + self.width, d_sae))
