"""The nearest documents by cosine, from blocks of impacts: estimated, and the best compared.

All documents' cosines are estimated from the levels of some features. In each block those of the
largest estimates are estimated again, from their sketches, where there are any; and those of the
largest estimates of all are computed from their embeddings. What comes out has exact scores, but a
document may be missed. How many are is measured with documents as questions: in all blocks, once
they are made (see `index.overall`). Of the budgets, and numbers of candidates, that find .99, less
two standard errors, those are taken that are quickest.

A block is also measured by itself, as it is made, for as long as nothing was measured of it with
others. It is asked as a part of its collection would be: where it has a tenth of the documents, for
a tenth of the nearest among a tenth of the candidates. When a collection grows, the same shares of
it have nearer documents, which are easier to find; so what was measured holds on.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from itertools import product
from typing import Protocol, TypeVar

import numpy as np

from saelake.store.codes.embeddings import Block
from saelake.store.format.lists import Array
from saelake.store.index.impact_blocks import ImpactsTable, Measured, Overall, StoredBlock
from saelake.store.index.levels import Levels
from saelake.store.index.recall import said

LEAST_RECALL = 0.99  # of the `N_NEAREST` nearest
N_NEAREST = 10
BUDGETS = (32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)  # columns that a query adds up
N_MEASURED = 512  # documents of a collection that are asked about to measure the recall
LEAST_MEASURED = 64  # of a block
ENOUGH = 0.9985  # a recall from which on no larger budget is tried
QUERIES_AT_ONCE = 8
LEAST_CANDIDATES = 600  # compared exactly, of a collection
CANDIDATES = 20  # as a multiple of the answers
CANDIDATE_SHARE = 1 / 256  # of the documents, where nothing was measured of all blocks
LEAST_SKETCHED = 128  # documents of a block that are told apart by sketches
SKETCHES = 4  # of a block, as a multiple of the answers
SKETCHED_SHARE = 1 / 32  # of a block's documents, for many answers
BYTE_COST = 30  # the time of a byte of a row, in documents of a column (measured)
SKETCH_COST = 16  # that of a byte of a sketch
LEAST_PART = 1 / 2  # of what was measured together must still be there, and be of what is there
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


def n_candidates(n: int, k: int, one_in: int | None = None) -> int:
    """How many of `n` documents are compared exactly for the `k` nearest.

    One in so many, where it was measured that this is enough for the `N_NEAREST`; for more of them
    as many more, up to as many as where nothing was measured of all blocks.
    """
    most = max(LEAST_CANDIDATES, int(n * CANDIDATE_SHARE))
    if one_in is not None:
        share = n // one_in
        most = max(share, min(share * k // N_NEAREST, most))
    return max(CANDIDATES * k, most)


def n_sketched(n: int, k: int, one_in: int) -> int:
    """How many of a block's `n` documents are told apart by sketches for the `k` nearest of all.

    One in so many, as was measured for the `N_NEAREST`; for more of them as many more, up to
    `SKETCHED_SHARE`.
    """
    share = n // one_in
    more = min(n * k // (one_in * N_NEAREST), int(n * SKETCHED_SHARE))
    return max(share, more, SKETCHES * k, LEAST_SKETCHED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How many columns are added up, and of how many documents one is compared; `recall` of that.

    In each block one in `sketched` documents is told apart by sketches; where that is 0, none is.
    Where `one_in` is None, as many are compared as where nothing was measured of all blocks.
    """

    budget: float
    recall: float
    sketched: int = 0
    one_in: int | None = None

    def cost(self, blocks: Sequence[StoredBlock]) -> float:
        """The time of a search, in documents of a column: of columns, sketches and rows."""
        n = max(sum(len(block.docs) for block in blocks), 1)
        row_bytes = sum(int(block.starts[-1]) for block in blocks) / n
        room = n_candidates(n, N_NEAREST, self.one_in)
        return self.budget * n + self._of_sketches(blocks) + BYTE_COST * row_bytes * room

    def _of_sketches(self, blocks: Sequence[StoredBlock]) -> float:
        if not self.sketched:
            return 0.0
        rows = [n_sketched(len(block.docs), N_NEAREST, self.sketched) for block in blocks]
        sizes = [block.features.sketch_bytes for block in blocks]
        return float(SKETCH_COST * np.dot(rows, sizes))


