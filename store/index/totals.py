"""What codes add up to: the sums that the statistics of features are made of."""

from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pyarrow as pa

from saelake.store.codes.table import CodesTable
from saelake.store.format.histogram import N_BINS, bins
from saelake.store.format.lists import Array, Lists, concatenate, runs
from saelake.store.tables.tables import Table, metadata

N_TOKENS_KEY = "saelake:n_tokens"
SAMPLE_KEY = "saelake:sample"  # which tokens are counted; an earlier saelake counted all
TOTALS_COLUMNS = ("doc", "part", "token_ids", "features", "max", "counts", "values")
STORED_COLUMNS = ("token_frequency", "document_frequency", "sum", "max", "histogram")
SCAN_ROWS = 1 << 14  # of the features table: 8 MiB of histograms
MOST_WAITING = 1 << 22  # cells that wait to be counted: 32 MiB


@dataclass(frozen=True, slots=True)
class Cells:
    """Counts of a few of many cells: `keys` int64 ascending, and how often each, uint64 (n,).

    As histograms: bin b of feature f has the key `f * N_BINS + b`. A feature fills a few of its
    bins, so that these take a fifth of the memory of whole histograms.
    """

    keys: Array
    counts: Array

    @classmethod
    def nothing(cls) -> Self:
        """No counts."""
        return cls(np.empty(0, np.int64), np.empty(0, np.uint64))

    @classmethod
    def of(cls, keys: Array) -> Self:
        """How often each key is there."""
        found, counts = np.unique(keys, return_counts=True)
        return cls(found, counts.astype(np.uint64))

    def __add__(self, other: "Cells") -> "Cells":
        keys = np.concatenate([self.keys, other.keys])
        order = np.argsort(keys, kind="stable")
        keys, counts = keys[order], np.concatenate([self.counts, other.counts])[order]
        heads = runs(keys)
        return Cells(keys[heads], np.add.reduceat(counts, heads) if len(heads) else counts)

    def dense(self, first: int, last: int) -> Array:
        """The cells [first, last), uint64 (last - first,)."""
        whole = np.zeros(last - first, np.uint64)
        span = slice(*np.searchsorted(self.keys, [first, last]))
        whole[self.keys[span] - first] = self.counts[span]
        return whole


@dataclass(slots=True)
class Totals:
    """Sums over codes that make up the statistics, each (width,), and histograms of values.

    Totals of different fragments add up, so that new fragments are added without reading the
    old ones. `n_tokens` is how many tokens there were, on which features fire or not: of a sample,
    those that are in it, and `sample` says which. They take 28 bytes a feature, and 16 a cell of
    the histograms that is not 0.
    """

    token_frequency: Array
    document_frequency: Array
    sum: Array
    max: Array
    n_tokens: int = 0
    sample: str | None = None
    _counted: Cells = field(default_factory=Cells.nothing)
    _waiting: list[Array] = field(default_factory=list)
    _last_doc: int = -1
    _seen: Array = field(default_factory=lambda: np.empty(0, np.uint32))

    @classmethod
    def zero(cls, width: int) -> Self:
        """The totals of nothing."""
        return cls(
            token_frequency=np.zeros(width, np.uint64),
            document_frequency=np.zeros(width, np.uint64),
            sum=np.zeros(width, np.float64),
            max=np.full(width, -np.inf, np.float32),
        )

    @classmethod
    def of(cls, features: Table) -> Self:
        """The totals that a features table was made from."""
        sums: dict[str, list[Array]] = {name: [] for name in STORED_COLUMNS[:-1]}
        cells: list[Cells] = []
        row = 0
        for batch in features.scan(STORED_COLUMNS, batch_rows=SCAN_ROWS):
            for name, found in sums.items():
                found.append(batch[name].fill_null(-np.inf if name == "max" else 0).to_numpy())
            counts = Lists.of(batch["histogram"]).values
            filled = np.flatnonzero(counts)
            cells.append(Cells(filled + row * N_BINS, counts[filled]))
            row += batch.num_rows
        said = metadata(features.schema)
        return cls(
            token_frequency=concatenate(sums["token_frequency"], np.uint64),
            document_frequency=concatenate(sums["document_frequency"], np.uint64),
            sum=concatenate(sums["sum"], np.float64),
            max=concatenate(sums["max"], np.float32),
            n_tokens=int(said.get(N_TOKENS_KEY, 0)),
            sample=said.get(SAMPLE_KEY),
            _counted=Cells(
                concatenate((each.keys for each in cells), np.int64),
                concatenate((each.counts for each in cells), np.uint64),
            ),
        )

    @property
    def width(self) -> int:
        """Of how many features these are."""
        return len(self.sum)

    @property
    def cells(self) -> Cells:
        """The histograms: how many of each feature's values are in each bin."""
        self.settle()
        return self._counted

    def settle(self) -> None:
        """Count the cells that wait to be counted; they take 8 bytes each value."""
        if self._waiting:
            self._counted += Cells.of(np.concatenate(self._waiting))
            self._waiting = []

    def histograms(self, first: int, last: int) -> Array:
        """The histograms of the features [first, last), uint64 (last - first, N_BINS)."""
        return self.cells.dense(first * N_BINS, last * N_BINS).reshape(-1, N_BINS)

    def __iadd__(self, other: "Totals") -> Self:
        """Add the totals of other fragments."""
        self.token_frequency += other.token_frequency
        self.document_frequency += other.document_frequency
        self.sum += other.sum
        np.maximum(self.max, other.max, out=self.max)
        self._counted = self.cells + other.cells
        self.n_tokens += other.n_tokens
        self.sample = self.sample or other.sample
        return self

    def add(self, batch: pa.RecordBatch, codes: CodesTable) -> None:
        """Add a batch of codes rows (`TOTALS_COLUMNS`), in table order."""
        width, codec = self.width, codes.codec
        self.n_tokens += int(codes.token_counts(batch).sum())
        self.sample = codes.held.key
        features = Lists.of(batch["features"])
        counts = Lists.of(batch["counts"]).values.astype(np.int64)
        if len(counts) == 0:
            return
        values = codec.decode(Lists.of(batch["values"]).values)
        ids = features.values
        sums = np.add.reduceat(values, np.cumsum(counts) - counts, dtype=np.float64)
        self.token_frequency += np.bincount(ids, counts, width).astype(np.uint64)
        self.document_frequency += np.bincount(ids, minlength=width).astype(np.uint64)
        self._uncount_repeats(batch, features)
        self.sum += np.bincount(ids, sums, width)
        np.maximum.at(self.max, ids, codec.decode(Lists.of(batch["max"]).values))
        self._waiting.append(np.repeat(ids.astype(np.int64) * N_BINS, counts) + bins(values))
        if sum(map(len, self._waiting)) >= MOST_WAITING:
            self.settle()

    def _uncount_repeats(self, batch: pa.RecordBatch, features: Lists) -> None:
        """Count a feature of several parts of one document once; parts are neighbours."""
        docs, parts = np.asarray(batch["doc"]), np.asarray(batch["part"])
        rows = set(np.flatnonzero(parts > 0).tolist()) | {len(docs) - 1}
        for row in sorted(rows | {row - 1 for row in rows if row}):
            seen = self._seen if self._last_doc == docs[row] else self._seen[:0]
            if parts[row] > 0:
                repeated = np.intersect1d(features[row], seen)
                self.document_frequency[repeated] -= np.uint64(1)
            self._seen = np.union1d(seen, features[row])
            self._last_doc = int(docs[row])
