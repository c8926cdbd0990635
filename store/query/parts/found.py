"""Documents that an analysis found, as a reader sees them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from saelake.store.codes.embeddings import Block
from saelake.store.format.lists import Array, concatenate
from saelake.store.labels.labels import LabelsTable
from saelake.store.query.parts.hits import metadata_column, with_metadata
from saelake.store.requests.columns import FOUND, SHARED
from saelake.store.snapshot.collection import Collection

TEXT_CHARACTERS = 300
SHARED_SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Documents and their scores, best first: `doc` uint64 and `score` float32 (n,)."""

    doc: Array
    score: Array

    @classmethod
    def best(cls, doc: Array, score: Array, k: int | None) -> "Found":
        """The `k` largest scores (None: all), ties in the order of documents."""
        if k is not None and k < len(score):
            least = np.partition(score, len(score) - k)[len(score) - k]
            kept = np.flatnonzero(score >= least)
            doc, score = doc[kept], score[kept]
        order = np.lexsort((doc, -score))[:k]
        return cls(doc=doc[order], score=score[order])

    @classmethod
    def joined(cls, parts: Sequence["Found"]) -> "Found":
        """The documents of several parts, in no order."""
        return cls(
            doc=concatenate((part.doc for part in parts), np.uint64),
            score=concatenate((part.score for part in parts), np.float32),
        )

    def __len__(self) -> int:
        return len(self.doc)

    def __getitem__(self, index: slice) -> "Found":
        return Found(doc=self.doc[index], score=self.score[index])

    def best_of(self, k: int | None) -> "Found":
        """The `k` best of these."""
        return Found.best(self.doc, self.score, k)

    def without(self, docs: Array) -> "Found":
        """Those that are none of these documents."""
        kept = ~np.isin(self.doc, docs)
        return Found(doc=self.doc[kept], score=self.score[kept])


# What part of the score each value of a block's rows is, float32 (n_values,).
Shares = Callable[[Block], Array]


def found_rows(
    collection: Collection, found: Found, labels: LabelsTable, shares: Shares, embeddings: Block
) -> pa.Table:
    """The documents as rows, in their order, each with the features that make its score most.

    `embeddings` are those of the documents, in any order.
    """
    schema = with_metadata(FOUND, collection.documents)
    rows = collection.documents.take(
        found.doc, ["id", "text", *collection.documents.metadata_columns]
    )
    texts = [beginning(text) for text in rows["text"].to_pylist()]
    arrays = {
        "doc": pa.array(found.doc, pa.uint64()),
        "id": rows["id"].combine_chunks(),
        "score": pa.array(found.score, pa.float32()),
        "text": pa.array(texts, pa.string()),
        "metadata": metadata_column(rows, collection.documents),
        "shared_features": _shared(found, labels, shares, embeddings),
    }
    return pa.Table.from_arrays([arrays[name] for name in schema.names], schema=schema)


def beginning(text: str) -> str:
    """The first characters, cut between words where there is a space."""
    if len(text) <= TEXT_CHARACTERS:
        return text
    space = text.rfind(" ", 0, TEXT_CHARACTERS + 1)
    return text[: space if space > 0 else TEXT_CHARACTERS]


def _shared(found: Found, labels: LabelsTable, shares: Shares, block: Block) -> pa.Array:
    """The features that make most of each document's score; none for one without an embedding."""
    share = shares(block)
    rows = dict(zip(block.doc.tolist(), range(len(block)), strict=True))
    chosen = []
    for doc in found.doc.tolist():
        begin, end = block.offsets[rows[doc] : rows[doc] + 2] if doc in rows else (0, 0)
        order = _largest(share[begin:end], SHARED_SHOWN) + begin
        chosen.append(order[share[order] > 0])
    every = concatenate(chosen, np.int64)
    features = block.features[every]
    columns = [features, labels.of(features), share[every], block.values[every]]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, SHARED, strict=True)]
    structs = pa.StructArray.from_arrays(arrays, fields=list(SHARED))
    offsets = np.concatenate([[0], np.cumsum([len(order) for order in chosen])]).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, structs, type=pa.list_(SHARED))


def _largest(values: Array, n: int) -> Array:
    """Where the `n` largest values are, largest first and ties in their order, int64."""
    kept = np.arange(len(values))
    if len(values) > n:  # to sort them all takes longer than all else of a hit
        kept = np.flatnonzero(values >= np.partition(values, len(values) - n)[len(values) - n])
    return kept[np.argsort(-values[kept], kind="stable")[:n]]
