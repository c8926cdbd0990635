"""Whether rows of codes and of kept activations are sound: each by itself."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from saelake.store.activations.blocks import TokenBlock
from saelake.store.activations.table import ActivationsTable
from saelake.store.codes.poles import by_pole
from saelake.store.codes.table import SCAN_ROWS, CodesTable
from saelake.store.codes.terse import whole_columns
from saelake.store.errors import Corrupt
from saelake.store.format.activations import KeptSettings
from saelake.store.format.checksums import CHECKSUM, SUMMED, checksums
from saelake.store.format.lists import Array, Lists
from saelake.store.format.sampling import TokenSample
from saelake.store.format.schema import BELOW, FEATURE_GAPS
from saelake.store.index.totals import TOTALS_COLUMNS, Totals
from saelake.store.requests.waited.progress import told
from saelake.store.requests.waited.stopping import wanted
from saelake.store.tables.tables import Table

# Which rows of a batch are wrong, bool (n_rows,), by what is wrong with them.
Checks: TypeAlias = Mapping[str, Callable[[pa.RecordBatch], Array]]

KEPT_ROWS = 16  # each of up to 4 MiB
BFLOAT16_EXPONENT = np.uint16(0x7F80)
# What is said of bytes that are not as written; not that a disk or a store does not answer.
UNREADABLE = (Corrupt, ValueError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A document of which a row is not sound, and what is wrong."""

    doc: int
    what: str


# What is wrong with rows, and those of which nothing is.
Check: TypeAlias = Callable[[pa.RecordBatch], tuple[list[Fault], pa.RecordBatch]]


@dataclass(slots=True, kw_only=True)
class Reading:
    """What a whole reading of a table finds; `unreadable` are fragments that cannot be read."""

    n_rows: int = 0
    faults: list[Fault] = field(default_factory=list)
    unreadable: list[int] = field(default_factory=list)

    def sound(self, table: Table, check: Check, batch_rows: int) -> Iterator[pa.RecordBatch]:
        """Read a table; the batches of which no row has a fault, as they are after the check."""
        fragments = told("checking rows", wanted(table.fragments), len(table.fragments))
        for fragment in fragments:
            batches = table.scan(table.schema.names, fragments=[fragment.id], batch_rows=batch_rows)
            try:
                for batch in batches:
                    self.n_rows += batch.num_rows
                    found, checked = check(batch)
                    self.faults += found
                    if not found:
                        yield checked
            except UNREADABLE:
                self.unreadable.append(fragment.id)


@dataclass(slots=True, kw_only=True)
class CodesReading(Reading):
    """What was found in the rows of a codes table, and what sound rows add up to."""

    totals: Totals
    n_codes: int = 0

    @classmethod
    def of(cls, codes: CodesTable) -> "CodesReading":
        """The reading of every row."""
        settings = codes.settings
        reading = cls(totals=Totals.zero(settings.width))
        check = partial(_whole_and_sound, codes, _codes_checks(codes.n_features))
        for batch in reading.sound(codes.table, check, SCAN_ROWS):
            read = by_pole(batch, TOTALS_COLUMNS, settings)
            reading.totals.add(read, codes)
            reading.n_codes += len(Lists.of(batch["values"]).values)
        return reading


@dataclass(slots=True, kw_only=True)
class KeptReading(Reading):
    """What was found in the rows of kept activations, and how many tokens sound rows have."""

    n_tokens: int = 0

    @classmethod
    def of(cls, kept: ActivationsTable) -> "KeptReading":
        """The reading of every row."""
        reading = cls()
        check = partial(_sound, _kept_checks(kept.settings))
        for batch in reading.sound(kept.table, check, KEPT_ROWS):
            reading.n_tokens += int(np.asarray(batch["n_tokens"]).sum())
        return reading


def _sound(checks: Checks, batch: pa.RecordBatch) -> tuple[list[Fault], pa.RecordBatch]:
    """The rows that are not sound, each with the first thing that is wrong; and the others."""
    found: list[Fault] = []
    for what, wrong in checks.items():
        bad = wrong(batch)
        if bad.any():  # later checks take for granted what earlier ones look at
            docs = np.asarray(batch["doc"])[bad].tolist()
            found += [Fault(doc=doc, what=what) for doc in docs]
            batch = batch.filter(pa.array(~bad))
    return found, batch


def _whole_and_sound(
    codes: CodesTable, checks: Checks, batch: pa.RecordBatch
) -> tuple[list[Fault], pa.RecordBatch]:
    """As `_sound`, of rows of a table of codes, which are whole then."""
    if not codes.is_terse:
        return _sound(checks, batch)
    found, fitting = _sound(_TERSE_CHECKS, batch)
    more, sound = _sound(checks, codes.whole(fitting, whole_columns(batch.schema)))
    return found + more, sound


def _unfitting(batch: pa.RecordBatch) -> Array:
    """Which terse rows cannot be made whole: lists of lengths that do not fit."""
    lengths = {name: Lists.of(batch[name]).lengths for name in (*_PAIRS, "positions", BELOW)}
    unfitting: Array = (
        (lengths["max"] != lengths[FEATURE_GAPS])
        | (lengths["counts"] != lengths[FEATURE_GAPS])
        | (lengths["positions"] != lengths[FEATURE_GAPS] + lengths[BELOW])
    )
    return unfitting


