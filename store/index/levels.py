"""Documents' impacts in 15 levels, of the features that tell the documents of a block apart.

The impact of a feature in a document is its value over the embedding's length, so a cosine is a
sum over features of the query's impact times the document's. It is estimated from some of them:
those of a query with the most variance of their part of the sum for the time that they take, the
others by their mean. A feature of many documents is a column of 4 bits a document, which is added
up as vectors; one of few is a list.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from saelake.store.codes.embeddings import Block
from saelake.store.format.lists import Array

HIGHEST = 15  # of the levels 1 to 15; 0 is no value
FULL_WEIGHT = 255  # of the largest weight of a query
BYTES_PER_DOCUMENT = 1024  # of levels, for the features that matter most
COLUMN_BYTES, LIST_BYTES = 1 / 2, 3  # a document; a document that has the feature
LIST_COST = 11  # the time of a document in a list, in documents of a column (measured)
SPREAD = 3  # the highest level is so many deviations above the mean of what fires


@dataclass(frozen=True, eq=False, kw_only=True)
class BlockFeatures:
    """The features that fire in a block of `n` documents, and how.

    Of feature `numbers[i]` (uint32, ascending) `counts[i]` (int64) documents have a value;
    `means[i]` and `variances[i]` (float32) are of its impacts in all `n`. A level of it is
    `steps[i]` (float32; 0 for one whose levels are not kept), in a column where `in_column[i]`.
    """

    n: int
    numbers: Array
    counts: Array
    means: Array
    variances: Array
    steps: Array
    in_column: Array

    @classmethod
    def of(cls, n: int, counts: Array, sums: Array, squares: Array) -> "BlockFeatures":
        """From the number of each feature's impacts, their sum and that of their squares."""
        numbers = np.flatnonzero(counts)
        counts, sums, squares = counts[numbers], sums[numbers], squares[numbers]
        mean = sums / n
        variance = np.maximum(squares / n - mean**2, 0)
        fires = sums / counts
        deviation = np.sqrt(np.maximum(squares / counts - fires**2, 0))
        n_bytes = np.minimum(COLUMN_BYTES, LIST_BYTES * counts / n)
        order = np.argsort(-(squares * variance) / n_bytes, kind="stable")
        kept = order[np.cumsum(n_bytes[order]) <= BYTES_PER_DOCUMENT]
        steps = np.zeros(len(numbers), np.float32)
        steps[kept] = ((fires + SPREAD * deviation) / HIGHEST)[kept]
        return cls(
            n=n,
            numbers=numbers.astype(np.uint32),
            counts=counts,
            means=mean.astype(np.float32),
            variances=variance.astype(np.float32),
            steps=steps,
            in_column=LIST_BYTES * counts / n >= COLUMN_BYTES,
        )

    @cached_property
    def kept(self) -> Array:
        """Which have levels, as indices."""
        return np.flatnonzero(self.steps > 0)

    @cached_property
    def costs(self) -> Array:
        """The time to add up each, in columns."""
        return np.where(self.in_column, 1, LIST_COST * self.counts / self.n)

    @property
    def half(self) -> int:
        """The bytes of a column."""
        return (self.n + 1) // 2

    @property
    def row_type(self) -> np.dtype[Any]:
        """That of the rows in lists."""
        return np.dtype(np.uint16 if self.n <= 1 << 16 else np.uint32)

    @property
    def n_bytes(self) -> int:
        """The memory of all levels, and of what is known of the features."""
        listed = self.counts[self.kept][~self.in_column[self.kept]].sum()
        n_columns = self.in_column[self.kept].sum()
        known = (self.numbers, self.counts, self.means, self.variances, self.steps)
        own = sum(each.nbytes for each in known)
        return int(n_columns * self.half + listed * (self.row_type.itemsize + 1)) + own

    def chosen(self, query: Array, budget: float) -> Array:
        """Which to add up for a query (float32, of every feature) within a budget of columns."""
        asked = self.kept[query[self.numbers[self.kept]] > 0]
        part = query[self.numbers[asked]] ** 2 * self.variances[asked]
        costs = self.costs[asked]
        order = np.argsort(-part / costs, kind="stable")
        return np.sort(asked[order[np.cumsum(costs[order]) <= budget]])


