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
from saelake.store.index.levels import Levels

LEAST_RECALL = 0.99  # of the `N_NEAREST` nearest
N_NEAREST = 10
BUDGETS = (32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)  # columns that a query adds up
N_MEASURED = 512  # documents of a collection that are asked about to measure the recall
LEAST_MEASURED = 64  # of a block
ENOUGH = 0.9985  # a recall from which on no larger budget is tried
QUERIES_AT_ONCE = 8
LEAST_CANDIDATES = 600  # compared exactly, of a collection
CANDIDATES = 20  # as a multiple of the answers
CANDIDATE_SHARE = 1 / 256  # of the documents
FEW = 2  # times as many documents as candidates: all are compared, and none is estimated
ROUNDING = 1e-5  # of a score, within which another sum of the same products is
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

    Without it (None) they are opened anew for every question, one block after the other.
    """

    table: ImpactsTable
    blocks: tuple[StoredBlock, ...]
    kept: Mapping[int, Levels] | None = None

    def keeping(self) -> "NearestDocuments":
        """A search of these blocks that keeps the levels it reads: at most `n_bytes`."""
        kept = {block.fragment: self.table.levels(block) for block in self.blocks}
        return replace(self, kept=kept)

    @cached_property
    def n_documents(self) -> int:
        """How many documents the blocks have."""
        return sum(len(block.docs) for block in self.blocks)

    @cached_property
    def covers(self) -> frozenset[int]:
        """The fragments of codes that they cover."""
        return frozenset(i for block in self.blocks for i in block.covers)

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

    @cached_property
    def n_bytes(self) -> int:
        """The memory, once all levels were read."""
        levels = sum(Levels(block.features, block.typical).n_bytes for block in self.blocks)
        return levels + sum(block.n_bytes for block in self.blocks)

    def all_kept(self, mask: Array | None) -> Sequence[tuple[StoredBlock, Array]]:
        """The rows of each block whose documents are meant: `mask` is bool, by number."""
        found = []
        for block in self.blocks:
            docs = block.docs
            rows = np.arange(len(docs)) if mask is None else np.flatnonzero(mask[docs])
            if len(rows):
                found.append((block, rows))
        return found

    def candidates(
        self, query: Array, k: int, mask: Array | None, spread: Mapper
    ) -> Sequence[tuple[StoredBlock, Array]]:
        """The rows of each block that are compared exactly for the `k` nearest.

        `query` float32 is of every feature, of length 1, and not negative; `mask` says which
        documents are meant: all of them are candidates where they are few.
        """
        room = n_candidates(self.n_documents, k)
        keeps = [_kept(block, mask) for block in self.blocks]
        if mask is not None and sum(int(keep.sum()) for keep in keeps) <= FEW * room:
            return self.all_kept(mask)
        tasks = [
            _Estimate(self, block, query, keep)
            for block, keep in zip(self.blocks, keeps, strict=True)
        ]
        done = spread if self.kept is not None else map  # one after the other
        estimated = list(done(_Estimate.estimated, tasks))
        if not estimated:
            return []
        counts: Array = np.stack([part.counts for part in estimated]).sum(axis=0, dtype=np.int64)
        at_least = np.cumsum(counts[::-1])[::-1]
        least = max(int(np.count_nonzero(at_least >= room)) - 1, 0)
        rows = [part.rows_from(least) for part in estimated]
        return [(part.block, each) for part, each in zip(estimated, rows, strict=True) if len(each)]

    def nearest(
        self, query: Array, k: int, mask: Array | None, spread: Mapper, *, exact: bool = False
    ) -> Block:
        """The embeddings of the `k` nearest, and of those that are as near but for rounding.

        `exact` compares all documents that are meant, and not only candidates.
        """
        unit = (query / np.linalg.norm(query)).astype(np.float32)
        found = self.all_kept(mask) if exact else self.candidates(unit, k, mask, spread)
        cosines = list(spread(lambda part: self._cosines(*part, unit), found))
        every = np.concatenate([np.empty(0, np.float32), *cosines])
        if len(every) > k:
            least = np.partition(every, len(every) - k)[len(every) - k] * (1 - ROUNDING)
            found = [
                (block, rows[near >= least])
                for (block, rows), near in zip(found, cosines, strict=True)
            ]
        return self.table.taken(found)

    def _cosines(self, block: StoredBlock, rows: Array, query: Array) -> Array:
        found: Array = self.table.products(block, rows, query) * block.scales[rows]
        return found

    def embeddings(self, docs: Array) -> Block | None:
        """The embeddings of these documents (uint64), by ascending block; None if not all."""
        wanted = [(block, block.rows_of(docs)) for block in self.blocks]
        found = [(block, rows) for block, rows in wanted if len(rows)]
        n_found = sum(len(rows) for _, rows in found)
        return self.table.taken(found) if n_found == len(docs) else None

    def levels_for(self, block: StoredBlock, chosen: Array) -> Levels:
        """The levels of a block, those of the chosen features among them."""
        levels = self.table.levels(block) if self.kept is None else self.kept[block.fragment]
        self.table.read_levels(block, levels, chosen)
        return levels


def _kept(block: StoredBlock, mask: Array | None) -> Array:
    return EVERYTHING if mask is None else mask[block.docs]


@dataclass(frozen=True, slots=True)
class _Estimated:
    """The estimates of a block's documents, and how many of those to keep are in each step."""

    block: StoredBlock
    estimates: Array
    keep: Array
    counts: Array

    def rows_from(self, least: int) -> Array:
        """The rows to keep in this step and higher ones."""
        from saelake.store.arrays import levels

        found: Array = levels.rows_from(self.estimates, self.keep, least)
        return found


@dataclass(frozen=True, slots=True)
class _Estimate:
    """The search of one block."""

    search: NearestDocuments
    block: StoredBlock
    query: Array
    keep: Array

    def estimated(self) -> _Estimated:
        from saelake.store.arrays import levels  # not every process that has a session needs numba

        chosen = self.block.features.chosen(self.query, self.search.budget or 0)
        found = self.search.levels_for(self.block, chosen).estimates(self.query, chosen)
        counts = np.zeros(levels.N_STEPS, np.int32)
        levels.count_steps(found, self.keep, counts)
        return _Estimated(self.block, found, self.keep, counts)


def measured(block: Block, scale: Array, levels: Levels, width: int, n_documents: int) -> Measured:
    """What a search of this block does, of a collection of so many documents.

    `scale` are one over the lengths of its documents.
    """
    n = len(block)
    share = min(n / max(n_documents, 1), 1.0)
    k = max(int(np.ceil(N_NEAREST * share)), 1)
    room = max(int(np.ceil(n_candidates(n_documents, N_NEAREST) * share)), k)
    n_asked = min(n, max(int(N_MEASURED * share), LEAST_MEASURED))
    asked = np.unique(np.linspace(0, n - 1, n_asked).astype(np.int64))
    questions = [
        question
        for first in range(0, len(asked), QUERIES_AT_ONCE)
        for question in _questions(block, scale, asked[first : first + QUERIES_AT_ONCE], width, k)
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


def _questions(
    block: Block, scale: Array, asked: Array, width: int, k: int
) -> Iterator[_Measuring]:
    from saelake.store.arrays.levels import row_products

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
    chosen = levels.features.chosen(question.values, budget)
    found = levels.estimates(question.values, chosen)
    found[question.row] = -np.inf
    room = min(room, len(found))
    least = np.partition(found, len(found) - room)[len(found) - room]
    n_found = int((found[question.nearest] >= least).sum())
    return min(n_found / question.n_nearest, 1.0)
