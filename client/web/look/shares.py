"""Shares as bars with intervals."""

from collections.abc import Sequence
from dataclasses import dataclass

from saelake.answers.shares import Shares, ValueShare
from saelake.store.predicates.grammar import both


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareBar:
    """A row of shares: `share`, `low` and `high` are parts of the axis' length.

    `where` keeps the row's documents among those that were asked about, if a filter can.
    """

    row: ValueShare
    share: float
    low: float
    high: float
    where: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareChart:
    """The bars on one axis, from 0 to `end`; `whole` is where the share of all documents is."""

    bars: Sequence[ShareBar]
    end: float
    whole: float


def chart(answer: Shares, where: str | None) -> ShareChart:
    """The rows of an answer about the documents that a filter keeps."""
    end = max((row.ci_high for row in answer), default=1.0)
    bars = [
        ShareBar(
            row=row,
            share=row.share / end,
            low=row.ci_low / end,
            high=row.ci_high / end,
            where=None if row.where is None else both(where, row.where),
        )
        for row in answer
    ]
    return ShareChart(bars=bars, end=end, whole=(answer.share or 0.0) / end)