class Levels:
    """The levels of a block's features, those that were put in so far."""

    def __init__(self, features: BlockFeatures) -> None:
        self.features = features
        known = features.kept
        in_column = features.in_column[known]
        self._place = np.full(len(features.numbers), -1)  # columns are in the order they came in
        self._n_placed = 0
        counts = np.zeros(len(features.numbers), np.int64)
        counts[known[~in_column]] = features.counts[known[~in_column]]
        self._ends = np.cumsum(counts)
        self._begins = self._ends - counts
        n_listed = int(counts.sum())
        # Memory that is not written to takes none.
        self._columns = np.empty((int(in_column.sum()), features.half), np.uint8)
        self._rows = np.empty(n_listed, features.row_type)
        self._levels = np.empty(n_listed, np.uint8)
        self.has = np.zeros(len(features.numbers), np.bool_)

    @classmethod
    def of(cls, block: Block, width: int) -> "Levels":
        """All levels of a block's documents, whose features are under `width`."""
        from saelake.store.arrays import levels  # not every process that has a session needs numba

        arrays = (block.offsets, block.features, block.values)
        scale = inverse_lengths(block, width)
        found = levels.moments(*arrays, scale, width)
        features = BlockFeatures.of(len(block), *found)
        made = cls(features)
        for index in features.kept[features.in_column[features.kept]].tolist():
            made._put_column(index, 0)
        steps, place = np.zeros(width, np.float32), np.full(width, -1)
        cursor = np.zeros(width, np.int64)
        steps[features.numbers] = features.steps
        place[features.numbers] = made._place
        cursor[features.numbers] = made._begins
        into = (made._columns, cursor, made._rows, made._levels)
        levels.as_levels(*arrays, scale, steps, place, *into, HIGHEST)
        made.has[features.kept] = True
        return made

    def data(self, index: int) -> bytes:
        """The levels of one feature, as they are stored."""
        if self._place[index] >= 0:
            return bytes(self._columns[self._place[index]].data)
        span = slice(self._begins[index], self._ends[index])
        rows: bytes = self._rows[span].tobytes()
        return rows + bytes(self._levels[span].data)

    def put(self, index: int, data: memoryview) -> None:
        """Put in what `data` gave."""
        if self.features.in_column[index]:
            self._put_column(index, np.frombuffer(data, np.uint8))
        else:
            span = slice(self._begins[index], self._ends[index])
            n_bytes = self._rows.itemsize * (span.stop - span.start)
            self._rows[span] = np.frombuffer(data[:n_bytes], self._rows.dtype)
            self._levels[span] = np.frombuffer(data[n_bytes:], np.uint8)
        self.has[index] = True

    def _put_column(self, index: int, column: Array | int) -> None:
        self._place[index] = self._n_placed
        self._columns[self._n_placed] = column
        self._n_placed += 1

    def estimates(self, query: Array, chosen: Array) -> Array:
        """The products with a query (float32, of every feature) from the chosen, float32 (n,)."""
        from saelake.store.arrays import levels

        features = self.features
        means = query[features.numbers] * features.means
        rest = np.float32(means.sum() - means[chosen].sum())
        sums = np.zeros(2 * features.half, np.float32)
        if len(chosen) == 0:
            return sums[: features.n] + rest
        exact = query[features.numbers[chosen]] * features.steps[chosen]
        unit = exact.max() / np.float32(FULL_WEIGHT)
        weights = np.rint(exact / unit).astype(np.uint16)
        place = self._place[chosen]
        in_column = place >= 0
        n_missing = -int(in_column.sum()) % 4
        asked = np.append(place[in_column], np.zeros(n_missing, np.int64))
        if len(asked):
            columns = np.append(weights[in_column], np.zeros(n_missing, np.uint16))
            levels.add_columns(self._columns, asked, columns, sums)
        lists = chosen[~in_column]
        spans = (self._begins[lists], self._ends[lists])
        levels.add_lists(self._rows, self._levels, *spans, weights[~in_column], sums)
        found: Array = sums[: features.n] * unit + rest
        return found


def inverse_lengths(block: Block, width: int) -> Array:
    """One over the length of each row, float32 (n,)."""
    from saelake.store.arrays import kernels

    ones = np.ones(width, np.float32)
    _, square = kernels.products(block.offsets, block.features, block.values, ones, ones)
    scale: Array = 1 / np.sqrt(np.maximum(square, np.float32(1e-30)))
    return scale
