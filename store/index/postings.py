"""Posting lists: from codes rows to the (document, maximum, position) lists of each feature.

Pure array work. A `Postings` holds the postings of many features, sorted by feature and then by
document; `blocks` are what the rows of a segment are made of.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from saelake.store.format.lists import Array, Lists, concatenate, ranges, runs
from saelake.store.format.schema import MAX_PART_TOKENS
from saelake.store.index.others import Others, others_of

CODES_COLUMNS = ("doc", "part", "features", "max", "counts", "positions", "values")
TOKEN_COLUMNS = ("token_ids", "token_starts", "token_lengths")


@dataclass(frozen=True, slots=True, kw_only=True)
class Postings:
    """Postings of many features: parallel arrays (n,).

    `feature` uint32, `doc` uint64, `max` value codes, `position` uint32 (of the first token that
    reaches the maximum), `token` int64 (index of that token in `RowTokens`); `others` are the
    tokens besides that, where they were asked for.
    """

    feature: Array
    doc: Array
    max: Array
    position: Array
    token: Array
    others: Others | None = None

    def __len__(self) -> int:
        return len(self.doc)

    def __getitem__(self, index: "Array | slice") -> "Postings":
        return Postings(
            feature=self.feature[index],
            doc=self.doc[index],
            max=self.max[index],
            position=self.position[index],
            token=self.token[index],
            others=None if self.others is None else self.others[index],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RowTokens:
    """The tokens of many rows, end to end: ids uint32, starts uint32, lengths uint16 (n,)."""

    ids: Array
    starts: Array
    lengths: Array


def postings_of(
    batch: pa.RecordBatch,
    *,
    only: Array | None = None,
    first_token: int = 0,
    with_others: bool = False,
) -> Postings:
    """The postings of a batch of codes rows (with `CODES_COLUMNS` and `token_ids`).

    In the batch's order: by row, then by feature. `only` keeps these features (ascending).
    `first_token` is the index of the batch's first token in `RowTokens`. `with_others` they have
    the tokens besides those of the maxima.
    """
    features = Lists.of(batch["features"])
    counts = Lists.of(batch["counts"]).values.astype(np.int64)
    maxima = Lists.of(batch["max"]).values
    positions = Lists.of(batch["positions"]).values
    values = Lists.of(batch["values"]).values
    rows = features.rows
    best = _first_maxima(values, maxima, counts)
    position = positions[best].astype(np.uint32)
    base = np.asarray(batch["part"])[rows].astype(np.uint32) * np.uint32(MAX_PART_TOKENS)
    postings = Postings(
        feature=features.values,
        doc=np.asarray(batch["doc"])[rows],
        max=maxima,
        position=position + base,
        token=Lists.of(batch["token_ids"]).offsets[rows] + position + first_token,
        others=others_of(counts, values, positions, best, base) if with_others else None,
    )
    if only is None:
        return postings
    return postings[np.isin(postings.feature, only)]


def _first_maxima(values: Array, maxima: Array, counts: Array) -> Array:
    """The index in `values` of the first occurrence of each group's maximum."""
    starts = np.cumsum(counts) - counts
    best = starts.copy()
    several = np.flatnonzero(counts > 1)  # most groups of most corpora have one occurrence
    if len(several) == 0:
        return best
    lengths = counts[several]
    group = np.repeat(np.arange(len(several)), lengths)
    index = ranges(starts[several], lengths)
    reached = np.flatnonzero(values[index] == maxima[several][group])
    first = reached[runs(group[reached])]
    best[several] = index[first]
    return best


def merged(pieces: list[Postings], dtype: npt.DTypeLike) -> Postings:
    """The pieces' postings sorted by feature, then by document; parts of a document made one.

    The pieces must be in document order; `dtype` is the value codes'.
    """
    feature = concatenate((p.feature for p in pieces), np.uint32)
    order = stable_order(feature)
    others = [p.others for p in pieces if p.others is not None]
    whole = Postings(
        feature=feature[order],
        doc=concatenate((p.doc for p in pieces), np.uint64)[order],
        max=concatenate((p.max for p in pieces), dtype)[order],
        position=concatenate((p.position for p in pieces), np.uint32)[order],
        token=concatenate((p.token for p in pieces), np.int64)[order],
        others=Others.joined(others)[order] if len(others) == len(pieces) else None,
    )
    return one_of_each(whole)


def one_of_each(postings: Postings) -> Postings:
    """One posting for each (feature, document): the largest maximum, the earliest of equals.

    Those of a document are neighbours. Of a posting of several nothing is known but its maximum.
    """
    same = (postings.feature[1:] == postings.feature[:-1]) & (postings.doc[1:] == postings.doc[:-1])
    if not same.any():
        return postings
    group = np.concatenate([[0], np.cumsum(~same)])
    best = np.lexsort((postings.position, _descending(postings.max), group))
    heads = runs(group[best])
    whole = postings[best[heads]]
    if whole.others is not None:
        several = np.diff(np.append(heads, len(group))) > 1
        whole.others.forget(several)
    return whole


def stable_order(keys: Array) -> Array:
    """Indices that sort unsigned `keys`, equal ones in their order (radix sort, 16 bits a pass)."""
    low = np.argsort(keys.astype(np.uint16), kind="stable")
    if len(keys) == 0 or keys.max() < 1 << 16:
        return low
    high = (keys >> 16).astype(np.uint16)[low]
    return low[np.argsort(high, kind="stable")]


def _descending(values: Array) -> Array:
    """Keys whose ascending order is the descending order of value codes."""
    return -values.astype(np.int32)
