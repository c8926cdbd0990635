"""Whether rows of codes are sound: each by itself, and with its checksum."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from saelake.store.checksums import CHECKSUM, SUMMED, checksums
from saelake.store.codes import CodesTable
from saelake.store.errors import Corrupt
from saelake.store.features import Totals
from saelake.store.lists import Array, Lists

SCAN_ROWS = 256
# What is said of bytes that are not as written; not that a disk or a store does not answer.
UNREADABLE = (Corrupt, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A document of which a row is not sound, and what is wrong."""

    doc: int
    what: str


@dataclass(slots=True)
class Reading:
    """What a whole reading of codes finds and adds up to.

    `totals` are of the batches without a fault; `unreadable` are fragments that cannot be read.
    """

    totals: Totals
    n_rows: int = 0
    n_codes: int = 0
    n_tokens: int = 0
    faults: list[Fault] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, codes: CodesTable) -> "Reading":
        """The reading of every row."""
        reading = cls(Totals.zero(codes.settings.d_sae))
        for fragment in codes.table.fragments:
            try:
                reading._read(codes, fragment.id)
            except UNREADABLE:
                reading.unreadable.append(fragment.id)
        return reading

    def _read(self, codes: CodesTable, fragment: int) -> None:
        columns = codes.table.schema.names
        for batch in codes.scan(columns, fragments=[fragment], batch_rows=SCAN_ROWS):
            self.n_rows += batch.num_rows
            if found := faults(batch, codes.settings.d_sae):
                self.faults += found
                continue
            self.totals.add(batch, codes.codec)
            self.n_codes += len(Lists.of(batch["values"]).values)
            self.n_tokens += len(Lists.of(batch["token_ids"]).values)


def faults(batch: pa.RecordBatch, d_sae: int) -> list[Fault]:
    """The rows that are not sound, each with the first thing that is wrong."""
    for what, wrong in _CHECKS.items():
        bad = wrong(batch, d_sae)
        if bad.any():  # later checks take for granted what earlier ones look at
            found = [
                Fault(doc=batch["doc"][int(i)].as_py(), what=what) for i in np.flatnonzero(bad)
            ]
            return found + faults(batch.filter(pa.array(~bad)), d_sae)
    return []


def _uneven(batch: pa.RecordBatch, _: int) -> Array:
    lengths = {name: Lists.of(batch[name]).lengths for name in SUMMED}
    uneven: Array = (
        (lengths["max"] != lengths["features"])
        | (lengths["counts"] != lengths["features"])
        | (lengths["positions"] != lengths["values"])
        | (lengths["token_starts"] != lengths["token_ids"])
        | (lengths["token_lengths"] != lengths["token_ids"])
    )
    return uneven


def _miscounted(batch: pa.RecordBatch, _: int) -> Array:
    counts, values = Lists.of(batch["counts"]), Lists.of(batch["values"])
    counted: Array = np.bincount(counts.rows, counts.values, batch.num_rows)
    miscounted: Array = counted != values.lengths
    return miscounted | _any(counts.values == 0, counts.rows, batch.num_rows)


def _unordered(batch: pa.RecordBatch, _: int) -> Array:
    features = Lists.of(batch["features"])
    return _falls(features.values, features.rows, batch.num_rows)


def _beyond_dictionary(batch: pa.RecordBatch, d_sae: int) -> Array:
    features = Lists.of(batch["features"])
    return _any(features.values >= d_sae, features.rows, batch.num_rows)


def _beyond_tokens(batch: pa.RecordBatch, _: int) -> Array:
    positions, n_tokens = Lists.of(batch["positions"]), Lists.of(batch["token_ids"]).lengths
    rows = positions.rows
    return _any(positions.values >= n_tokens[rows], rows, batch.num_rows)


def _falls(values: Array, rows: Array, n_rows: int) -> Array:
    falls = (values[1:] <= values[:-1]) & (rows[1:] == rows[:-1])
    return _any(falls, rows[1:], n_rows)


def _any(bad: Array, rows: Array, n_rows: int) -> Array:
    return np.bincount(rows[bad], minlength=n_rows) > 0


def _wrong_maxima(batch: pa.RecordBatch, _: int) -> Array:
    features, values = Lists.of(batch["features"]), Lists.of(batch["values"]).values
    counts = Lists.of(batch["counts"]).values.astype(np.int64)
    if len(counts) == 0:
        return np.zeros(batch.num_rows, np.bool_)
    maxima = np.maximum.reduceat(values, np.cumsum(counts) - counts)
    return _any(maxima != Lists.of(batch["max"]).values, features.rows, batch.num_rows)


def _wrong_checksums(batch: pa.RecordBatch, _: int) -> Array:
    """Which rows do not have their lists' checksum; none of a table without checksums."""
    if CHECKSUM not in batch.schema.names:
        return np.zeros(batch.num_rows, np.bool_)
    wrong: Array = checksums(batch) != np.asarray(batch[CHECKSUM])
    return wrong


_CHECKS: dict[str, Callable[[pa.RecordBatch, int], Array]] = {
    "lists of different lengths": _uneven,
    "counts that are not its values'": _miscounted,
    "features out of order": _unordered,
    "features beyond the dictionary": _beyond_dictionary,
    "a position beyond its tokens": _beyond_tokens,
    "a maximum that is not its values' maximum": _wrong_maxima,
    "a checksum that is not its lists'": _wrong_checksums,
}