@dataclass(frozen=True, eq=False, kw_only=True)
class NearestDocuments:
    """Searches some blocks of a table; `kept` are the levels of each, as far as they were read.

    Without it (None) they are opened anew for every question, one block after the other.
    """

    table: ImpactsTable
    blocks: tuple[StoredBlock, ...]
    overall: tuple[Overall, ...] = ()
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
    def has_sketches(self) -> bool:
        """Whether sketches tell documents apart quickly: all blocks have some, on a disk of this
        machine."""
        return all(block.has_sketches for block in self.blocks) and self.table.is_local

    @cached_property
    def covers(self) -> frozenset[int]:
        """The fragments of codes that they cover."""
        return frozenset(i for block in self.blocks for i in block.covers)

    @property
    def budget(self) -> float | None:
        """The columns that are added up; None where no number of them finds enough."""
        return None if self.plan is None else self.plan.budget

    @property
    def recall(self) -> float:
        """The share of the nearest that is found."""
        return 0.0 if self.plan is None else self.plan.recall

    def room(self, k: int) -> int:
        """How many documents are compared exactly for the `k` nearest."""
        return n_candidates(self.n_documents, k, None if self.plan is None else self.plan.one_in)

    @cached_property
    def plan(self) -> Plan | None:
        """The quickest search that finds enough; None where there is none."""
        measured = [found for each in self.overall if (found := self._together(each)) is not None]
        return measured[0] if measured else self._by_block

    def measured_part(self, overall: Overall) -> float:
        """The share of the documents that are in blocks of which this was measured."""
        mine = sum(len(block.docs) for block in self.blocks if overall.is_of(block))
        return mine / max(self.n_documents, 1)

    def _together(self, overall: Overall) -> Plan | None:
        """The quickest of what was measured of most blocks; others count as they are by themselves.

        None where it is of too little of what is there, or too much of that is there no more.
        """
        part = self.measured_part(overall)
        left = len(overall.covers & self.covers) / max(len(overall.covers), 1)
        if min(part, left) < LEAST_PART:
            return None
        rest = [block for block in self.blocks if not overall.is_of(block)]
        plans = []
        for i, budget in enumerate(overall.budgets):
            others = self._recall(budget, rest) if rest else 0.0
            for (j, sketched), (k, one_in) in product(*map(enumerate, overall.ways)):
                assured = part * overall.assured[i, j, k] + (1 - part) * others
                if assured < LEAST_RECALL or (sketched and not self.has_sketches):
                    continue
                recall = part * float(overall.recalls[i, j, k]) + (1 - part) * others
                recall = said(recall, N_NEAREST * (overall.n_asked // 2))
                plans.append(Plan(budget=budget, recall=recall, sketched=sketched, one_in=one_in))
        return min(plans, key=lambda plan: plan.cost(self.blocks), default=None)

    @property
    def _by_block(self) -> Plan | None:
        """The least budget that finds enough in all blocks by themselves."""
        n_asked = max(sum(block.measured.n_asked for block in self.blocks), 1)
        for budget in sorted({b for block in self.blocks for b in block.measured.budgets}):
            recall = self._recall(budget, self.blocks)
            if recall - (recall * (1 - recall) / n_asked) ** 0.5 >= LEAST_RECALL:
                return Plan(budget=budget, recall=said(recall, N_NEAREST * n_asked))
        return None

    def _recall(self, budget: float, blocks: Sequence[StoredBlock]) -> float:
        shares = [block.measured.recall(budget) * len(block.docs) for block in blocks]
        return min(sum(shares) / max(sum(len(block.docs) for block in blocks), 1), 1.0)

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
        room = self.room(k)
        if self.is_few(k, mask):
            return self.all_kept(mask)
        search = self.search(query, k)
        keeps = [kept_rows(block, mask) for block in self.blocks]
        tasks = [
            Estimate(search, self.table, block, self._kept_of(block), keep)
            for block, keep in zip(self.blocks, keeps, strict=True)
        ]
        done = spread if self.kept is not None else map  # one after the other
        return best_of(list(done(Estimate.estimated, tasks)), room)

    def search(self, query: Array, k: int) -> "Search":
        """The search of each block for the `k` nearest of all."""
        plan = self.plan or Plan(budget=0, recall=0)
        return Search(query=query, k=k, budget=plan.budget, sketched=plan.sketched)

    def is_few(self, k: int, mask: Array | None) -> bool:
        """Whether a filter leaves so few documents that all are compared."""
        if mask is None:
            return False
        n_kept = sum(int(mask[block.docs].sum()) for block in self.blocks)
        return n_kept <= FEW * self.room(k)

    def nearest(
        self, query: Array, k: int, mask: Array | None, spread: Mapper, *, exact: bool = False
    ) -> Block:
        """The embeddings of the `k` nearest, and of those that are as near but for rounding.

        `exact` compares all documents that are meant, and not only candidates.
        """
        unit = (query / np.linalg.norm(query)).astype(np.float32)
        found = self.all_kept(mask) if exact else self.candidates(unit, k, mask, spread)
        return self.best_among(found, unit, k, spread)

    def best_among(
        self, found: Sequence[tuple[StoredBlock, Array]], unit: Array, k: int, spread: Mapper
    ) -> Block:
        """The embeddings of the `k` nearest of these rows; see `nearest`."""
        cosines = list(spread(lambda part: self._cosines(*part, unit), found))
        every = np.concatenate([np.empty(0, np.float32), *cosines])
        if len(every) > k:
            least = np.partition(every, len(every) - k)[len(every) - k] * (1 - ROUNDING)
            found = [
                (block, rows[near >= least])
                for (block, rows), near in zip(found, cosines, strict=True)
                if near.max(initial=-np.inf) >= least
            ]
        return self.table.taken(found)

    def _cosines(self, block: StoredBlock, rows: Array, query: Array) -> Array:
        found: Array = self.table.products(block, rows, query) * block.scales[rows]
        return found

    def embeddings(self, docs: Array) -> Block | None:
        """The embeddings of these documents (uint64), by ascending block; None if not all."""
        if not len(docs):
            return self.table.taken([])
        near = np.flatnonzero((self._firsts <= docs.max()) & (self._lasts >= docs.min()))
        some = [self.blocks[i] for i in near.tolist()]
        wanted = [(block, block.rows_of(docs)) for block in some]
        found = [(block, rows) for block, rows in wanted if len(rows)]
        n_found = sum(len(rows) for _, rows in found)
        return self.table.taken(found) if n_found == len(docs) else None

    @cached_property
    def _firsts(self) -> Array:
        return np.array([block.docs.min(initial=2**64 - 1) for block in self.blocks], np.uint64)

    @cached_property
    def _lasts(self) -> Array:
        return np.array([block.docs.max(initial=0) for block in self.blocks], np.uint64)

    def _kept_of(self, block: StoredBlock) -> Levels | None:
        return None if self.kept is None else self.kept[block.fragment]


def kept_rows(block: StoredBlock, mask: Array | None) -> Array:
    """Which rows of a block are meant, bool; empty for all."""
    return EVERYTHING if mask is None else mask[block.docs]


@dataclass(frozen=True, slots=True)
class Estimated:
    """Estimates of some rows of a block, and how many of those to keep are in each step.

    `estimates` float32 are of the rows `rows` (None: of all), of which `keep` (bool) says which
    are meant; empty for all.
    """

    block: StoredBlock
    estimates: Array
    keep: Array
    counts: Array
    rows: Array | None = None

    def best_from(self, least: int) -> Array:
        """Which of the estimates to keep are in this step and higher ones."""
        from saelake.store.arrays import levels

        found: Array = levels.rows_from(self.estimates, self.keep, least)
        return found

    def rows_from(self, least: int) -> Array:
        """The rows to keep in this step and higher ones."""
        found = self.best_from(least)
        return found if self.rows is None else self.rows[found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is searched for in each block: the `k` nearest of all to a query, by a plan (see it)."""

    query: Array
    k: int
    budget: float
    sketched: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """The search of one block; `levels` are those that were read of it, if they are kept."""

    search: Search
    table: ImpactsTable
    block: StoredBlock
    levels: Levels | None
    keep: Array

    def estimated(self) -> Estimated:
        """Estimates of all rows, or by sketches of the best of them."""
        found = self._by_levels()
        if not self.search.sketched:
            return self._counted(found, self.keep)
        room = n_sketched(len(found), self.search.k, self.search.sketched)
        rows = best_rows(found, self.keep, room)
        sketched = self.table.sketched(self.block, rows, self.search.query)
        return self._counted(sketched, EVERYTHING, rows)

    def _by_levels(self) -> Array:
        chosen = self.block.features.chosen(self.search.query, self.search.budget)
        mine = self.table.levels(self.block) if self.levels is None else self.levels
        self.table.read_levels(self.block, mine, chosen)
        return mine.estimates(self.search.query, chosen)

    def _counted(self, estimates: Array, keep: Array, rows: Array | None = None) -> Estimated:
        from saelake.store.arrays import levels  # not every process that has a session needs numba

        counts = np.zeros(levels.N_STEPS, np.int32)
        levels.count_steps(estimates, keep, counts)
        return Estimated(self.block, estimates, keep, counts, rows)


def best_rows(estimates: Array, keep: Array, room: int) -> Array:
    """The rows of the highest steps, `room` of them and those that share the last step."""
    from saelake.store.arrays import levels

    found: Array = levels.best_rows(estimates, keep, room)
    return found


def least_step(counts: Array, room: int) -> int:
    """The highest step from which on there are `room` rows; 0 where there are fewer."""
    at_least = np.cumsum(counts[::-1], dtype=np.int64)[::-1]
    return max(int(np.count_nonzero(at_least >= room)) - 1, 0)


def best_of(estimated: Sequence[Estimated], room: int) -> list[tuple[StoredBlock, Array]]:
    """The rows of the highest steps of all, `room` of them and those that share the last step."""
    if not estimated:
        return []
    least = least_step(reduce(np.add, (part.counts for part in estimated)), room)
    rows = [part.rows_from(least) for part in estimated]
    return [(part.block, each) for part, each in zip(estimated, rows, strict=True) if len(each)]


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
