"""Statistics of every feature: how often it fires, how strongly, and on which tokens."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import pyarrow as pa

from saelake.store.codes.table import CodesTable
from saelake.store.format.lists import Array, Lists, runs
from saelake.store.format.schema import FEATURES_COLUMNS, TIERS, TOP_TOKEN
from saelake.store.format.vocabulary import names_of
from saelake.store.index.segments import PostingList, PostingsTable
from saelake.store.tables.tables import metadata

N_BINS = 64
MIN_LOG2_BIN = -16  # bin i counts the absolute values in [2^(i/2 - 16), 2^((i+1)/2 - 16))
N_TOP_TOKENS = 10
LISTS_PER_BLOCK = 2048  # strongest tiers that are read at once, of up to 256 postings each
COVERS_KEY = "saelake:covers"
N_TOKENS_KEY = "saelake:n_tokens"
SAMPLE_KEY = "saelake:sample"  # which tokens are counted; an earlier saelake counted all
TOTALS_COLUMNS = ("doc", "part", "token_ids", "features", "max", "counts", "values")


def bin_edges() -> Array:
    """The histogram's edges, float64 (N_BINS + 1,); the outer bins also count all beyond."""
    edges: Array = np.exp2(np.arange(N_BINS + 1) / 2 + MIN_LOG2_BIN)
    return edges


@dataclass(slots=True)
class Totals:
    """Sums over codes that make up the statistics, each (width,) or (width, N_BINS).

    Totals of different fragments add up, so that new fragments are added without reading the
    old ones. `n_tokens` is how many tokens there were, on which features fire or not: of a sample,
    those that are in it, and `sample` says which.
    """

    token_frequency: Array
    document_frequency: Array
    sum: Array
    max: Array
    histogram: Array
    n_tokens: int = 0
    sample: str | None = None
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
            histogram=np.zeros((width, N_BINS), np.uint64),
        )

    @classmethod
    def of(cls, features: pa.Table) -> Self:
        """The totals that a features table was made from."""
        return cls(
            token_frequency=features["token_frequency"].to_numpy().copy(),
            document_frequency=features["document_frequency"].to_numpy().copy(),
            sum=features["sum"].to_numpy().copy(),
            max=features["max"].fill_null(-np.inf).to_numpy().copy(),
            histogram=Lists.of(features["histogram"]).values.reshape(-1, N_BINS).copy(),
            n_tokens=int(metadata(features.schema).get(N_TOKENS_KEY, 0)),
            sample=metadata(features.schema).get(SAMPLE_KEY),
        )

    def __iadd__(self, other: "Totals") -> Self:
        """Add the totals of other fragments."""
        self.token_frequency += other.token_frequency
        self.document_frequency += other.document_frequency
        self.sum += other.sum
        np.maximum(self.max, other.max, out=self.max)
        self.histogram += other.histogram
        self.n_tokens += other.n_tokens
        self.sample = self.sample or other.sample
        return self

    def add(self, batch: pa.RecordBatch, codes: CodesTable) -> None:
        """Add a batch of codes rows (`TOTALS_COLUMNS`), in table order."""
        width, codec = len(self.sum), codes.codec
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
        cell = np.repeat(ids.astype(np.int64) * N_BINS, counts) + bins(values)
        np.add.at(self.histogram.reshape(-1), cell, np.uint64(1))

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


def bins(values: Array) -> Array:
    """The histogram bin of each value, int64 (n,)."""
    halves: Array = np.floor(2 * (np.log2(np.abs(values)) - MIN_LOG2_BIN))
    return np.clip(halves, 0, N_BINS - 1).astype(np.int64)


def features_table(totals: Totals, top_tokens: pa.Array, *, covers: Sequence[int]) -> pa.Table:
    """The rows of the features table, one a feature, in order."""
    fires = totals.token_frequency > 0
    frequency = np.maximum(totals.token_frequency, 1)
    histogram = Lists(np.arange(len(fires) + 1) * N_BINS, totals.histogram.reshape(-1))
    columns = {
        "feature": pa.array(np.arange(len(fires)), pa.uint32()),
        "token_frequency": pa.array(totals.token_frequency),
        "document_frequency": pa.array(totals.document_frequency),
        "max": pa.array(totals.max, mask=~fires),
        "mean": pa.array((totals.sum / frequency).astype(np.float32), mask=~fires),
        "sum": pa.array(totals.sum),
        "density": pa.array(totals.token_frequency / max(totals.n_tokens, 1)),
        "histogram": histogram.to_arrow(FEATURES_COLUMNS.field("histogram").type),
        "top_tokens": top_tokens,
    }
    said = {COVERS_KEY: ",".join(map(str, covers)), N_TOKENS_KEY: str(totals.n_tokens)}
    if totals.sample is not None:
        said[SAMPLE_KEY] = totals.sample
    schema = FEATURES_COLUMNS.with_metadata(said)
    return pa.table([columns[name] for name in schema.names], schema=schema)


def top_tokens(postings: PostingsTable, width: int, vocabulary: Sequence[str]) -> pa.Array:
    """Per feature the tokens on which its strongest documents peak, the commonest first.

    Counted over the 256 strongest documents; equal counts in the order of the vocabulary. An id
    beyond the vocabulary has a name too (see `format.vocabulary`).
    """
    words = pa.array(vocabulary, pa.string())
    step = len(postings.segments)
    n_features = max(LISTS_PER_BLOCK // max(step, 1), 1)
    blocks = [pa.array([], pa.list_(TOP_TOKEN))]
    for first in range(0, width, n_features):
        features = range(first, min(first + n_features, width))
        lists = postings.read(features, 0, postings.segments)
        of = np.repeat(np.arange(len(lists)) // max(step, 1), [len(each) for each in lists])
        whole = PostingList.joined(lists, postings.dtype)
        blocks.append(_counted(of, whole, len(features), words))
    return pa.concat_arrays(blocks)


def _counted(feature: Array, postings: PostingList, n_features: int, words: pa.Array) -> pa.Array:
    """The top tokens of a block of features; `feature` is that of each posting (n,)."""
    strongest = np.lexsort((postings.doc, -postings.max.astype(np.int64), feature))
    strongest = strongest[_ranks(feature[strongest]) < TIERS[0]]
    pairs, counts = np.unique(
        feature[strongest] << 32 | postings.token[strongest], return_counts=True
    )
    order = np.lexsort((-counts, pairs >> 32))
    order = order[_ranks(pairs[order] >> 32) < N_TOP_TOKENS]
    names = names_of(words, pairs[order] & 0xFFFFFFFF)
    columns = [names, pa.array(counts[order], pa.uint32())]
    offsets = np.searchsorted(pairs[order] >> 32, np.arange(n_features + 1))
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()), pa.StructArray.from_arrays(columns, fields=list(TOP_TOKEN))
    )


def _ranks(keys: Array) -> Array:
    """The place of each among its equals, which are neighbours, int64 (n,)."""
    heads = runs(keys)
    sizes = np.diff(np.append(heads, len(keys)))
    places: Array = np.arange(len(keys)) - np.repeat(heads, sizes)
    return places
