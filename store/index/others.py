"""The tokens of a posting besides the one that has the maximum: where, and about how strong.

A posting lists up to `MOST_OTHERS` of them, the strongest, each with a *level*: how far below the
maximum it is, in quarters of an octave (with signs, in halves). So an expression knows of each
token of a document within which bounds a feature's value is.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from saelake.store.format.lists import Array, concatenate, ranges

MOST_OTHERS = 14
UNKNOWN = MOST_OTHERS + 1  # the count of a posting of which none is known
LOWEST_LEVEL = 14  # of what is not listed
NONE_LEFT = 15  # instead of a level of what is not listed: that is nothing; of a token, or lower


def level_shift(dtype: npt.DTypeLike) -> int:
    """By how many bits value codes of this type are wider than levels."""
    return 8 if np.dtype(dtype).itemsize == 2 else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Others:
    """Of each of some postings the tokens that have no maximum: parallel arrays (n,).

    `count` uint8 is how many are listed, or `UNKNOWN`; `begin` int64 where they are in the lists
    `position` uint32, ascending for a posting, and `level` uint8. `rest` uint8 is the level of the
    strongest that is not listed.
    """

    count: Array
    rest: Array
    begin: Array
    position: Array
    level: Array

    def __len__(self) -> int:
        return len(self.count)

    def __getitem__(self, index: "Array | slice") -> "Others":
        return Others(
            count=self.count[index],
            rest=self.rest[index],
            begin=self.begin[index],
            position=self.position,
            level=self.level,
        )

    @property
    def arrays(self) -> tuple[Array, Array, Array, Array, Array]:
        """All of them."""
        return self.count, self.rest, self.begin, self.position, self.level

    @classmethod
    def room(cls, n: int, n_listed: int) -> Self:
        """Room for those of `n` postings, of which none are known yet."""
        return cls(
            count=np.full(n, UNKNOWN, np.uint8),
            rest=np.zeros(n, np.uint8),
            begin=np.zeros(n, np.int64),
            position=np.empty(n_listed, np.uint32),
            level=np.empty(n_listed, np.uint8),
        )

    @classmethod
    def unknown(cls, n: int) -> Self:
        """Those of `n` postings of which none are known."""
        return cls.room(n, 0)

    @classmethod
    def joined(cls, pieces: "list[Others]") -> Self:
        """Those of several groups of postings, one after another."""
        sizes = [len(piece.position) for piece in pieces]
        first = np.cumsum([0, *sizes])
        return cls(
            count=concatenate((p.count for p in pieces), np.uint8),
            rest=concatenate((p.rest for p in pieces), np.uint8),
            begin=concatenate(
                (p.begin + at for p, at in zip(pieces, first, strict=False)), np.int64
            ),
            position=concatenate((p.position for p in pieces), np.uint32),
            level=concatenate((p.level for p in pieces), np.uint8),
        )

    def forget(self, which: Array) -> None:
        """Take what is known of these postings (bool) away."""
        self.count[which], self.rest[which] = UNKNOWN, 0

    def listed(self) -> tuple[Array, Array, Array]:
        """Of every listed token the posting, int64, its position, and its level."""
        n = np.where(self.count > MOST_OTHERS, 0, self.count).astype(np.int64)
        posting = np.repeat(np.arange(len(n)), n)
        at = ranges(self.begin, n)
        return posting, self.position[at], self.level[at]


def code_bounds(maxima: Array, level: Array) -> tuple[Array, Array]:
    """At least and at most the value codes at tokens of these levels under these maxima."""
    shift = level_shift(maxima.dtype)
    upper = maxima.astype(np.int64) - (level.astype(np.int64) << shift)
    lower = np.where(level == NONE_LEFT, 1, upper - ((1 << shift) - 1))
    return np.maximum(lower, 1).astype(maxima.dtype), np.maximum(upper, 1).astype(maxima.dtype)


def others_of(counts: Array, values: Array, positions: Array, best: Array, base: Array) -> Others:
    """The tokens of postings besides those at the indices `best`, of rows of codes.

    Posting i has `counts[i]` of the `values` (codes) and `positions`, which begin at `base[i]`.
    """
    from saelake.store.arrays.others import others_of_groups  # numba

    found: tuple[Any, ...] = others_of_groups(
        counts, values, positions, best, base, level_shift(values.dtype), MOST_OTHERS
    )
    count, rest, begin, position, level = found
    return Others(count=count, rest=rest, begin=begin, position=position, level=level)
