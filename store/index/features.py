"""Statistics of every feature: how often it fires, how strongly, and on which tokens."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from saelake.store.arrays.postings import among_strongest
from saelake.store.format.histogram import N_BINS
from saelake.store.format.lists import Array, Lists, runs
from saelake.store.format.schema import FEATURES_COLUMNS, NO_TOKEN, TIERS, TOP_TOKEN
from saelake.store.format.vocabulary import names_of
from saelake.store.index.segments import PostingsTable, Strongest
from saelake.store.index.totals import N_TOKENS_KEY, SAMPLE_KEY, Totals
from saelake.store.tables.tables import Table

N_TOP_TOKENS = 10
LISTS_PER_BLOCK = 4096  # strongest tiers that are read at once, of up to 256 postings each
ROWS_PER_BLOCK = 1 << 14  # features that are written at once, with 8 MiB of histograms
COVERS_KEY = "saelake:covers"


def features_rows(
    totals: Totals, top_tokens: Iterator[pa.Array], *, covers: Sequence[int]
) -> pa.RecordBatchReader:
    """The rows of the features table, one a feature, in order; made as they are read.

    `top_tokens` gives those of the next `ROWS_PER_BLOCK` features each time.
    """
    said = {COVERS_KEY: ",".join(map(str, covers)), N_TOKENS_KEY: str(totals.n_tokens)}
    if totals.sample is not None:
        said[SAMPLE_KEY] = totals.sample
    schema = FEATURES_COLUMNS.with_metadata(said)
    blocks = blocks_of(totals.width)
    batches = (
        _rows(totals, block, tokens, schema)
        for block, tokens in zip(blocks, top_tokens, strict=True)
    )
    return pa.RecordBatchReader.from_batches(schema, batches)


def blocks_of(width: int) -> list[range]:
    """The features in blocks of which rows are written at once."""
    return [range(i, min(i + ROWS_PER_BLOCK, width)) for i in range(0, width, ROWS_PER_BLOCK)]


def _rows(totals: Totals, block: range, top_tokens: pa.Array, schema: pa.Schema) -> pa.RecordBatch:
    """The rows of a block of features."""
    span = slice(block.start, block.stop)
    token_frequency = totals.token_frequency[span]
    fires = token_frequency > 0
    histograms = totals.histograms(block.start, block.stop)
    lists = Lists(np.arange(len(block) + 1) * N_BINS, histograms.reshape(-1))
    mean = totals.sum[span] / np.maximum(token_frequency, 1)
    columns = {
        "feature": pa.array(np.arange(block.start, block.stop), pa.uint32()),
        "token_frequency": pa.array(token_frequency),
        "document_frequency": pa.array(totals.document_frequency[span]),
        "max": pa.array(totals.max[span], mask=~fires),
        "mean": pa.array(mean.astype(np.float32), mask=~fires),
        "sum": pa.array(totals.sum[span]),
        "density": pa.array(token_frequency / max(totals.n_tokens, 1)),
        "histogram": lists.to_arrow(FEATURES_COLUMNS.field("histogram").type),
        "top_tokens": top_tokens,
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopTokens:
    """Finds the tokens on which features peak: in the first tiers, or where they are known.

    `known` is a features table that is right for all features that `changed`, bool (width,), is
    not of; None where there is none.
    """

    postings: PostingsTable
    vocabulary: Sequence[str]
    known: Table | None
    changed: Array

    def blocks(self) -> Iterator[pa.Array]:
        """Those of each block of `blocks_of`, by feature the commonest first.

        Counted over the 256 strongest documents; equal counts in the order of the vocabulary. An
        id beyond the vocabulary has a name too (see `format.vocabulary`).
        """
        for block in blocks_of(len(self.changed)):
            changed = self.changed[block.start : block.stop]
            found = self._found(np.flatnonzero(changed) + block.start)
            if self.known is None or changed.all():
                yield found
                continue
            known = self.known.take(block, ["top_tokens"])["top_tokens"].cast(found.type)
            place = np.where(changed, len(block) + np.cumsum(changed) - 1, np.arange(len(block)))
            yield pa.concat_arrays([*known.chunks, found]).take(pa.array(place))

    def _found(self, features: Array) -> pa.Array:
        """Those of these features, from the first tiers of all segments."""
        words = pa.array(self.vocabulary, pa.string())
        step = max(len(self.postings.segments), 1)
        n_features = max(LISTS_PER_BLOCK // step, 1)
        pieces = [pa.array([], pa.list_(TOP_TOKEN))]
        for first in range(0, len(features), n_features):
            some = features[first : first + n_features].tolist()
            pieces.append(_counted(self.postings.strongest(some), len(some), words))
        return pa.concat_arrays(pieces)


def _counted(postings: Strongest, n_features: int, words: pa.Array) -> pa.Array:
    """The top tokens of a block of features, of which these are the first tiers.

    Units that are no tokens of a vocabulary are not counted.
    """
    begins = np.searchsorted(postings.feature, np.arange(n_features + 1))
    lowest = int(np.iinfo(postings.max.dtype).min)
    kept = among_strongest(begins, postings.doc, postings.max, TIERS[0], lowest)
    kept &= postings.token != NO_TOKEN
    pairs, counts = np.unique(
        postings.feature[kept] << 32 | postings.token[kept], return_counts=True
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
