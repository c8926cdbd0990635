"""Rows of a source of vectors: some neighbours, each one document or one unit of it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pyarrow as pa

from saelake.store.errors import CorpusError
from saelake.store.format.lists import Array
from saelake.store.format.schema import Unit
from saelake.workers.outside.keys import Keys

Where = Callable[[int], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPlaces:
    """Where units are: `start` and `end` characters of the document's text, int64 (n,).

    `position` counts the document's units from 0; None where they are in the order of `start`.
    `token_id` uint32 is None where units are no tokens of a vocabulary.
    """

    start: Array
    end: Array
    position: Array | None = None
    token_id: Array | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorRows:
    """Some rows of a source, in its order.

    Row i is of the document `ids[i]` and has the entries `key[offsets[i]:offsets[i + 1]]`, uint32
    (see `Keys`), with these values, float64. `places` are those of units, None of documents.
    `documents` are those that come with the rows: id, text, metadata; `left` names the columns that
    are not taken. `where` says what errors call a row.
    """

    ids: list[str]
    offsets: Array
    key: Array
    value: Array
    where: Where
    places: UnitPlaces | None = None
    documents: pa.RecordBatch | None = None
    left: Sequence[str] = ()

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def row(self) -> Array:
        """The row of each entry, int64 (n_entries,)."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def checked(self, keys: Keys, *, signed: bool, largest: float) -> "VectorRows":
        """The rows without zeros, by key, and with values in float32.

        Raises `CorpusError` for a value that is not finite, above the `largest` that can be stored,
        or below 0 where none may be, and for a feature that is there twice.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            value = self.value.astype(np.float32)
        self._refuse(~np.isfinite(self.value), keys, "which is no finite number")
        large = f"which is too large: the largest that can be stored is {largest:.4g}"
        self._refuse(np.abs(value) > np.float32(largest), keys, large)
        if not signed:
            self._refuse(
                value < 0,
                keys,
                "which is below 0. If what is below 0 means something, say so with --signed",
            )
        lost = (value == 0) & (self.value != 0)
        value = np.where(lost, np.copysign(np.finfo(np.float32).tiny, self.value), value)
        row = self.row
        order = np.argsort(row << 32 | self.key, kind="stable")
        key, row = self.key[order], row[order]
        twice = np.flatnonzero((key[1:] == key[:-1]) & (row[1:] == row[:-1]))
        if len(twice):
            at = int(twice[0])
            raise CorpusError(
                f"{self.where(int(row[at]))}: feature {keys.said(int(key[at]))} is there twice. "
                "Give each row a feature once."
            )
        kept = value[order] != 0
        counts = np.bincount(row[kept], minlength=len(self))
        return replace(
            self,
            offsets=np.append(0, np.cumsum(counts)),
            key=key[kept],
            value=value[order][kept].astype(np.float32),
        )

    def _refuse(self, bad: Array, keys: Keys, why: str) -> None:
        found = np.flatnonzero(bad)
        if len(found):
            at = int(found[0])
            raise CorpusError(
                f"{self.where(int(self.row[at]))}: the value of feature "
                f"{keys.said(int(self.key[at]))} is {self.value[at]:g}, {why}."
            )


class VectorSource(Protocol):
    """Vectors to import: `name` for people, how many features there are if it says so (`width`).

    `unit` is what its rows are, if it says so; `token_names` what ids of its tokens are called.
    """

    @property
    def name(self) -> str:
        """What people call the source."""

    @property
    def width(self) -> int | None:
        """How many features there are."""

    @property
    def unit(self) -> Unit | None:
        """What a row is."""

    @property
    def token_names(self) -> list[str]:
        """What the ids of its tokens are called; none where it has no ids."""

    def rows(self, keys: Keys, unit: Unit, /) -> Iterator[VectorRows]:
        """The rows, some at a time, each of a unit. Raises `CorpusError`."""
