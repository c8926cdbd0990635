"""Documents of two selections that belong together: those that have one value in a column.

A value has any number of documents on either side. Each value counts as one, whatever their number:
on a side a feature's share is that of the value's documents in which it fires, and of the pairs of
a value, one document of each side, two features fire in the product of their shares.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from saelake.store.codes.embeddings import take
from saelake.store.codes.table import CodesTable
from saelake.store.documents.columns import as_texts, read_columns
from saelake.store.format.lists import Array
from saelake.store.query.parts.left_out import n_encoded
from saelake.store.query.parts.lengths import NOT_ENCODED, lengths
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

DOCUMENTS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Grouped:
    """Documents by their value: those of value v are `docs[offsets[v]:offsets[v + 1]]`, uint64."""

    docs: Array
    offsets: Array

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def sizes(self) -> Array:
        """How many documents each value has, int64 (n_values,)."""
        return np.diff(self.offsets)

    def __getitem__(self, values: slice) -> "Grouped":
        begin, end, _ = values.indices(len(self))
        bounds = self.offsets[begin : end + 1]
        return Grouped(docs=self.docs[bounds[0] : bounds[-1]], offsets=bounds - bounds[0])

    def parts(self) -> Iterator[tuple[Array, Array]]:
        """Some thousand documents at a time, and the value of each, int64."""
        value = np.repeat(np.arange(len(self)), self.sizes)
        for begin in range(0, len(self.docs), DOCUMENTS_AT_ONCE):
            part = slice(begin, begin + DOCUMENTS_AT_ONCE)
            yield self.docs[part], value[part]


@dataclass(frozen=True, slots=True, kw_only=True)
class Partners:
    """The documents of the values that both sides have, ascending by the values' texts.

    `alone` counts the encoded documents of either side that have no partner: no value in the
    column, or none that the other side has. `shared` counts documents that are on both sides.
    """

    a: Grouped
    b: Grouped
    alone: tuple[int, int]
    shared: int

    def __len__(self) -> int:
        return len(self.a)

    @property
    def are_pairs(self) -> bool:
        """Whether every value has one document on either side."""
        return len(self.a.docs) == len(self.b.docs) == len(self)

    def __getitem__(self, values: slice) -> "Partners":
        return Partners(a=self.a[values], b=self.b[values], alone=self.alone, shared=self.shared)

    def chunks(self) -> Iterator["Partners"]:
        """Some values at a time: of some thousand documents together, or one value of more."""
        ends = self.a.offsets[1:] + self.b.offsets[1:]
        begin = 0
        while begin < len(self):
            before = ends[begin - 1] if begin else 0
            end = int(np.searchsorted(ends, before + 2 * DOCUMENTS_AT_ONCE, side="right"))
            end = max(end, begin + 1)
            yield self[begin:end]
            begin = end


def partners(session: Session, a: Selected, b: Selected, column: str) -> Partners:
    """The encoded documents of both sides, by their values in the column.

    Values are compared as text, so 5 and "5" are one. What comes back does not depend on the order
    in which documents were imported but for the order of documents within a value. Raises
    `InvalidInput` for a column that one of the corpora does not have, or of which values are no
    text.
    """
    docs, texts = zip(*(_values(session, side, column) for side in (a, b)), strict=True)
    encoded = pa.chunked_array([t.combine_chunks() for t in texts], pa.string())
    encoded = encoded.combine_chunks().dictionary_encode()
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    values = rank[encoded.indices.to_numpy()]
    sides = values[: len(docs[0])], values[len(docs[0]) :]
    common = np.intersect1d(*sides)
    made = [_grouped(d, v, common) for d, v in zip(docs, sides, strict=True)]
    counted = [n_encoded(session, side) for side in (a, b)]
    return Partners(
        a=made[0],
        b=made[1],
        alone=(counted[0] - len(made[0].docs), counted[1] - len(made[1].docs)),
        shared=_n_shared(a, b, *made),
    )


def _grouped(docs: Array, values: Array, common: Array) -> Grouped:
    keep = np.isin(values, common)
    docs, values = docs[keep], values[keep]
    order = np.lexsort((docs, values))
    bounds = np.searchsorted(values[order], common)
    return Grouped(docs=docs[order], offsets=np.append(bounds, len(docs)))


def _n_shared(a: Selected, b: Selected, grouped_a: Grouped, grouped_b: Grouped) -> int:
    if a.collection.name.corpus != b.collection.name.corpus:
        return 0
    return len(np.intersect1d(grouped_a.docs, grouped_b.docs))


def _values(session: Session, selected: Selected, column: str) -> tuple[Array, pa.ChunkedArray]:
    """The encoded documents of a selection that have a value in the column, and these as text."""
    documents = selected.collection.documents
    rows = read_columns(documents, [column])
    keep = rows[column].is_valid().to_numpy().copy()
    doc = rows["doc"].to_numpy()
    keep &= lengths(session, selected)[doc] != NOT_ENCODED
    if selected.mask is not None:
        keep &= selected.mask[doc]
    return doc[keep], as_texts(rows[column].filter(pa.array(keep)), column, "align")


# -- In what share of a value's documents each feature fires.


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupShares:
    """Sparse rows, one for each value: features int64 ascending, and shares float64 in (0, 1].

    Those of value v are at `offsets[v]:offsets[v + 1]`.
    """

    offsets: Array
    features: Array
    shares: Array

    def within(self, features: Array, d_sae: int) -> "GroupShares":
        """Only these ascending features, each by its place among them."""
        number = np.full(d_sae, -1, np.int64)
        number[features] = np.arange(len(features))
        mine = number[self.features]
        keep = mine >= 0
        ends = np.concatenate([[0], np.cumsum(keep)])
        return GroupShares(
            offsets=ends[self.offsets], features=mine[keep], shares=self.shares[keep]
        )


def shares(codes: CodesTable, grouped: Grouped) -> GroupShares:
    """The shares of a few values; what is held at once is of some thousand documents."""
    d_sae = codes.settings.width
    keys, counts = np.empty(0, np.int64), np.empty(0, np.int64)
    for docs, value in grouped.parts():
        block = take(codes, docs, "binary")
        fired = np.repeat(value, np.diff(block.offsets)) * d_sae + block.features
        more, found = np.unique(fired, return_counts=True)
        keys, place = np.unique(np.concatenate([keys, more]), return_inverse=True)
        counts = np.bincount(place, np.concatenate([counts, found]), len(keys))
    value = keys // d_sae
    return GroupShares(
        offsets=np.searchsorted(value, np.arange(len(grouped) + 1)),
        features=keys % d_sae,
        shares=counts / grouped.sizes[value],
    )
