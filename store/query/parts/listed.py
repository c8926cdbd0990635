"""Scores of documents by a few features, from their posting lists: nothing else is read.

A feature's list has its largest value in each document, which is the embedding pooled by `max`.
Fragments that no segment covers are left to be scanned (`without` names the others).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from saelake.store.format.lists import Array, concatenate
from saelake.store.index.segments import PostingList, covered_by
from saelake.store.requests.checks import Pooling
from saelake.store.requests.similar import Measure
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

MOST_FEATURES = 128  # of more to read all embeddings takes no longer
FEATURES_AT_ONCE = 8  # whose lists are in memory together


@dataclass(frozen=True, slots=True)
class ListedFeatures:
    """The posting lists of some features (int64) in the segments of a collection."""

    collection: Collection
    features: Sequence[int]

    @classmethod
    def of(
        cls, session: Session, selected: Selected, features: Array, pooling: Pooling
    ) -> Self | None:
        """None where the lists do not say enough, or all embeddings fit in memory."""
        collection = selected.collection
        if pooling != "max" or len(features) > MOST_FEATURES or not collection.segments:
            return None
        if session.embeddings.hold(selected, pooling) is not None:
            return None
        return cls(collection, features.tolist())

    @property
    def without(self) -> frozenset[int]:
        """The fragments of codes that the lists cover."""
        return frozenset(covered_by(self.collection.segments))

    def each(self) -> Iterator[tuple[int, Array, Array]]:
        """Each feature, the documents that it fires in (uint64), and its values there (float32)."""
        postings, segments = self.collection.postings, self.collection.segments
        codec = self.collection.codes.codec
        if postings is None:
            return
        for first in range(0, len(self.features), FEATURES_AT_ONCE):
            group = self.features[first : first + FEATURES_AT_ONCE]
            lists: list[list[PostingList]] = [[] for _ in group]
            for place, found in postings.read_whole(group, segments):
                lists[place].append(found)
            for feature, parts in zip(group, lists, strict=True):
                codes = concatenate((found.max for found in parts), codec.dtype)
                doc = concatenate((found.doc for found in parts), np.uint64)
                yield feature, doc, codec.decode(codes)

    def scores(self, query: Array, weights: Array, measure: Measure) -> tuple[Array, Array]:
        """The documents whose scores are not 0 (uint64), and the scores (float32).

        `query` and `weights` (float32, of every feature) are as `similar` has them.
        """
        n = self.collection.documents.n_documents
        part, whole = np.zeros(n, np.float32), np.zeros(n, np.float32)
        for feature, doc, value in self.each():
            weighted = weights[feature] * value
            if measure == "jaccard":
                part[doc] += np.minimum(query[feature], weighted)
                whole[doc] += weighted
            else:
                part[doc] += query[feature] * weighted
                whole[doc] += weighted * weighted
        hit = np.flatnonzero(part)
        scores: Array = part[hit]
        if measure == "jaccard":
            scores = scores / (whole[hit] + np.float32(query.sum()) - scores)
        elif measure == "cosine":
            scores = scores / (np.sqrt(whole[hit]) * np.float32(np.linalg.norm(query)))
        return hit.astype(np.uint64), scores.astype(np.float32)


def needed(query: Array, weights: Array, measure: Measure) -> Array:
    """The features on which scores depend: for a length, all that count."""
    return np.flatnonzero(query * weights if measure == "dot" else weights)
