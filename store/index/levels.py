"""Documents' impacts in 15 levels, of the features that tell the documents of a block apart.

The impact of a feature in a document is its value over the embedding's length, so a cosine is a
sum over features of the query's impact times the document's. It is estimated from some of them:
those of a query with the most variance of their part of the sum for the time that they take. The
others count what is to be expected of a document that is so *typical*: how large its product with
the mean of all documents is, which goes with how long it is, and which every feature goes with by
a slope of its own (a linear regression). A feature of many documents is a column of 4 bits a
document, which is added up as vectors; one of few is a list.

Where documents have many features, levels of more of them stand side by side besides, a line for
each document: its *sketch*, of 5 bits a feature, as what is nearest has the highest levels. What is
near by some columns is told apart by these.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from saelake.store.codes.embeddings import Block
from saelake.store.format.lists import Array

HIGHEST = 15  # of the levels 1 to 15; 0 is no value
HIGHEST_SKETCHED = 31
BYTES_PER_DOCUMENT = 768  # of levels, for the features that matter most
BESIDE_SKETCHES = 512  # as many, where there are sketches
N_SKETCHED = 1536  # features of a sketch
SKETCHED_TOGETHER = 128  # to which features of a sketch are filled up
ROW_BYTES = 3  # of a value of a row that is compared exactly
LEAST_SAVED = 3 / 2  # times as many bytes as a sketch has a row: else it is read as soon
COLUMN_BYTES, LIST_BYTES = 1 / 2, 3  # a document; a document that has the feature
LEAST_IN_COLUMN = 1 / 24  # of the documents have the feature: columns are quicker, lists smaller
LIST_COST = 40  # the time of a document in a list, in documents of a column (measured)
SPREAD = 3  # the highest level is so many deviations above the mean of what fires
ALIGNED = 64  # bytes, to which columns and lists are filled up


@dataclass(frozen=True, eq=False, kw_only=True)
class BlockFeatures:
    """The features that fire in a block of `n` documents, and how.

    Of feature `numbers[i]` (uint32, ascending) `counts[i]` (int64) documents have a value;
    `means[i]` (float32) is that of its impacts in all `n`, which change by `slopes[i]` (float32)
    with how typical a document is, and have `variances[i]` (float32) besides. A level of it is
    `steps[i]` (float32; 0 for one whose levels are not kept). Its levels are in a column where
    `in_column[i]`, in a list where not; but those `in_sketch[i]` may be in sketches alone:
    `has_levels[i]` says which are not.
    """

    n: int
    numbers: Array
    counts: Array
    means: Array
    slopes: Array
    variances: Array
    steps: Array
    in_column: Array
    in_sketch: Array
    has_levels: Array

    @classmethod
    def of(
        cls,
        n: int,
        counts: Array,
        sums: Array,
        squares: Array,
        slopes: Array,
        spread: float,
        *,
        sketched: bool = False,
    ) -> "BlockFeatures":
        """From the number of each feature's impacts, their sum and that of their squares.

        `slopes` are those by how typical documents are, whose variance is `spread`.
        """
        numbers = np.flatnonzero(counts)
        counts, sums, squares = counts[numbers], sums[numbers], squares[numbers]
        mean, slope = sums / n, slopes[numbers]
        variance = np.maximum(squares / n - mean**2 - np.square(slope, dtype=float) * spread, 0)
        fires = sums / counts
        deviation = np.sqrt(np.maximum(squares / counts - fires**2, 0))
        in_column = counts >= LEAST_IN_COLUMN * n
        n_bytes = np.where(in_column, COLUMN_BYTES, LIST_BYTES * counts / n)
        order = np.argsort(-(squares * variance) / n_bytes, kind="stable")
        most = BESIDE_SKETCHES if sketched else BYTES_PER_DOCUMENT
        best = np.argsort(-(squares * variance), kind="stable")[: N_SKETCHED if sketched else 0]
        steps = ((fires + SPREAD * deviation) / HIGHEST).astype(np.float32)
        has_levels, in_sketch = np.zeros((2, len(numbers)), np.bool_)
        has_levels[order[np.cumsum(n_bytes[order]) <= most]] = True
        in_sketch[best] = True
        steps[~(has_levels | in_sketch)] = 0
        return cls(
            n=n,
            numbers=numbers.astype(np.uint32),
            counts=counts,
            means=mean.astype(np.float32),
            slopes=slope,
            variances=variance.astype(np.float32),
            steps=steps,
            in_column=in_column,
            in_sketch=in_sketch & (steps > 0),
            has_levels=has_levels & (steps > 0),
        )

    @cached_property
    def kept(self) -> Array:
        """Which have levels, as indices."""
        return np.flatnonzero(self.has_levels)

    @cached_property
    def sketched(self) -> Array:
        """Which sketches have, as indices."""
        return np.flatnonzero(self.in_sketch)

    @property
    def sketch_bytes(self) -> int:
        """The bytes of a document's sketch; 0 where there are none."""
        return -(-len(self.sketched) // SKETCHED_TOGETHER) * SKETCHED_TOGETHER * 5 // 8

    @cached_property
    def costs(self) -> Array:
        """The time to add up each, in columns."""
        return np.where(self.in_column, 1, LIST_COST * self.counts / self.n)

    @property
    def half(self) -> int:
        """The bytes of a column."""
        return _aligned((self.n + 1) // 2)

    @property
    def row_type(self) -> np.dtype[Any]:
        """That of the rows in lists."""
        return np.dtype(np.uint16 if self.n <= 1 << 16 else np.uint32)

    @property
    def own_bytes(self) -> int:
        """The memory of what is known of the features."""
        known = (self.numbers, self.counts, self.means, self.slopes, self.variances, self.steps)
        return sum(each.nbytes for each in known)

    def chosen(self, query: Array, budget: float) -> Array:
        """Which to add up for a query (float32, of every feature) within a budget of columns."""
        from saelake.store.arrays import levels  # not every process that has a session needs numba

        found: Array = levels.chosen(query, self.numbers, self.kept, *self._worth, budget)
        return found

    @cached_property
    def _worth(self) -> tuple[Array, Array]:
        """The variances for their costs of those that have levels, and the costs, float32."""
        costs = self.costs[self.kept]
        worth = self.variances[self.kept] / costs
        return worth.astype(np.float32), costs.astype(np.float32)


class Levels:
    """The levels of a block's features, in `data` (uint8): columns, then lists' rows, and levels.

    Behind these there are sketches, from the byte `sketches_at` on. Those are read one by one from
    a file, and are part of `data` only where it was made here, or is mapped. `typical` (float32,
    one a document) says how typical it is; `has` (bool, one a feature) of which features the
    levels are in `data`.
    """

    def __init__(self, features: BlockFeatures, typical: Array, data: Array | None = None) -> None:
        """Those in `data`; without it, none are there yet."""
        self.features, self.typical = features, typical
        known = features.kept
        in_column = features.in_column[known]
        self._place = np.full(len(features.numbers), -1)
        self._place[known[in_column]] = np.arange(np.count_nonzero(in_column))
        counts = np.zeros(len(features.numbers), np.int64)
        counts[known[~in_column]] = features.counts[known[~in_column]]
        self._ends = np.cumsum(counts)
        self._begins = self._ends - counts
        n_columns = int(in_column.sum())
        self._rows_at = n_columns * features.half
        n_listed = int(counts.sum())
        self._levels_at = self._rows_at + _aligned(features.row_type.itemsize * n_listed)
        self.has = np.full(len(features.numbers), data is not None)
        self.size = max(self._levels_at + n_listed, ALIGNED)
        # Memory that is not written to takes none.
        self.data = np.empty(self.size, np.uint8) if data is None else data
        self._columns = self.data[: self._rows_at].reshape(n_columns, features.half)
        self._words = self._columns.view(np.uint16)
        rows = self.data[self._rows_at : self._levels_at].view(features.row_type)
        self._rows = rows[:n_listed]
        self._levels = self.data[self._levels_at : self._levels_at + n_listed]

    @classmethod
    def of(cls, block: Block, scale: Array, width: int, *, sketched: bool = False) -> "Levels":
        """All levels of a block's documents, whose features are under `width`.

        `scale` are `inverse_lengths`. With `sketched` there are sketches besides.
        """
        from saelake.store.arrays import levels

        arrays = (block.offsets, block.features, block.values, scale)
        counts, sums, squares = levels.moments(*arrays, width)
        n = len(block)
        typical, slopes = levels.typicality(*arrays, (sums / max(n, 1)).astype(np.float32))
        spread = float(np.square(typical, dtype=float).mean()) if n else 0.0
        of_values = (counts, sums, squares, slopes, spread)
        features = BlockFeatures.of(n, *of_values, sketched=sketched)
        made = cls(features, typical, np.zeros(cls(features, typical).whole_bytes, np.uint8))
        steps, place = np.zeros(width, np.float32), np.full(width, -1)
        cursor = np.zeros(width, np.int64)
        steps[features.numbers] = features.steps
        kept = np.zeros(width, np.bool_)
        kept[features.numbers] = features.has_levels
        place[features.numbers] = made._place
        cursor[features.numbers] = made._begins
        into = (made._columns, cursor, made._rows, made._levels)
        levels.as_levels(*arrays, np.where(kept, steps, 0), place, *into, HIGHEST)
        if sketched:
            made._sketch(arrays, steps)
        return made

    def _sketch(self, arrays: tuple[Array, Array, Array, Array], steps: Array) -> None:
        from saelake.store.arrays.sketches import as_sketches

        known = self.features
        place = np.full(len(steps), -1)
        place[known.numbers[known.sketched]] = np.arange(len(known.sketched))
        as_sketches(*arrays, steps, place, self.sketches, HIGHEST_SKETCHED)

    @property
    def sketches(self) -> Array:
        """A line of each document, uint8 (n, `sketch_bytes`), where they are part of `data`."""
        shape = (self.features.n, self.features.sketch_bytes)
        return self.data[self.sketches_at :][: shape[0] * shape[1]].reshape(shape)

    @property
    def sketches_at(self) -> int:
        """Where in a file the sketches begin, behind the levels."""
        return _aligned(self.size)

    @property
    def whole_bytes(self) -> int:
        """The bytes of a file of levels and sketches."""
        n_bytes = self.features.n * self.features.sketch_bytes
        return self.sketches_at + n_bytes if n_bytes else self.size

    @property
    def n_bytes(self) -> int:
        """The memory, once all are there, but for sketches."""
        return self.size + self.typical.nbytes + self.features.own_bytes

    def missing(self, indices: Array) -> list[tuple[int, int]]:
        """Where in `data` the levels of these features are that are not there yet: begin, size."""
        spans = []
        for index in indices[~self.has[indices]].tolist():
            if self._place[index] >= 0:
                half = self.features.half
                spans.append((int(self._place[index]) * half, half))
                continue
            begin, n = int(self._begins[index]), int(self._ends[index] - self._begins[index])
            size = self._rows.itemsize
            spans.append((self._rows_at + size * begin, size * n))
            spans.append((self._levels_at + begin, n))
        return spans

    def put(self, indices: Array, spans: Sequence[tuple[int, int]], parts: Sequence[bytes]) -> None:
        """Put in what was `missing` of these features."""
        for (begin, size), part in zip(spans, parts, strict=True):
            self.data[begin : begin + size] = np.frombuffer(part, np.uint8)
        self.has[indices] = True

    def estimates(self, query: Array, chosen: Array) -> Array:
        """The products with a query (float32, of every feature) from the chosen, float32 (n,)."""
        from saelake.store.arrays import levels

        known = self.features
        found: Array = levels.estimates(
            query,
            chosen,
            known.numbers,
            known.means,
            known.slopes,
            known.steps,
            self.typical,
            self._place,
            self._words,
            self._begins,
            self._ends,
            self._rows,
            self._levels,
        )
        return found


def _aligned(n_bytes: int) -> int:
    return -(-n_bytes // ALIGNED) * ALIGNED


def is_worth_sketches(block: Block) -> bool:
    """Whether a sketch of the documents of a block is read so much sooner than their rows."""
    line = min(N_SKETCHED, len(np.unique(block.features))) * 5 / 8
    return len(block.values) * ROW_BYTES > LEAST_SAVED * line * len(block)


def inverse_lengths(block: Block, width: int) -> Array:
    """One over the length of each row, float32 (n,)."""
    from saelake.store.arrays import kernels

    ones = np.ones(width, np.float32)
    _, square = kernels.products(block.offsets, block.features, block.values, ones, ones)
    scale: Array = 1 / np.sqrt(np.maximum(square, np.float32(1e-30)))
    return scale
