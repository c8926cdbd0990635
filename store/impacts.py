"""Approximate cosine search: posting lists by impact, read as far as they can matter.

The impact of a feature in a document is its weighted value over the embedding's length, in 32
levels. A query's gain from a level of a feature is its own value times the level; the levels with
the largest gains are added up until a budget of postings is spent (score-at-a-time with a budget:
Lin and Trotman 2015), and the documents with the largest sums are compared exactly. What comes out
has exact scores; what may be missed is measured in benchmarks/results.
"""

from dataclasses import dataclass

import numpy as np

from saelake.store import kernels
from saelake.store.embeddings import Block
from saelake.store.lists import Array

N_LEVELS = 32
CLIPPED = 99.9  # percentile of impacts from which on all are of the highest level
POSTINGS_PER_DOCUMENT = 12  # that a query adds up: recall@10 .994 on 205,000 real passages
CANDIDATES = 10  # documents of a block compared exactly, as a multiple of the answers
LEAST_CANDIDATES = 100
SELECTIVE = 1 / 8  # share of the documents up to which a filter's are all compared exactly

EVERYTHING = np.empty(0, np.bool_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Impacts:
    """A block of embeddings, and its posting lists by impact.

    `rows` (uint16) of cell i are `rows[begins[i]:begins[i + 1]]`, and all have about the impact
    `levels[i]` (float32); the cells of feature f are `cells[f]` to `cells[f + 1]`. `scale` float32
    is one over each row's length.
    """

    block: Block
    scale: Array
    cells: Array
    begins: Array
    levels: Array
    rows: Array

    @classmethod
    def of(cls, block: Block, weights: Array) -> "Impacts":
        """The posting lists of a block whose values count `weights` float32 (d_sae,)."""
        arrays = block.offsets, block.features, block.values
        _, square = kernels.products(*arrays, weights, weights * weights)
        scale = 1 / np.sqrt(np.maximum(square, np.float32(1e-30)))
        impact = block.values * weights[block.features] * scale[block.rows]
        top = float(np.percentile(impact, CLIPPED)) if len(impact) else 1.0
        level = np.clip(np.ceil(impact * (N_LEVELS / top)), 1, N_LEVELS).astype(np.uint8)
        rows, starts = kernels.by_impact(
            block.offsets, block.features, level, len(weights), N_LEVELS
        )
        filled = np.flatnonzero(np.diff(starts))
        middle = (N_LEVELS - filled % N_LEVELS - 0.5) * (top / N_LEVELS)
        return cls(
            block=block,
            scale=scale,
            cells=np.searchsorted(filled, np.arange(len(weights) + 1) * N_LEVELS),
            begins=np.append(starts[filled], len(rows)),
            levels=middle.astype(np.float32),
            rows=rows,
        )

    @property
    def n_bytes(self) -> int:
        """The memory of the lists, without that of the block."""
        return sum(a.nbytes for a in (self.scale, self.cells, self.begins, self.levels, self.rows))

    def nearest(self, values: Array, weights: Array, k: int, keep: Array) -> tuple[Array, Array]:
        """Documents uint64 and cosines float32 of candidates for the `k` nearest.

        `values` float32 (d_sae,) is the query, weighted; `keep` says which rows are meant (bool,
        or empty for all).
        """
        if len(keep) and keep.mean() <= SELECTIVE:
            rows = np.flatnonzero(keep)
        else:
            sums = np.zeros(len(self.block), np.float32)
            asked = np.flatnonzero(values > 0)
            kernels.accumulate_best(
                asked,
                values,
                self.cells,
                self.begins,
                self.levels,
                self.rows,
                POSTINGS_PER_DOCUMENT * len(self.block),
                sums,
            )
            n = max(CANDIDATES * k, LEAST_CANDIDATES)
            rows = kernels.strongest(sums, keep, n)
        query = values * weights / np.float32(np.linalg.norm(values))
        block = self.block
        cosine = kernels.dots(rows, block.offsets, block.features, block.values, query, self.scale)
        hit = np.flatnonzero(cosine > 0)
        return block.doc[rows[hit]], cosine[hit]
