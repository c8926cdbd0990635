"""In how many documents, or values that align two texts, every two features fire."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np

from saelake.store.arrays import kernels
from saelake.store.codes.embeddings import Block
from saelake.store.codes.table import CodesTable
from saelake.store.documents.filters import DocumentMask
from saelake.store.errors import InvalidInput
from saelake.store.format.lists import Array
from saelake.store.index.bitmaps import Bitmap, n_words
from saelake.store.query.parts.frequencies import frequencies
from saelake.store.query.parts.partners import (
    Grouped,
    GroupShares,
    Partners,
    partners,
    shares,
)
from saelake.store.requests.correlate import CorrelateQuery
from saelake.store.requests.waited.progress import passing, told
from saelake.store.snapshot.collection import check_same_dictionary
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

PAIRS = "counting pairs"  # the stage, for who listens
COUNTS_BYTES = 128 << 20  # of one pass; each pass reads all embeddings
COUNT_BYTES, SUM_BYTES = 4, 8  # of a pair; sums are only made where partners are weighed
TILE = 256, 128  # words and features whose bits are compared at a time, from a core's cache
LOOKS_PER_WORD = 8.0  # about how many words' bits are compared in the time of one look at a pair
STRIPE_BYTES = 1 << 20  # of counts that are added to at a time, to stay in a core's cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """Features a and b of pairs, parallel arrays int64 (n,), and where both fire.

    `n_both` int64 counts the units in which both fire; `weight` is float64 and weighs a unit of
    several documents by how many of its pairs of documents have both, else it is `n_both` itself.
    """

    a: Array
    b: Array
    n_both: Array
    weight: Array


class CoOccurrence(Protocol):
    """Counts of units, `n` in all: documents, or the values that align two texts.

    `n_a` and `n_b`, int64 (d_sae,), are those in which a feature of a pair's side fires;
    `weight_a` and `weight_b` weigh them by the share of a value's documents in which it does.
    """

    n: int
    n_a: Array
    n_b: Array
    weight_a: Array
    weight_b: Array

    def n_pairs(self, least: int, most: float) -> int:
        """How many pairs there are of features that fire in so many units."""

    def pairs(self, least: int, most: float) -> Iterator[Together]:
        """Each pair of features that fires together in `least` units or more, once.

        Of features that fire in at most `most`.
        """


def counting(session: Session, a: Selected, query: CorrelateQuery) -> CoOccurrence:
    """How to count for a question whose first selection is `a`."""
    if query.b is not None:
        return Aligned(session, a, session.select(query.b), query)
    return Around(session, a, query.features) if query.features else Alone(session, a)


class Alone:
    """Co-occurrence inside one selection; of a pair the lower feature is first."""

    def __init__(self, session: Session, selected: Selected) -> None:
        self._session, self._selected = session, selected
        self.n, self.n_a = frequencies(session, selected)
        self.n_b = self.weight_a = self.weight_b = self.n_a

    def n_pairs(self, least: int, most: float) -> int:
        """See `CoOccurrence`."""
        n = len(_between(self.n_a, least, most))
        return n * (n - 1) // 2

    def pairs(self, least: int, most: float) -> Iterator[Together]:
        """See `CoOccurrence`."""
        passes = _narrowing(_between(self.n_a, least, most))
        for number, columns in enumerate(passes, 1):
            rows = columns[: _lines(columns)]
            inside = self._inside(len(rows), columns, passing(PAIRS, number, len(passes)))
            yield from _together(_summed(inside, rows, columns), None, rows, columns, least)

    def _inside(self, n_rows: int, columns: Array, stage: str) -> Iterator[Array]:
        """The counts of each part of the documents, (n_rows, n_columns)."""
        work = _Inside(n_rows, columns, self._selected.width)
        bitmaps = self._session.embeddings.bitmaps(self._selected)
        if bitmaps is None:
            self._session.embeddings.hold(self._selected, "binary")
            return self._session.embeddings.map(self._selected, work, "binary", stage=stage)
        of_bits = partial(work.of_bits, mask=self._selected.mask)
        return bitmaps.map(of_bits, np.add, stage=stage)


class Around(Alone):
    """Co-occurrence of some features with all, inside one selection; the lower feature first."""

    def __init__(self, session: Session, selected: Selected, features: Sequence[int]) -> None:
        super().__init__(session, selected)
        self._features = np.unique(np.array(features, np.int64))

    def n_pairs(self, least: int, most: float) -> int:
        """See `CoOccurrence`."""
        columns = _between(self.n_a, least, most)
        n = len(np.intersect1d(columns, self._features))
        return n * (len(columns) - n) + n * (n - 1) // 2

    def pairs(self, least: int, most: float) -> Iterator[Together]:
        """See `CoOccurrence`."""
        columns = _between(self.n_a, least, most)
        rows = np.intersect1d(columns, self._features)
        for found in _crossing(self._counts, rows, columns, least):
            a, b = found.a, found.b
            once = (a < b) | ((a > b) & ~np.isin(b, rows))
            n_both = found.n_both[once]
            low, high = np.minimum(a, b)[once], np.maximum(a, b)[once]
            yield Together(a=low, b=high, n_both=n_both, weight=n_both)

    def _counts(self, rows: Array, columns: Array, stage: str) -> tuple[Array, None]:
        work = _Across(rows, columns, self._selected.width)
        parts = self._session.embeddings.map(self._selected, work, "binary", stage=stage)
        return _summed(parts, rows, columns), None


class Aligned:
    """Co-occurrence between aligned documents of two selections; the unit is a value."""

    def __init__(self, session: Session, a: Selected, b: Selected, query: CorrelateQuery) -> None:
        assert query.align is not None
        check_same_dictionary(a.collection, b.collection)
        self._session = session
        self._codes = a.collection.codes, b.collection.codes
        self._features = query.features
        self.partners = partners(session, a, b, query.align)
        self.n = len(self.partners)
        if self.n == 0:
            raise InvalidInput(
                f"No document of {query.a} has the same {query.align} as one of {query.b}.",
                align=query.align,
            )
        self.n_a = self.n_b = np.zeros(a.width, np.int64)
        self.weight_a = self.weight_b = np.zeros(a.width)
        chunks = list(self.partners.chunks())
        parts = session.executor.map(_InValues(*self._codes), chunks)
        for made in told("counting values", parts, len(chunks)):
            self.n_a, self.n_b = self.n_a + made[0][0], self.n_b + made[1][0]
            self.weight_a, self.weight_b = self.weight_a + made[0][1], self.weight_b + made[1][1]

    def _sides(self, least: int, most: float) -> tuple[Array, Array]:
        """The features of either side that can be in a pair, ascending."""
        rows, columns = (
            np.flatnonzero((n >= least) & (weight <= most))
            for n, weight in ((self.n_a, self.weight_a), (self.n_b, self.weight_b))
        )
        if self._features:
            rows = np.intersect1d(rows, np.array(self._features, np.int64))
        return rows, columns

    def n_pairs(self, least: int, most: float) -> int:
        """See `CoOccurrence`."""
        rows, columns = self._sides(least, most)
        return len(rows) * len(columns)

    def pairs(self, least: int, most: float) -> Iterator[Together]:
        """See `CoOccurrence`."""
        cell_bytes = COUNT_BYTES + (0 if self.partners.are_pairs else SUM_BYTES)
        return _crossing(self._counts, *self._sides(least, most), least, cell_bytes)

    def _counts(self, rows: Array, columns: Array, stage: str) -> tuple[Array, Array | None]:
        shape = len(rows), len(columns)
        counts = np.zeros(shape, np.uint32)
        sums = None if self.partners.are_pairs else np.zeros(shape)
        work = _AcrossPartners(rows, columns, *self._codes)
        chunks = list(self.partners.chunks())
        for a, b in told(stage, self._session.executor.map(work, chunks), len(chunks)):
            _add(counts, sums, a, b)
        return counts, sums


@dataclass(frozen=True, slots=True)
class _InValues:
    """Counts the values in which each feature fires on either side."""

    a: CodesTable
    b: CodesTable

    def __call__(self, some: Partners) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        """Of a and of b: in how many values, int64 (d_sae,), and the sum of the shares float64."""
        return _totals(self.a, some.a), _totals(self.b, some.b)


def _totals(codes: CodesTable, grouped: Grouped) -> tuple[Array, Array]:
    made = shares(codes, grouped)
    d_sae = codes.settings.width
    counts = np.bincount(made.features, minlength=d_sae)
    return counts, np.bincount(made.features, made.shares, d_sae)


@dataclass(frozen=True, slots=True)
class _AcrossPartners:
    """The shares of some values on both sides, of the features that are counted."""

    rows: Array
    columns: Array
    a: CodesTable
    b: CodesTable

    def __call__(self, some: Partners) -> tuple[GroupShares, GroupShares]:
        """Those of a among `rows`, and those of b among `columns`, by their places."""
        d_sae = self.a.settings.width
        a, b = shares(self.a, some.a), shares(self.b, some.b)
        return a.within(self.rows, d_sae), b.within(self.columns, d_sae)


def _add(counts: Array, sums: Array | None, a: GroupShares, b: GroupShares) -> None:
    """Add to counts and sums, (n_rows, n_columns), what fires together in these values."""
    cursor = a.offsets[:-1].copy()
    for first, stripe in _stripes(counts):
        before = cursor, a.offsets, a.features
        if sums is None:
            kernels.cross_occurrences(*before, b.offsets, b.features, first, stripe)
        else:
            beside = sums[first : first + len(stripe)]
            kernels.cross_shares(
                *before, a.shares, b.offsets, b.features, b.shares, first, stripe, beside
            )


# -- Work on one block or chunk: a matrix of counts, by the faster of two ways. `_numbered` narrows
# a block to the features that are counted.


@dataclass(frozen=True, slots=True)
class _Inside:
    """Counts documents of a block in which the first of some features and later ones fire."""

    n_rows: int
    columns: Array
    d_sae: int

    def __call__(self, block: Block) -> Array:
        """Uint32 (n_rows, n_columns), above the diagonal."""
        kept = _numbered(block, self.columns, self.d_sae)
        if self._by_bits(kept):
            return self._shared(Bitmap.of(kept, len(self.columns)).bits)
        counts = self._zeros()
        cursor = kept.offsets[:-1].copy()
        for first, stripe in _stripes(counts):
            kernels.co_occurrences(cursor, kept.offsets, kept.features, first, stripe)
        return counts

    def of_bits(self, bitmap: Bitmap, mask: DocumentMask | None) -> Array:
        """Uint32 (n_rows, n_columns) of a bitmap, over the documents that a filter keeps."""
        return self._shared(bitmap.of_features(self.columns, mask))

    def _shared(self, bits: Array) -> Array:
        counts = self._zeros()
        kernels.shared_bits(bits, counts, *TILE)
        return counts

    def _zeros(self) -> Array:
        return np.zeros((self.n_rows, len(self.columns)), np.uint32)

    def _by_bits(self, block: Block) -> bool:
        """Whether a bit for every document and feature is faster than a look at each pair."""
        n_columns, words_each = len(self.columns), n_words(len(block))
        if 8 * n_columns * words_each > COUNTS_BYTES:
            return False
        sizes = np.diff(block.offsets).astype(np.float64)
        looks = (sizes @ sizes) / 2 * self.n_rows / max(n_columns, 1)
        words = self.n_rows * (n_columns - self.n_rows / 2) * words_each
        return bool(words < LOOKS_PER_WORD * looks)


@dataclass(frozen=True, slots=True)
class _Across:
    """Counts documents of a block in which features `rows[i]` and `columns[j]` fire."""

    rows: Array
    columns: Array
    d_sae: int

    def __call__(self, block: Block) -> Array:
        """Uint32 (n_rows, n_columns)."""
        left, right = (_numbered(block, f, self.d_sae) for f in (self.rows, self.columns))
        counts = np.zeros((len(self.rows), len(self.columns)), np.uint32)
        cursor = left.offsets[:-1].copy()
        for first, stripe in _stripes(counts):
            kernels.cross_occurrences(
                cursor, left.offsets, left.features, right.offsets, right.features, first, stripe
            )
        return counts


def _numbered(block: Block, features: Array, d_sae: int) -> Block:
    """The block with only these ascending features, by their place among them, where they fire."""
    keep = np.zeros(d_sae, np.bool_)
    keep[features] = True
    kept = block.within(keep)
    number = np.zeros(d_sae, np.uint32)
    number[features] = np.arange(len(features))
    return replace(kept, features=number[kept.features])


# -- Passes: all counts of every two features seldom fit in memory, so each pass over the documents
# counts some lines of them, and pairs that are often enough together are taken out.


def _lines(columns: Array, cell_bytes: int = COUNT_BYTES) -> int:
    """How many lines of counts a pass has."""
    return max(COUNTS_BYTES // (cell_bytes * max(len(columns), 1)), 1)


def _narrowing(columns: Array) -> list[Array]:
    """The features of each pass, of which the first lines are counted: with each there are less."""
    passes = []
    while len(columns):
        passes.append(columns)
        columns = columns[_lines(columns) :]
    return passes


def _stripes(counts: Array) -> Iterator[tuple[int, Array]]:
    """The lines of counts, some at a time, and which is the first of these."""
    step = max(STRIPE_BYTES // (counts.itemsize * max(counts.shape[1], 1)), 1)
    return ((first, counts[first : first + step]) for first in range(0, len(counts), step))


def _summed(parts: Iterator[Array], rows: Array, columns: Array) -> Array:
    total = np.zeros((len(rows), len(columns)), np.uint32)
    for part in parts:
        total += part
    return total


def _between(fires: Array, least: int, most: float) -> Array:
    """The features that fire in so many documents, ascending."""
    return np.flatnonzero((fires >= least) & (fires <= most))


def _crossing(
    count: Callable[[Array, Array, str], tuple[Array, Array | None]],
    rows: Array,
    columns: Array,
    least: int,
    cell_bytes: int = COUNT_BYTES,
) -> Iterator[Together]:
    """The pairs of one of `rows` and one of `columns`, in as many passes as the counts need."""
    step = _lines(columns, cell_bytes)
    firsts = range(0, len(rows), step)
    for number, first in enumerate(firsts, 1):
        mine = rows[first : first + step]
        counts = count(mine, columns, passing(PAIRS, number, len(firsts)))
        yield from _together(*counts, mine, columns, least)


def _together(
    counts: Array, sums: Array | None, rows: Array, columns: Array, least: int
) -> Iterator[Together]:
    """The pairs of which `least` or more were counted."""
    for first, stripe in _stripes(counts):
        i, j = np.nonzero(stripe >= least)
        n_both = stripe[i, j].astype(np.int64)
        weight = n_both if sums is None else sums[first + i, j]
        yield Together(a=rows[first + i], b=columns[j], n_both=n_both, weight=weight)
