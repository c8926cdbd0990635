"""Approximate cosine search: posting lists by impact, read as far as they can matter.

The impact of a feature in a document is its weighted value over the embedding's length, in 32
levels. A query's gain from a level of a feature is its own value times the level; the levels with
the largest gains are added up until a budget of postings is spent (score-at-a-time with a budget:
Lin and Trotman 2015), and the documents with the largest sums are compared exactly. What comes out
has exact scores, but a document may be missed. How many are is measured when an index is made, on
documents of its own, and the budget is the least that misses at most one in a hundred, less the
standard error of that measurement. Where none does (the longer documents are, the more alike they
all are), everything is compared exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saelake.store.arrays import kernels
from saelake.store.codes.embeddings import Block
from saelake.store.format.lists import Array
from saelake.store.index.recall import said

N_LEVELS = 32
CLIPPED = 99.9  # percentile of impacts from which on all are of the highest level
BUDGETS = (8, 12, 16, 24, 32, 48, 64)  # postings a document that a query adds up
LEAST_RECALL = 0.99  # of the 10 nearest
N_MEASURED, N_NEAREST = 64, 10  # documents that are asked about to measure it
WORTHWHILE = 1 / 4  # share of a document's values up to which a budget is less work than them all
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

    def exact(self, values: Array, weights: Array, rows: Array) -> Array:
        """The cosines of these rows with a query, float32."""
        query = values * weights / np.float32(np.linalg.norm(values))
        block = self.block
        cosines: Array = kernels.dots(
            rows, block.offsets, block.features, block.values, query, self.scale
        )
        return cosines

    def nearest(
        self, values: Array, weights: Array, k: int, keep: Array, budget: int
    ) -> tuple[Array, Array]:
        """Documents uint64 and cosines float32 of candidates for the `k` nearest.

        `values` float32 (d_sae,) is the query, weighted; `keep` says which rows are meant (bool,
        or empty for all); `budget` is in postings a document.
        """
        if len(keep) and keep.mean() <= SELECTIVE:
            rows = np.flatnonzero(keep)
        else:
            sums = np.zeros(len(self.block), np.float32)
            kernels.accumulate_best(
                np.flatnonzero(values > 0),
                values,
                self.cells,
                self.begins,
                self.levels,
                self.rows,
                budget * len(self.block),
                sums,
            )
            rows = kernels.strongest(sums, keep, max(CANDIDATES * k, LEAST_CANDIDATES))
        cosines = self.exact(values, weights, rows)
        hit = np.flatnonzero(cosines > 0)
        return self.block.doc[rows[hit]], cosines[hit]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpactIndex:
    """The impacts of all blocks; with `budget` a query finds the share `recall` of the nearest.

    `budget` is None where no budget that is worth it finds enough.
    """

    blocks: tuple[Impacts, ...]
    weights: Array
    budget: int | None
    recall: float

    @classmethod
    def of(cls, blocks: Sequence[Block], weights: Array) -> "ImpactIndex":
        """The index of these blocks, and what it can do."""
        made = tuple(Impacts.of(block, weights) for block in blocks)
        n_values = sum(len(block.values) for block in blocks)
        most = WORTHWHILE * n_values / max(sum(len(block) for block in blocks), 1)
        questions = _questions(made, weights)
        for budget in BUDGETS:
            if budget > most:
                break
            recalls = np.array([_recall(made, q, weights, budget) for q in questions])
            if recalls.mean() - recalls.std() / len(recalls) ** 0.5 >= LEAST_RECALL:
                recall = said(float(recalls.mean()), N_NEAREST * len(recalls))
                return cls(blocks=made, weights=weights, budget=budget, recall=recall)
        return cls(blocks=made, weights=weights, budget=None, recall=0.0)

    @property
    def n_bytes(self) -> int:
        """The memory of the lists."""
        return sum(impacts.n_bytes for impacts in self.blocks)


@dataclass(frozen=True, slots=True)
class _Question:
    """A document as a query, how many are nearest to it, and the smallest cosine of these."""

    values: Array
    n_others: int
    least: float


def _questions(blocks: Sequence[Impacts], weights: Array) -> list[_Question]:
    """Documents of the index, spread over it, and how near their nearest are."""
    n = sum(len(impacts.block) for impacts in blocks)
    starts = np.cumsum([0, *(len(impacts.block) for impacts in blocks)])
    asked = np.unique(np.linspace(0, n - 1, min(n, N_MEASURED)).astype(np.int64))
    questions = []
    for row in asked:
        at = int(np.searchsorted(starts, row, side="right")) - 1
        features, found = blocks[at].block.row(int(row - starts[at]))
        values = np.zeros(len(weights), np.float32)
        values[features] = weights[features] * found
        if not values.any():
            continue
        cosines = [i.exact(values, weights, np.arange(len(i.block))) for i in blocks]
        nearest = np.sort(np.concatenate(cosines))[::-1][: N_NEAREST + 1]  # itself among them
        questions.append(_Question(values, len(nearest) - 1, float(nearest[-1])))
    return questions


def _recall(blocks: Sequence[Impacts], question: _Question, weights: Array, budget: int) -> float:
    """The share of the nearest that are found; any of those equally far count."""
    found = [
        i.nearest(question.values, weights, N_NEAREST + 1, EVERYTHING, budget)[1] for i in blocks
    ]
    n_found = int((np.concatenate(found) >= question.least).sum()) - 1  # without itself
    return min(n_found / max(question.n_others, 1), 1.0)
