"""How many of the nearest a search of all blocks finds, measured once they are made.

What each block finds of its own nearest (see `index.nearest`) tells less: to find the one document
in a block that is among the ten nearest of all is harder than to find the ten among all candidates.
So documents from all blocks are asked about in all of them, with each of some budgets of columns,
one in so many documents told apart by sketches, and one in so many compared exactly. Every other
question chooses between these; the others, which had no part in that, say what the choice finds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from saelake.store.format.lists import Array
from saelake.store.index.impact_blocks import ImpactsTable, Overall, StoredBlock
from saelake.store.index.levels import Levels
from saelake.store.index.nearest import (
    BUDGETS,
    EVERYTHING,
    LEAST_RECALL,
    N_NEAREST,
    NearestDocuments,
    Plan,
    best_rows,
    least_step,
    n_candidates,
    n_sketched,
)

N_ASKED = 512  # documents that are asked about, half of them to choose
ONE_IN = (2048, 1024, 512, 256, 128, 64)  # documents of which one is compared exactly
SKETCHED = (0, 256, 128, 64, 32)  # documents of a block of which one is told apart by sketches
LEAST_COMPARED = 200  # fewer are not tried
ERRORS = 2  # standard errors that are taken off where something is chosen
QUERY_BYTES = 64 << 20  # of questions at once
QUERIES_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class _AskedRow:
    """A document of a block as a question: its row, and its impacts by feature."""

    block: int
    row: int
    features: Array
    impacts: Array

    def dense(self, width: int) -> Array:
        """Float32 (width,)."""
        values = np.zeros(width, np.float32)
        values[self.features] = self.impacts
        return values


@dataclass(frozen=True, slots=True)
class _Nearest:
    """The best of each question so far: cosines float32, and blocks and rows, (n, `N_NEAREST`)."""

    cosines: Array
    blocks: Array
    rows: Array

    @classmethod
    def none(cls, n: int) -> "_Nearest":
        shape = (n, N_NEAREST)
        return cls(np.zeros(shape, np.float32), np.full(shape, -1), np.full(shape, -1))

    def add(self, cosines: Array, block: int, first: int) -> None:
        """Take in the rows of a block from `first` on; cosines are (n_rows, n)."""
        near = np.argwhere(cosines > self.cosines.min(axis=1))
        for question in np.unique(near[:, 1]).tolist():
            rows = near[near[:, 1] == question, 0]
            every = np.append(self.cosines[question], cosines[rows, question])
            order = np.argsort(-every, kind="stable")[:N_NEAREST]
            blocks = np.append(self.blocks[question], np.full(len(rows), block))
            self.rows[question] = np.append(self.rows[question], rows + first)[order]
            self.cosines[question], self.blocks[question] = every[order], blocks[order]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Measurement:
    """Blocks of a table that are asked about documents of their own."""

    table: ImpactsTable
    blocks: Sequence[StoredBlock]
    width: int

    @cached_property
    def n_documents(self) -> int:
        return sum(len(block.docs) for block in self.blocks)

    @cached_property
    def one_in(self) -> tuple[int, ...]:
        """Those of `ONE_IN` by which enough are compared, and the last."""
        return tuple(n for n in ONE_IN[:-1] if self.n_documents >= LEAST_COMPARED * n) + ONE_IN[-1:]

    @cached_property
    def asked(self) -> Sequence[_AskedRow]:
        """Documents from all over that have features."""
        firing = [block.firing for block in self.blocks]
        ends = np.cumsum([len(rows) for rows in firing])
        n = min(N_ASKED, int(ends[-1]))
        places = (np.arange(n) + 0.5) * int(ends[-1]) / max(n, 1)
        found = []
        for place in places.astype(np.int64).tolist():
            at = int(np.searchsorted(ends, place, side="right"))
            block, row = self.blocks[at], int(firing[at][place - ends[at]])
            features, values = self.table.taken([(block, np.array([row]))]).row(0)
            found.append(_AskedRow(at, row, features, values * block.scales[row]))
        return found

    def nearest(self) -> _Nearest:
        """The nearest of each question but itself, by a pass over all rows for some questions."""
        if not self.asked:
            return _Nearest.none(0)
        at_once = min(max(QUERY_BYTES // (4 * self.width), 1), QUERIES_AT_ONCE)
        parts = [
            self._nearest_of(self.asked[first : first + at_once])
            for first in range(0, len(self.asked), at_once)
        ]
        return _Nearest(
            np.concatenate([part.cosines for part in parts]),
            np.concatenate([part.blocks for part in parts]),
            np.concatenate([part.rows for part in parts]),
        )

    def _nearest_of(self, asked: Sequence[_AskedRow]) -> _Nearest:
        from saelake.store.arrays.levels import row_products

        queries = np.stack([each.dense(self.width) for each in asked], axis=1)
        found = _Nearest.none(len(asked))
        for at, block in enumerate(self.blocks):
            first = 0
            for part in self.table.scanned(block):
                last = first + len(part)
                cosines = row_products(part.offsets, part.features, part.values, queries)
                cosines *= block.scales[first:last, None]
                for question, each in enumerate(asked):
                    if each.block == at and first <= each.row < last:
                        cosines[each.row - first, question] = 0
                found.add(cosines, at, first)
                first = last
        return found

    @cached_property
    def sketched(self) -> tuple[int, ...]:
        """Those of `SKETCHED` that these blocks have sketches for."""
        search = NearestDocuments(table=self.table, blocks=tuple(self.blocks))
        return SKETCHED if search.has_sketches else (0,)

    def steps(self, nearest: _Nearest, budget: float) -> tuple[Array, Array]:
        """By estimates: how many rows of each question are in each step, and where its nearest are.

        For each of `sketched`: int64 (n_sketched, n, `N_STEPS`) and (n_sketched, n, `N_NEAREST`);
        -1 where there are fewer that are near, or they are not told apart by sketches.
        """
        from saelake.store.arrays import levels

        shape = (len(self.sketched), len(self.asked))
        counts = np.zeros((*shape, levels.N_STEPS), np.int32)
        steps = np.full((*shape, N_NEAREST), -1)
        for at, block in enumerate(self.blocks):
            known = self.table.levels(block)
            for question, each in enumerate(self.asked):
                query = each.dense(self.width)
                found = self._estimates(block, known, query, budget)
                keep = np.ones(len(found), np.bool_)
                keep[each.row if each.block == at else slice(0)] = False
                mine = np.flatnonzero(nearest.blocks[question] == at)
                rows = nearest.rows[question, mine]
                for i, (of, part) in enumerate(self._parts(block, query, found, keep)):
                    levels.count_steps(part, EVERYTHING, counts[i, question])
                    steps[i, question, mine] = _steps_at(rows, of, part)
        return counts, steps

    def _parts(
        self, block: StoredBlock, query: Array, found: Array, keep: Array
    ) -> Iterator[tuple[Array, Array]]:
        """For each of `sketched` the rows that are left of a block, and their last estimates."""
        every = np.flatnonzero(keep)
        if self.sketched[-1]:
            largest = best_rows(found, keep, self._room(block, self.sketched[-1]))
            sketched = self.table.sketched(block, largest, query)
        for one_in in self.sketched:
            if not one_in:
                yield every, found[every]
                continue
            rows = best_rows(found, keep, self._room(block, one_in))
            yield rows, sketched[np.searchsorted(largest, rows)]

    def _room(self, block: StoredBlock, one_in: int) -> int:
        return n_sketched(len(block.docs), N_NEAREST, one_in)

    def _estimates(self, block: StoredBlock, known: Levels, query: Array, budget: float) -> Array:
        chosen = block.features.chosen(query, budget)
        self.table.read_levels(block, known, chosen)
        return known.estimates(query, chosen)

    def recalls(self, nearest: _Nearest, budget: float) -> Iterator[Iterator[Array]]:
        """For each of `sketched` and of `one_in` the share found of each question's nearest.

        Float64 (n,).
        """
        n_nearest = np.maximum((nearest.cosines > 0).sum(axis=1), 1)
        rooms = [n_candidates(self.n_documents, N_NEAREST, one_in) for one_in in self.one_in]
        for counts, steps in zip(*self.steps(nearest, budget), strict=True):
            least = np.array([[least_step(each, room) for each in counts] for room in rooms])
            yield ((steps >= each[:, None]).sum(axis=1) / n_nearest for each in least)


def _steps_at(rows: Array, of: Array, estimates: Array) -> Array:
    """The steps of these rows by the estimates of the rows `of`, ascending; -1 without one."""
    from saelake.store.arrays import levels

    if not len(of):
        return np.full(len(rows), -1)
    at = np.minimum(np.searchsorted(of, rows), len(of) - 1)
    return np.where(of[at] == rows, levels.steps_of(estimates[at]), -1)


def measured_overall(table: ImpactsTable, blocks: Sequence[StoredBlock], width: int) -> Overall:
    """What a search of these blocks finds, whose features are under `width`.

    Larger budgets are not tried once they alone take longer than something that finds enough.
    """
    search = _Measurement(table=table, blocks=blocks, width=width)
    nearest = search.nearest()
    some = (nearest.cosines > 0).any(axis=1)
    budgets: list[float] = []
    found: list[list[list[tuple[float, float]]]] = []
    best = np.inf
    for budget in BUDGETS:
        if Plan(budget=budget, recall=0, one_in=search.n_documents).cost(blocks) >= best:
            break
        budgets.append(budget)
        recalls = search.recalls(nearest, budget)
        found.append([[_halves(each[some]) for each in shares] for shares in recalls])
        best = min([best, *_costs(search, budget, found[-1])])
    pairs = np.array(found, np.float64).reshape(
        len(budgets), len(search.sketched), len(search.one_in), 2
    )
    return Overall(
        covers=frozenset(i for block in blocks for i in block.covers),
        budgets=tuple(budgets),
        sketched=search.sketched,
        one_in=search.one_in,
        assured=pairs[..., 0],
        recalls=pairs[..., 1],
        n_asked=int(some.sum()),
    )


def _costs(
    search: _Measurement, budget: float, found: Sequence[Sequence[tuple[float, float]]]
) -> Iterator[float]:
    """How long those take that find enough with a budget of columns."""
    for sketched, shares in zip(search.sketched, found, strict=True):
        for one_in, (assured, _) in zip(search.one_in, shares, strict=True):
            if assured >= LEAST_RECALL:
                plan = Plan(budget=budget, recall=assured, sketched=sketched, one_in=one_in)
                yield plan.cost(search.blocks)


def _halves(shares: Array) -> tuple[float, float]:
    """What half of the questions find, less `ERRORS` standard errors; what the others find."""
    choose, say = shares[::2], shares[1::2]
    if not len(say):
        return 0.0, 0.0
    least = 1 / (N_NEAREST * len(choose))  # as if one more had been missed
    error = max(choose.std() / len(choose) ** 0.5, least)
    return float(choose.mean() - ERRORS * error), float(say.mean())
