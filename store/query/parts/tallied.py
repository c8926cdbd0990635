"""Documents, and those in which a feature fires, counted by the values of a column."""

from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np

from saelake.store.format.lists import Array
from saelake.store.query.parts.column_values import NAN, ColumnValues
from saelake.store.query.parts.quantiles import quantile_bins
from saelake.store.requests.shares import ShareOrder

Kind = Literal["value", "bin", "others", "nan", "missing"]
NOWHERE = -1  # the place of what is no value, and no range of values


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many documents have each value, and in how many of these the feature fires.

    `places` int64 (n_values,) are those of the values, ascending, that some document has; `n` and
    `n_firing` int64 are of these. `missing` and `nan` are the same two counts of documents without
    a value, and with NaN.
    """

    places: Array
    n: Array
    n_firing: Array
    missing: tuple[int, int]
    nan: tuple[int, int]

    @classmethod
    def of(cls, column: ColumnValues, docs: Array, firing: Array) -> Self:
        """Of these documents, and of those among them in which it fires."""
        size = len(column.distinct) - NAN
        n = np.bincount(column.code[docs] - NAN, minlength=size)
        n_firing = np.bincount(column.code[firing] - NAN, minlength=size)
        places = np.flatnonzero(n[-NAN:])
        return cls(
            places=places,
            n=n[places - NAN],
            n_firing=n_firing[places - NAN],
            missing=(int(n[1]), int(n_firing[1])),
            nan=(int(n[0]), int(n_firing[0])),
        )

    @property
    def n_documents(self) -> int:
        """How many documents there are."""
        return int(self.n.sum()) + self.missing[0] + self.nan[0]

    @property
    def n_fires(self) -> int:
        """In how many of them the feature fires."""
        return int(self.n_firing.sum()) + self.missing[1] + self.nan[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class TalliedRows:
    """TalliedRows of a table, parallel arrays (n_rows,): `kind` text, the others int64.

    `first` and `last` are the places in the column of the values that a row is of, or `NOWHERE`;
    `n_values` is how many these are.
    """

    kind: Array
    first: Array
    last: Array
    n: Array
    n_firing: Array
    n_values: Array

    def __len__(self) -> int:
        return len(self.kind)

    def __getitem__(self, index: Array) -> Self:
        return replace(self, **{name: getattr(self, name)[index] for name in self.__slots__})

    @classmethod
    def of_values(cls, tally: Tally, k: int | None) -> Self:
        """Each of the `k` values with the most documents, ties by value, ascending; the others."""
        most = np.argsort(-tally.n, kind="stable")
        n_chosen = len(most) if k is None else k
        chosen, others = np.sort(most[:n_chosen]), most[n_chosen:]
        rows = cls(
            kind=np.full(len(chosen), "value", object),
            first=tally.places[chosen],
            last=tally.places[chosen],
            n=tally.n[chosen],
            n_firing=tally.n_firing[chosen],
            n_values=np.ones(len(chosen), np.int64),
        )
        both = int(tally.n[others].sum()), int(tally.n_firing[others].sum())
        return rows.and_one("others", both, len(others))

    @classmethod
    def of_bins(cls, tally: Tally, n_bins: int) -> Self:
        """Neighbouring values together, ascending."""
        bins = quantile_bins(tally.n, n_bins)
        first = np.flatnonzero(np.diff(bins, prepend=-1))
        last = np.append(first[1:], len(bins)) - 1
        return cls(
            kind=np.where(first == last, np.array("value", object), np.array("bin", object)),
            first=tally.places[first],
            last=tally.places[last],
            n=np.add.reduceat(tally.n, first),
            n_firing=np.add.reduceat(tally.n_firing, first),
            n_values=last - first + 1,
        )

    def and_one(self, kind: Kind, counts: tuple[int, int], n_values: int) -> Self:
        """With one more row, the last, of what has no place; without one of no documents."""
        if not counts[0]:
            return self
        return replace(
            self,
            kind=np.append(self.kind, np.array(kind, object)),
            first=np.append(self.first, NOWHERE),
            last=np.append(self.last, NOWHERE),
            n=np.append(self.n, counts[0]),
            n_firing=np.append(self.n_firing, counts[1]),
            n_values=np.append(self.n_values, n_values),
        )

    def ordered(self, order: ShareOrder) -> Self:
        """In an order, ties by value; what has no place comes last. Bins are never by documents."""
        by, then = self.first.astype(np.float64), self.first
        if order == "share":
            by, then = -self.n_firing / self.n, -self.n
        elif order == "documents" and not (self.kind == "bin").any():
            by = -self.n.astype(np.float64)
        return self[np.lexsort((self.first, then, by, self.first == NOWHERE))]
