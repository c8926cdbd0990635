"""The nearest documents by cosine, from blocks of impacts: estimated, and the best compared.

All documents' cosines are estimated from their levels, and those of the largest estimates are
computed from their embeddings. What comes out has exact scores, but a document may be missed. How
many are is measured when a block is made, with documents of its own as questions, and its budget
is the least of those tried that misses at most one in a hundred, less the standard error.

A block is asked as a part of its collection would be: where it has a tenth of the documents, for
a tenth of the nearest among a tenth of the candidates. When a collection grows, the same shares of
it have nearer documents, which are easier to find; so what was measured holds on.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, TypeVar

import numpy as np

from saelake.store.codes.embeddings import Block
from saelake.store.format.lists import Array
from saelake.store.index.impact_blocks import ImpactsTable, Measured, StoredBlock
from saelake.store.index.levels import Levels, inverse_lengths

LEAST_RECALL = 0.99  # of the `N_NEAREST` nearest
N_NEAREST = 10
BUDGETS = (32, 64, 128, 192, 256, 384, 512, 768, 1024)  # columns that a query adds up
N_MEASURED = 512  # documents of a collection that are asked about to measure the recall
LEAST_MEASURED = 64  # of a block
ENOUGH = 0.9985  # a recall from which on no larger budget is tried
QUERIES_AT_ONCE = 8
LEAST_CANDIDATES = 200  # compared exactly, of a collection
CANDIDATES = 20  # as a multiple of the answers
CANDIDATE_SHARE = 1 / 1024  # of the documents
EXHAUSTIVE = 1 / 16  # of the documents, from which on to compare candidates is not worth it

EVERYTHING = np.empty(0, np.bool_)

T = TypeVar("T")
R = TypeVar("R")
# Documents uint64 and float32 scores, of those of a block's that share a feature.
Score = Callable[[Block], tuple[Array, Array]]


class Mapper(Protocol):
    """Runs a function on several things, in their order."""

    def __call__(self, work: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
        """What `work` makes of each item."""


def n_candidates(n: int, k: int) -> int:
    """How many of `n` documents are compared exactly for the `k` nearest."""
    return max(LEAST_CANDIDATES, CANDIDATES * k, int(n * CANDIDATE_SHARE))


@dataclass(frozen=True, eq=False, kw_only=True)
class NearestDocuments:
    """Searches some blocks of a table; `kept` are the levels of each, as far as they were read.

    Without it (None) they are read anew for every question, one block after the other.
    """

    table: ImpactsTable
    blocks: tuple[StoredBlock, ...]
    kept: Mapping[int, Levels] | None = None

    def keeping(self) -> "NearestDocuments":
        """A search of these blocks that keeps the levels it reads: at most `n_bytes`."""
        kept = {block.fragment: Levels(block.features) for block in self.blocks}
        return replace(self, kept=kept)

    @property
    def n_documents(self) -> int:
        """How many documents the blocks have."""
        return sum(len(block.docs) for block in self.blocks)

    @cached_property
    def budget(self) -> float | None:
        """The columns that are added up; None where no number of them finds enough."""
        n_asked = max(sum(block.measured.n_asked for block in self.blocks), 1)
        for budget in sorted({b for block in self.blocks for b in block.measured.budgets}):
            recall = self._recall(budget)
            if recall - (recall * (1 - recall) / n_asked) ** 0.5 >= LEAST_RECALL:
                return budget
        return None

    @property
    def recall(self) -> float:
        """The share of the nearest that is found."""
        return 0.0 if self.budget is None else self._recall(self.budget)

    def _recall(self, budget: float) -> float:
        shares = [block.measured.recall(budget) * len(block.docs) for block in self.blocks]
        return min(sum(shares) / max(self.n_documents, 1), 1.0)

    @property
    def n_bytes(self) -> int:
        """The memory, once all levels were read."""
        return sum(block.features.n_bytes + 2 * block.docs.nbytes for block in self.blocks)

    def candidates(
        self, query: Array, k: int, mask: Array | None, spread: Mapper
    ) -> Sequence[tuple[StoredBlock, Array]]:
        """The rows of each block that are compared exactly for the `k` nearest.

        `query` float32 is of every feature, and not negative; `mask` says which documents are
        meant (bool, by number).
        """
        room = n_candidates(self.n_documents, k)
        found: list[Estimated] = []
        groups = [self.blocks] if self.kept is not None else [(block,) for block in self.blocks]
        for group in groups:
            tasks = [self._task(block, query, room, mask) for block in group]
            self.table.read_levels([(task.block, task.levels, task.chosen) for task in tasks])
            found += spread(Estimate.estimated, tasks)
        return best_of(found, room)

    def _task(self, block: StoredBlock, query: Array, room: int, mask: Array | None) -> "Estimate":
        chosen = block.features.chosen(query, self.budget or 0)
        levels = Levels(block.features) if self.kept is None else self.kept[block.fragment]
        return Estimate(block, levels, chosen, query, room, mask)

    def nearest(self, query: Array, k: int, mask: Array | None, spread: Mapper) -> Block:
        """The embeddings of the candidates for the `k` nearest, to be compared."""
        return self.table.taken(self.candidates(query, k, mask, spread))

    def embeddings(self, docs: Array) -> Block | None:
        """The embeddings of these documents (uint64), by ascending block; None if not all."""
        wanted = [(block, block.rows_of(docs)) for block in self.blocks]
        found = [(block, rows) for block, rows in wanted if len(rows)]
        n_found = sum(len(rows) for _, rows in found)
        return self.table.taken(found) if n_found == len(docs) else None


@dataclass(frozen=True, slots=True)
class Estimated:
    """Rows of a block, and their estimates."""

    block: StoredBlock
    rows: Array
    estimates: Array


@dataclass(frozen=True, slots=True)
class Estimate:
    """The search of one block."""

    block: StoredBlock
    levels: Levels
    chosen: Array
    query: Array
    room: int
    mask: Array | None

    def estimated(self) -> Estimated:
        """The rows with the largest estimates, of the documents that the mask keeps."""
        from saelake.store.arrays import kernels  # not every process that has a session needs numba

        keep = EVERYTHING if self.mask is None else self.mask[self.block.docs]
        found = self.levels.estimates(self.query, self.chosen)
        rows = kernels.strongest(found, keep, min(self.room, len(found)))
        return Estimated(self.block, rows, found[rows])


def best_of(found: Sequence[Estimated], room: int) -> list[tuple[StoredBlock, Array]]:
    """The rows of the largest estimates of all."""
    every = np.concatenate([np.empty(0, np.float32), *(part.estimates for part in found)])
    if len(every) <= room:
        return [(part.block, np.sort(part.rows)) for part in found]
    least = np.partition(every, len(every) - room)[len(every) - room]
    return [(part.block, np.sort(part.rows[part.estimates >= least])) for part in found]


def measured(block: Block, levels: Levels, width: int, n_documents: int) -> Measured:
    """What a search of this block does, of a collection of so many documents."""
    n = len(block)
    share = min(n / max(n_documents, 1), 1.0)
    k = max(int(np.ceil(N_NEAREST * share)), 1)
    room = max(int(np.ceil(n_candidates(n_documents, N_NEAREST) * share)), k)
    n_asked = min(n, max(int(N_MEASURED * share), LEAST_MEASURED))
    asked = np.unique(np.linspace(0, n - 1, n_asked).astype(np.int64))
    questions = [
        question
        for first in range(0, len(asked), QUERIES_AT_ONCE)
        for question in _questions(block, asked[first : first + QUERIES_AT_ONCE], width, k)
    ]
    recalls: list[float] = []
    for budget in BUDGETS:
        found = [_recall(levels, question, budget, room) for question in questions]
        recalls.append(float(np.mean(found or [1.0])))
        if recalls[-1] >= ENOUGH:
            break
    return Measured(budgets=BUDGETS[: len(recalls)], recalls=tuple(recalls), n_asked=len(questions))


@dataclass(frozen=True, slots=True)
class _Measuring:
    """A row as a query, and the rows that are at least as near as the last of the nearest."""

    row: int
    values: Array
    nearest: Array
    n_nearest: int


def _questions(block: Block, asked: Array, width: int, k: int) -> Iterator[_Measuring]:
    from saelake.store.arrays.levels import row_products

    scale = inverse_lengths(block, width)
    queries = np.zeros((width, len(asked)), np.float32)
    for column, row in enumerate(asked):
        features, values = block.row(int(row))
        queries[features, column] = values * scale[row]
    products = row_products(block.offsets, block.features, block.values, queries)
    products *= scale[:, None]
    for column, row in enumerate(asked):
        cosines = products[:, column]
        cosines[row] = 0
        n_nearest = min(k, int((cosines > 0).sum()))
        if n_nearest:
            least = np.partition(cosines, len(cosines) - n_nearest)[len(cosines) - n_nearest]
            nearest = np.flatnonzero(cosines >= least)
            values = np.ascontiguousarray(queries[:, column])
            yield _Measuring(int(row), values, nearest, n_nearest)


def _recall(levels: Levels, question: _Measuring, budget: float, room: int) -> float:
    """The share of the nearest that are candidates; any of those equally far count."""
    from saelake.store.arrays import kernels

    chosen = levels.features.chosen(question.values, budget)
    found = levels.estimates(question.values, chosen)
    found[question.row] = 0
    rows = kernels.strongest(found, EVERYTHING, min(room, len(found)))
    n_found = int(np.isin(question.nearest, rows).sum())
    return min(n_found / question.n_nearest, 1.0)
