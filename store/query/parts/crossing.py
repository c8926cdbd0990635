"""The best partners of features in another dictionary, over the tokens that both encoded.

Where the codes of all tokens fit in memory they are read once, and a few features after the other
are compared with all: there are never more sums than of these few. Else sums of as many features
as fit are added to, while codes are read: one pass for each `SUMS_BYTES` of sums.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Self

import numpy as np

from saelake.store.arrays import crossed
from saelake.store.codes.executor import Executor, Threads
from saelake.store.format.lists import Array
from saelake.store.query.parts.same_tokens import (
    AskedPairs,
    BothTotals,
    Crossed,
    ReadingBoth,
    SameTokens,
)
from saelake.store.requests.waited.progress import passing, told

SUMS_BYTES = 256 << 20  # of one pass; each pass reads all codes
HELD_BYTES = 288 << 20  # of codes that are kept where their sums would take several passes
GROUP_BYTES = 32 << 20  # of codes that are added to the sums of one pass at once
STRIPE_BYTES = 8 << 20  # of sums that are added to at a time by one thread
PARTS = 64  # in which features are handed out to threads
PRODUCT_BYTES, COUNT_BYTES = 8, 4  # of a pair

Columns = Mapping[str, Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Sums over tokens for features of a, by line, with those of b, by column.

    `products` float64 of their values, and `both` uint32, the tokens at which both fire,
    (n_lines, n_columns). Where only counts are asked for, `products` has no columns.
    """

    products: Array
    both: Array

    @classmethod
    def zero(cls, n_lines: int, n_columns: int, by: str) -> Self:
        """Of no tokens."""
        width = n_columns if by == "activation" else 0
        return cls(
            products=np.zeros((n_lines, width)), both=np.zeros((n_lines, n_columns), np.uint32)
        )

    def __getitem__(self, lines: slice) -> Self:
        """The sums of some lines, not a copy."""
        return replace(self, products=self.products[lines], both=self.both[lines])

    def add(self, codes: Crossed, decoded: tuple[Array, Array], first: int) -> None:
        """Add some tokens; the first line is that of group `first`."""
        a, b = ((grouped.begins, grouped.packed) for grouped in (codes.a, codes.b))
        if self.products.shape[1]:
            crossed.add_products(a, b, decoded, first, self.products, self.both)
        else:
            crossed.add_meetings(a, b, first, self.both)

    def best(self, known: "KnownSides", k: int) -> Columns:
        """The columns of the answer for these lines, which are the rows of `known`.

        Products are 0 afterwards.
        """
        shape = len(known.rows), min(k, len(known.columns))
        found, score = np.full(shape, -1), np.zeros(shape)
        if self.products.shape[1]:
            spread = known.spread_a, known.spread_b
            crossed.best_correlated(self.products, self.both, known.n, *spread, found, score)
        else:
            crossed.best_overlapping(self.both, known.n_a, known.n_b, found, score)
        i, place = np.nonzero(found >= 0)
        j = found[i, place]
        return {
            "feature_a": known.rows[i],
            "feature_b": known.columns[j],
            "score": score[i, place],
            "n_a": known.n_a[i],
            "n_b": known.n_b[j],
            "n_both": self.both[i, j],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSides:
    """What is known of features by themselves over `n` tokens: of a `rows`, of b `columns`.

    At how many tokens each fires, int64, and the means and deviations, float64 (2, n_features).
    """

    n: int
    rows: Array
    columns: Array
    n_a: Array
    n_b: Array
    spread_a: Array
    spread_b: Array

    @classmethod
    def of(cls, totals: BothTotals, asked: AskedPairs) -> Self:
        """Once all tokens were read."""
        return cls(
            n=totals.n,
            rows=asked.rows,
            columns=asked.columns,
            n_a=totals.a.count[asked.rows],
            n_b=totals.b.count[asked.columns],
            spread_a=totals.a.spread(totals.n)[:, asked.rows],
            spread_b=totals.b.spread(totals.n)[:, asked.columns],
        )

    def __getitem__(self, lines: slice) -> Self:
        """Of some of the rows."""
        n_a, spread_a = self.n_a[lines], self.spread_a[:, lines]
        return replace(self, rows=self.rows[lines], n_a=n_a, spread_a=spread_a)


def best_partners(
    executor: Executor, both: SameTokens, rows: Array, by: str, k: int
) -> Iterator[Columns]:
    """Of each feature of a in `rows` the `k` best of b, by feature: columns of an answer.

    `by` is `activation` or `jaccard`. Ties by the feature of b; without pairs that never fire at
    one token.
    """
    return _Crossing(executor, both, by, k).of(rows)


@dataclass(frozen=True, slots=True)
class _Crossing:
    """How features are compared, and by whom: codes are read anywhere, and summed here."""

    executor: Executor
    both: SameTokens
    by: str
    k: int

    def of(self, rows: Array) -> Iterator[Columns]:
        """See `best_partners`."""
        d_a, d_b = (codes.settings.width for codes in (self.both.a, self.both.b))
        asked, totals = AskedPairs(rows=rows, columns=np.arange(d_b)), BothTotals.zero(d_a, d_b)
        n_lines = self._n_lines(SUMS_BYTES, asked)
        read = self._read(asked, totals, "reading both")
        held = list(_within(read, HELD_BYTES if n_lines < len(rows) else GROUP_BYTES))
        more = next(read, None)
        if more is None:
            yield from self._one_by_one(held, totals, asked)
            return
        yield from self._in_a_pass(chain(_let_go(held), [more], read), totals, asked[:n_lines])
        rest = asked[n_lines:].firing(totals)
        n_lines = self._n_lines(SUMS_BYTES, rest)
        firsts = range(0, len(rest.rows), n_lines)
        for number, first in enumerate(firsts, 2):
            some = rest[first : first + n_lines]
            stage = passing("reading both", number, len(firsts) + 1)
            read = self._read(some, BothTotals.zero(d_a, d_b), stage)
            yield from self._in_a_pass(read, totals, some)

    def _read(self, asked: AskedPairs, totals: BothTotals, stage: str) -> Iterator[Crossed]:
        """The codes of all tokens, some at a time; what is known of them is added to `totals`."""
        work = ReadingBoth(both=self.both, asked=asked)
        ranges = list(self.both.ranges())
        for found, codes in told(stage, self.executor.map(work, ranges), len(ranges)):
            totals.merge(found)
            yield codes

    def _one_by_one(
        self, codes: Sequence[Crossed], totals: BothTotals, asked: AskedPairs
    ) -> Iterator[Columns]:
        """The answer for features whose codes are all in memory."""
        step = self._n_lines(STRIPE_BYTES, asked)
        known = KnownSides.of(totals, asked)
        work = _Comparing(codes, self.both.decoded, known, self.by, self.k, step)
        spans = _spans(len(asked.rows), -(-len(asked.rows) // PARTS))
        return told("comparing features", self._threads.map(work, spans), len(spans))

    def _in_a_pass(
        self, codes: Iterator[Crossed], totals: BothTotals, asked: AskedPairs
    ) -> Iterator[Columns]:
        """The answer for features whose sums are all in memory."""
        sums = Sums.zero(len(asked.rows), len(asked.columns), self.by)
        stripes = _spans(len(asked.rows), self._n_lines(STRIPE_BYTES, asked))
        for group in _groups(codes):
            deque(self._threads.map(_Adding(sums, group, self.both.decoded), stripes), maxlen=0)
            group.clear()
        known = KnownSides.of(totals, asked)
        for lines in stripes:
            yield sums[lines].best(known[lines], self.k)

    @property
    def _threads(self) -> Threads:
        return self.executor if isinstance(self.executor, Threads) else Threads()

    def _n_lines(self, n_bytes: int, asked: AskedPairs) -> int:
        """How many features' sums have so many bytes."""
        each = COUNT_BYTES + (PRODUCT_BYTES if self.by == "activation" else 0)
        return max(n_bytes // (each * max(len(asked.columns), 1)), 1)


@dataclass(frozen=True, slots=True)
class _Adding:
    """Adds some tokens to some lines."""

    sums: Sums
    codes: Sequence[Crossed]
    decoded: tuple[Array, Array]

    def __call__(self, lines: slice) -> None:
        sums = self.sums[lines]
        for codes in self.codes:
            sums.add(codes, self.decoded, lines.start)


@dataclass(frozen=True, slots=True)
class _Comparing:
    """Compares some features with all, `step` at a time, by all of their codes."""

    codes: Sequence[Crossed]
    decoded: tuple[Array, Array]
    known: KnownSides
    by: str
    k: int
    step: int

    def __call__(self, lines: slice) -> Columns:
        room = Sums.zero(self.step, len(self.known.columns), self.by)
        parts = []
        for some in _spans(lines.stop, self.step, lines.start):
            sums = room[: some.stop - some.start]
            for codes in self.codes:
                sums.add(codes, self.decoded, some.start)
            parts.append(sums.best(self.known[some], self.k))
            sums.both[:] = 0
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _spans(n: int, step: int, first: int = 0) -> list[slice]:
    """The numbers from `first` to n in spans of `step`."""
    return [slice(at, min(at + step, n)) for at in range(first, n, max(step, 1))]


def _groups(codes: Iterator[Crossed]) -> Iterator[list[Crossed]]:
    """All of them, about `GROUP_BYTES` at once; the caller clears each group before the next."""
    while group := list(_within(codes, GROUP_BYTES)):
        yield group


def _let_go(held: list[Crossed]) -> Iterator[Crossed]:
    """What is held, which is not any more."""
    while held:
        yield held.pop(0)


def _within(codes: Iterator[Crossed], n_bytes: int) -> Iterator[Crossed]:
    """The next that have so many bytes together, or all that are left."""
    for some in codes:
        yield some
        n_bytes -= some.n_bytes
        if n_bytes <= 0:
            return
