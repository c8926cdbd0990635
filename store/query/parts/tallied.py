"""Documents of one set or of several, counted by the values of a column."""

from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np

from saelake.store.format.lists import Array
from saelake.store.query.parts.column_values import MISSING, NAN, ColumnValues
from saelake.store.query.parts.quantiles import quantile_bins
from saelake.store.requests.shares import ShareOrder

Kind = Literal["value", "bin", "others", "nan", "missing"]
NOWHERE = -1  # the place of what is no value, and no range of values


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many documents of each set have each value of a column.

    The first set has all documents that are looked at, others are within it. `places` int64
    (n_values,) are those of the values, ascending, that some document has; `counts` int64
    (n_values, n_sets) are of these. `missing` and `nan`, int64 (n_sets,), are of documents without
    a value, and with NaN.
    """

    places: Array
    counts: Array
    missing: Array
    nan: Array

    @classmethod
    def of(cls, column: ColumnValues, *sets: Array) -> Self:
        """Of the documents of each set."""
        size = len(column.distinct) - NAN
        found = [np.bincount(column.code[docs] - NAN, minlength=size) for docs in sets]
        counts = np.stack(found, axis=1)
        places = np.flatnonzero(counts[-NAN:, 0])
        return cls(
            places=places,
            counts=counts[places - NAN],
            missing=counts[MISSING - NAN],
            nan=counts[0],
        )

    @property
    def n(self) -> Array:
        """How many documents each set has, int64 (n_sets,)."""
        whole: Array = self.counts.sum(axis=0) + self.missing + self.nan
        return whole


@dataclass(frozen=True, slots=True, kw_only=True)
class TalliedRows:
    """Rows of a table, parallel arrays: `kind` text, `counts` int64 (n_rows, n_sets) as of a tally.

    `first` and `last`, int64 (n_rows,), are the places in the column of the values that a row is
    of, or `NOWHERE`; `n_values` is how many these are.
    """

    kind: Array
    first: Array
    last: Array
    counts: Array
    n_values: Array

    def __len__(self) -> int:
        return len(self.kind)

    def __getitem__(self, index: Array) -> Self:
        return replace(self, **{name: getattr(self, name)[index] for name in self.__slots__})

    @property
    def n(self) -> Array:
        """The documents of each row, int64 (n_rows,)."""
        return self.counts[:, 0]

    @property
    def n_firing(self) -> Array:
        """Those of them that are in the second set, int64 (n_rows,)."""
        return self.counts[:, 1]

    @classmethod
    def of_values(cls, tally: Tally, k: int | None) -> Self:
        """Each of the `k` values with the most documents, ties by value, ascending; the others."""
        most = np.argsort(-tally.counts[:, 0], kind="stable")
        n_chosen = len(most) if k is None else k
        chosen, others = np.sort(most[:n_chosen]), most[n_chosen:]
        rows = cls(
            kind=np.full(len(chosen), "value", object),
            first=tally.places[chosen],
            last=tally.places[chosen],
            counts=tally.counts[chosen],
            n_values=np.ones(len(chosen), np.int64),
        )
        return rows.and_one("others", tally.counts[others].sum(axis=0), len(others))

    @classmethod
    def of_bins(cls, tally: Tally, n_bins: int) -> Self:
        """Neighbouring values together, ascending."""
        bins = quantile_bins(tally.counts[:, 0], n_bins)
        first = np.flatnonzero(np.diff(bins, prepend=-1))
        last = np.append(first[1:], len(bins)) - 1
        return cls(
            kind=np.where(first == last, np.array("value", object), np.array("bin", object)),
            first=tally.places[first],
            last=tally.places[last],
            counts=np.add.reduceat(tally.counts, first, axis=0),
            n_values=last - first + 1,
        )

    def and_one(self, kind: Kind, counts: Array, n_values: int) -> Self:
        """With one more row, the last, of what has no place; without one of no documents."""
        if not counts[0]:
            return self
        return replace(
            self,
            kind=np.append(self.kind, np.array(kind, object)),
            first=np.append(self.first, NOWHERE),
            last=np.append(self.last, NOWHERE),
            counts=np.append(self.counts, counts[None], axis=0),
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
