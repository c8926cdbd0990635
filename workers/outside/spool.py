"""Vectors of a source in temporary files, to be read again in the order of documents.

What is in memory is 24 bytes a run: a document, or neighbouring units of one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

import numpy as np

from saelake.store.format.lists import Array, concatenate, ranges
from saelake.store.format.schema import NO_TOKEN
from saelake.workers.corpus.spooled import Spool
from saelake.workers.outside.rows import VectorRows

# What is kept of each unit; `code` is where its codes begin.
UNIT = np.dtype(
    [
        ("position", np.int64),
        ("start", np.int64),
        ("end", np.int64),
        ("token_id", np.uint32),
        ("code", np.int64),
    ]
)
CODE = np.dtype([("key", np.uint32), ("value", np.float32)])
NO_POSITION = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledUnits:
    """Units with their codes, read again: `units` (n,) of `UNIT`, `counts` of codes, and `codes`.

    Unit i has the next `counts[i]` of `codes`, `CODE`.
    """

    units: Array
    counts: Array
    codes: Array


class VectorSpool:
    """Takes rows in, and gives the units of runs back once it is closed. A context manager."""

    def __init__(self) -> None:
        self._units, self._codes = _Records(UNIT), _Records(CODE)
        self._first: list[Array] = []
        self._size: list[Array] = []
        self.n_codes = 0
        self.n_units = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._units.close()
        self._codes.close()

    def add(self, rows: VectorRows, heads: Array) -> None:
        """Take in checked rows; `heads` are those with which a run begins, the first among them."""
        units = np.zeros(len(rows), UNIT)
        places = rows.places
        units["position"] = NO_POSITION
        units["token_id"] = NO_TOKEN
        if places is not None:
            units["start"], units["end"] = places.start, places.end
            if places.position is not None:
                units["position"] = places.position
            if places.token_id is not None:
                units["token_id"] = places.token_id
        units["code"] = rows.offsets[:-1] + self.n_codes
        codes = np.empty(len(rows.key), CODE)
        codes["key"], codes["value"] = rows.key, rows.value
        self._units.add(units)
        self._codes.add(codes)
        self._first.append(heads + self.n_units)
        self._size.append(np.diff(np.append(heads, len(rows))))
        self.n_units += len(rows)
        self.n_codes += len(codes)

    def close(self) -> "ClosedSpool":
        """All that was taken in."""
        end = np.zeros(1, UNIT)
        end["code"] = self.n_codes
        self._units.add(end)
        return ClosedSpool(
            first=concatenate(self._first, np.int64),
            size=concatenate(self._size, np.int64),
            n_codes=self.n_codes,
            units=self._units.close(),
            codes=self._codes.close(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedSpool:
    """What a spool took in, by runs: run i is of `size[i]` units from `first[i]` on."""

    first: Array
    size: Array
    n_codes: int
    units: "_Stored"
    codes: "_Stored"

    def __len__(self) -> int:
        return len(self.first)

    def n_codes_of(self, runs: Array) -> Array:
        """How many codes each of these runs has, int64 (n,)."""
        units = self.units.read()
        first = self.first[runs]
        found: Array = units["code"][first + self.size[runs]] - units["code"][first]
        return found

    def read(self, runs: Array) -> SpooledUnits:
        """The units of these runs, one run after the other."""
        at = ranges(self.first[runs], self.size[runs])
        stored = self.units.read()
        units = stored[at]
        counts = stored["code"][at + 1] - units["code"]
        codes = self.codes.read()[ranges(units["code"], counts)]
        return SpooledUnits(units=units, counts=counts, codes=codes)


class _Records:
    """Records that are appended to a temporary file."""

    def __init__(self, dtype: np.dtype[np.void]) -> None:
        self._spool, self._dtype = Spool(), dtype
        self._file: IO[bytes] = self._spool.path.open("wb")

    def add(self, records: Array) -> None:
        """Append these."""
        self._file.write(records.tobytes())

    def close(self) -> "_Stored":
        """What was appended."""
        self._file.close()
        return _Stored(self._spool, self._dtype)


@dataclass(frozen=True, slots=True)
class _Stored:
    """Records of a temporary file, which goes with this value."""

    _spool: Spool
    _dtype: np.dtype[np.void] = field(repr=False)

    def read(self) -> Array:
        """The records, of which only those are read that are looked at."""
        path: Path = self._spool.path
        if not path.stat().st_size:
            return np.empty(0, self._dtype)
        found: Array = np.memmap(path, self._dtype, mode="r")
        return found


def heads_of(ids: Iterable[str]) -> Array:
    """Where each run of equal ids begins, int64."""
    listed = list(ids)
    found = [i for i, own in enumerate(listed) if i == 0 or own != listed[i - 1]]
    return np.array(found, np.int64)