def _uneven(batch: pa.RecordBatch) -> Array:
    lengths = {name: Lists.of(batch[name]).lengths for name in SUMMED}
    uneven: Array = (
        (lengths["max"] != lengths["features"])
        | (lengths["counts"] != lengths["features"])
        | (lengths["positions"] != lengths["values"])
        | (lengths["token_starts"] != lengths["token_ids"])
        | (lengths["token_lengths"] != lengths["token_ids"])
    )
    return uneven


def _miscounted(batch: pa.RecordBatch) -> Array:
    counts, positions = Lists.of(batch["counts"]), Lists.of(batch["positions"])
    counted: Array = np.bincount(counts.rows, counts.values, batch.num_rows)
    miscounted: Array = counted != positions.lengths
    return miscounted | _any(counts.values == 0, counts.rows, batch.num_rows)


def _unordered(batch: pa.RecordBatch) -> Array:
    features = Lists.of(batch["features"])
    return _falls(features.values, features.rows, batch.num_rows)


def _beyond_dictionary(n_features: int, batch: pa.RecordBatch) -> Array:
    features = Lists.of(batch["features"])
    return _any(features.values >= n_features, features.rows, batch.num_rows)


def _beyond_tokens(batch: pa.RecordBatch) -> Array:
    positions, n_tokens = Lists.of(batch["positions"]), Lists.of(batch["token_ids"]).lengths
    rows = positions.rows
    return _any(positions.values >= n_tokens[rows], rows, batch.num_rows)


def _falls(values: Array, rows: Array, n_rows: int) -> Array:
    falls = (values[1:] <= values[:-1]) & (rows[1:] == rows[:-1])
    return _any(falls, rows[1:], n_rows)


def _any(bad: Array, rows: Array, n_rows: int) -> Array:
    return np.bincount(rows[bad], minlength=n_rows) > 0


def _wrong_maxima(batch: pa.RecordBatch) -> Array:
    features, values = Lists.of(batch["features"]), Lists.of(batch["values"]).values
    counts = Lists.of(batch["counts"]).values.astype(np.int64)
    if len(counts) == 0:
        return np.zeros(batch.num_rows, np.bool_)
    maxima = np.maximum.reduceat(values, np.cumsum(counts) - counts)
    return _any(maxima != Lists.of(batch["max"]).values, features.rows, batch.num_rows)


def _wrong_checksums(batch: pa.RecordBatch) -> Array:
    """Which rows do not have their lists' checksum; none of a table without checksums."""
    if CHECKSUM not in batch.schema.names:
        return np.zeros(batch.num_rows, np.bool_)
    wrong: Array = checksums(batch) != np.asarray(batch[CHECKSUM])
    return wrong


_PAIRS = (FEATURE_GAPS, "max", "counts")
_UNEVEN, _MISCOUNTED = "lists of different lengths", "counts that are not its values'"
_TERSE_CHECKS: Checks = {_UNEVEN: _unfitting, _MISCOUNTED: _miscounted}


def _codes_checks(n_features: int) -> Checks:
    return {
        _UNEVEN: _uneven,
        _MISCOUNTED: _miscounted,
        "features out of order": _unordered,
        "features beyond the dictionary": partial(_beyond_dictionary, n_features),
        "a position beyond its tokens": _beyond_tokens,
        "a maximum that is not its values' maximum": _wrong_maxima,
        "a checksum that is not its lists'": _wrong_checksums,
    }


def _kept_checks(settings: KeptSettings) -> Checks:
    return {
        "lists of different lengths": _uneven_tokens,
        "positions out of order": _unordered_tokens,
        "tokens that do not belong to the sample": partial(_unsampled, settings.sample),
        "activations that are not finite": partial(_infinite, settings),
    }


def _uneven_tokens(batch: pa.RecordBatch) -> Array:
    n_tokens = np.asarray(batch["n_tokens"])
    lengths = [Lists.of(batch[name]).lengths for name in ("positions", "token_ids")]
    lengths.append(np.asarray(pc.list_value_length(batch["vectors"]).fill_null(0)))
    uneven: Array = np.logical_or.reduce([length != n_tokens for length in lengths])
    return uneven


def _unordered_tokens(batch: pa.RecordBatch) -> Array:
    positions = Lists.of(batch["positions"])
    return _falls(positions.values, positions.rows, batch.num_rows)


def _unsampled(sample: TokenSample, batch: pa.RecordBatch) -> Array:
    positions = Lists.of(batch["positions"])
    rows = positions.rows
    sampled = sample.has(np.asarray(batch["doc"])[rows], positions.values)
    return _any(~sampled, rows, batch.num_rows)


def _infinite(settings: KeptSettings, batch: pa.RecordBatch) -> Array:
    block = TokenBlock.of(pa.Table.from_batches([batch]), settings)
    if settings.dtype == "bfloat16":
        finite = block.vectors & BFLOAT16_EXPONENT != BFLOAT16_EXPONENT
    else:
        finite = np.isfinite(block.vectors)
    return _any(~finite.all(axis=1), Lists.of(batch["positions"]).rows, batch.num_rows)
