"""What is known of an expression's features: their posting lists, read a tier at a time."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from saelake.store.documents.filters import DocumentMask
from saelake.store.format.lists import Array
from saelake.store.format.schema import TIERS
from saelake.store.index.segments import PostingList, Segment
from saelake.store.query.parts.expression import NOTHING
from saelake.store.snapshot.collection import Collection

FAR = -(1 << 42)  # the position of what does not fire: no window reaches it


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPostings:
    """Postings of one feature that were read together: parallel arrays (n,), `doc` ascending.

    `doc` int64, `value` float32, `position` uint32; `start` and `length` int64, -1 where not read.
    """

    doc: Array
    value: Array
    position: Array
    start: Array
    length: Array


@dataclass(slots=True)
class FeatureList:
    """What was read of one feature.

    `unread` are the segments whose tier number `tier` is not read yet, each with a bound of the
    values there.
    """

    pieces: list[ReadPostings]
    unread: list[tuple[Segment, np.float32]]
    tier: int = 0

    @property
    def ceiling(self) -> np.float32:
        """At least the value of every posting that was not read; -inf where all were."""
        return max((bound for _, bound in self.unread), default=NOTHING)


class FeatureLists:
    """The posting lists of several features in the documents that a mask keeps.

    `n_read` counts postings, for tests and measurements.
    """

    def __init__(
        self, collection: Collection, features: Iterable[int], mask: DocumentMask | None
    ) -> None:
        self._collection = collection
        self._mask = mask
        self.n_documents = collection.documents.n_documents
        self.n_read = 0
        numbers = sorted(set(features))
        unindexed = collection.unindexed_lists(numbers)
        everything = [(segment, -NOTHING) for segment in collection.segments]
        self.of = {n: FeatureList(list(self._pieces(unindexed[n])), everything) for n in numbers}
        self.parted = collection.split_documents
        self.read(numbers)

    def read(self, features: Iterable[int]) -> None:
        """Read the next tier of these features."""
        by_tier: dict[int, list[int]] = {}
        for feature in features:
            by_tier.setdefault(self.of[feature].tier, []).append(feature)
        for tier, numbers in by_tier.items():
            self._read_tier(tier, numbers)

    def _read_tier(self, tier: int, features: Sequence[int]) -> None:
        wanted = [(f, segment) for f in features for segment, _ in self.of[f].unread]
        is_last = tier == len(TIERS)
        found = self._collection.tiers(wanted, tier, characters=not is_last)
        for feature in features:
            self.of[feature].unread, self.of[feature].tier = [], tier + 1
        for (feature, segment), postings in zip(wanted, found, strict=True):
            known = self.of[feature]
            if not is_last and len(postings) == TIERS[tier]:
                known.unread.append((segment, self._decoded(postings.max).min()))
            known.pieces += self._pieces(postings)

    def _pieces(self, postings: PostingList) -> Iterator[ReadPostings]:
        """The postings as a piece, if the mask keeps any."""
        self.n_read += len(postings)
        if self._mask is not None:
            postings = postings[self._mask[postings.doc]]
        if len(postings) == 0:
            return
        if (postings.doc[1:] < postings.doc[:-1]).any():
            postings = postings[np.argsort(postings.doc, kind="stable")]
        yield ReadPostings(
            doc=postings.doc.astype(np.int64),
            value=self._decoded(postings.max),
            position=postings.position,
            start=postings.start,
            length=postings.length,
        )

    def _decoded(self, codes: Array) -> Array:
        return self._collection.codes.codec.decode(codes)

    def documents(self, feature: int, least: np.float32) -> Array:
        """Where it was read to fire by at least so much, bool (n_documents,)."""
        marks = np.zeros(self.n_documents, np.bool_)
        for piece in self.of[feature].pieces:
            marks[piece.doc if least == NOTHING else piece.doc[piece.value >= least]] = True
        return marks

    def at(self, feature: int, docs: Array, place: Array) -> tuple[Array, Array]:
        """The values float32 and positions int64 in these documents, as far as they were read.

        `place` int32 (n_documents,) is the index of each document in `docs`, else -1. Where the
        feature was not read to fire, the value is -inf and the position `FAR`.
        """
        values = np.full(len(docs), NOTHING, np.float32)
        positions = np.full(len(docs), FAR, np.int64)
        for piece in self.of[feature].pieces:
            at = place[piece.doc]
            inside = np.flatnonzero(at >= 0)
            at, value, position = at[inside], piece.value[inside], piece.position[inside]
            if len(self.parted):  # parts of a document may be in two segments
                known = values[at]
                better = (value > known) | ((value == known) & (position < positions[at]))
                at, value, position = at[better], value[better], position[better]
            values[at], positions[at] = value, position
        return values, positions

    def characters(self, feature: int, docs: Array, positions: Array) -> tuple[Array, Array]:
        """Where in their texts tokens are that have the feature's maximum; -1, -1 of others."""
        start, length = np.full((2, len(docs)), -1, np.int64)
        for piece in self.of[feature].pieces:
            at = np.minimum(np.searchsorted(piece.doc, docs), len(piece.doc) - 1)
            same = (piece.doc[at] == docs) & (piece.position[at] == positions)
            start[same], length[same] = piece.start[at[same]], piece.length[at[same]]
        return start, length
