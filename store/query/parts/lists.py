"""What is known of an expression's features: their posting lists, read a tier at a time."""

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace

import numpy as np

from saelake.store.documents.filters import DocumentMask
from saelake.store.format.lists import Array, concatenate, runs
from saelake.store.format.schema import TIERS
from saelake.store.index.others import MOST_OTHERS, Others, level_shift
from saelake.store.index.packed import decoded
from saelake.store.index.segments import PostingBand, Segment
from saelake.store.query.parts.expression import NOTHING, FeatureTerm
from saelake.store.snapshot.collection import Collection

SPAN = 1 << 32  # more than the positions of a document
FAR = -(1 << 42)  # the position of what does not fire: no window reaches it


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadPostings:
    """Postings of one feature that were read together: parallel arrays (n,), `doc` ascending.

    `doc` int64, `code` value codes, `value` float32, `position` uint32. They are those at `index`
    (int64) of a band, of which the rest is unpacked when it is asked for.
    """

    doc: Array
    code: Array
    value: Array
    position: Array
    index: Array
    band: PostingBand

    def others_at(self, at: Array) -> Others:
        """The tokens besides those of the maxima, of some of the postings (ascending)."""
        return self.band.others_at(self.index[at])

    def characters_at(self, at: Array) -> tuple[Array, Array]:
        """Where the tokens of some of the postings (ascending) are in their texts, int64."""
        return self.band.characters_at(self.index[at], self.position[at])


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedTokens:
    """What is known of one feature at the tokens of some documents.

    `keys` int64, ascending, are the tokens: the document's index times `SPAN`, and the position;
    `lower` and `upper` float32 are bounds there. `rest` float32 (n_docs,) bounds the value at all
    other tokens of each document, -inf where there are none, and where it was not read to fire.
    """

    keys: Array
    lower: Array
    upper: Array
    rest: Array


@dataclass(slots=True)
class FeatureList:
    """What was read of one feature.

    `unread` are the segments whose tier number `tier` is not read yet, each with a bound of the
    values there; `packed` are bands that were read, but not unpacked, with a bound of each's.
    """

    pieces: list[ReadPostings]
    unread: list[tuple[Segment, np.float32]]
    tier: int = 0
    packed: list[tuple[list[PostingBand], np.float32]] = field(default_factory=list)

    @property
    def ceiling(self) -> np.float32:
        """At least the value of every posting that is not known yet; -inf where all are."""
        return max((bound for _, bound in (*self.unread, *self.packed)), default=NOTHING)


class FeatureLists:
    """The posting lists of several features in the documents that a mask keeps.

    `n_read` counts postings, for tests and measurements.
    """

    def __init__(
        self,
        collection: Collection,
        features: Iterable[int],
        mask: DocumentMask | None,
        *,
        indexed_only: bool = False,
    ) -> None:
        """Of all documents, or of those that are indexed."""
        self._collection = collection
        self._mask = mask
        self.n_documents = collection.documents.n_documents
        self.n_read = 0
        numbers = sorted(set(features))
        unindexed = {} if indexed_only else collection.unindexed_lists(numbers)
        everything = [(segment, -NOTHING) for segment in collection.segments]
        dtype = collection.codes.codec.dtype
        self.of = {n: FeatureList([], everything) for n in numbers}
        for n, postings in unindexed.items():
            self.of[n].pieces += self._pieces(PostingBand(dtype, postings, None))
        self.parted = collection.split_documents
        self.read(numbers)

    def read(self, features: Iterable[int], within: Array | None = None) -> None:
        """Read the next tier of these features, or unpack the next band of their last.

        Of documents `within` (int64, ascending; None: all), where no others can matter any more.
        """
        by_tier: dict[int, list[int]] = {}
        for feature in features:
            known = self.of[feature]
            if known.unread:
                by_tier.setdefault(known.tier, []).append(feature)
            else:
                bands, known.packed = [each for each, _ in known.packed], []
                for each in bands:
                    self._unpack(known, each, within)
        for tier, numbers in by_tier.items():
            self._read_tier(tier, numbers, within)

    def looked_up(self, features: Sequence[int], docs: Array) -> "FeatureLists":
        """These lists, with all that there is of some features in these documents besides.

        `docs` int64 ascend. What is known of others of these features' documents is too little
        then; the lists themselves stay as they are.
        """
        whole = copy(self)
        whole.of = {n: replace(known, pieces=[*known.pieces]) for n, known in self.of.items()}
        while unknown := [n for n in features if whole.of[n].ceiling > NOTHING]:
            whole.read(unknown, docs)
        return whole

    def _read_tier(self, tier: int, features: Sequence[int], within: Array | None) -> None:
        wanted = [(f, segment) for f in features for segment, _ in self.of[f].unread]
        found = self._collection.bands(wanted, tier)
        for feature in features:
            self.of[feature].unread, self.of[feature].tier = [], tier + 1
        for (feature, segment), bands in zip(wanted, found, strict=True):
            known = self.of[feature]
            if bands:
                self._unpack(known, bands, within)
            if tier < len(TIERS) and sum(map(len, bands)) == TIERS[tier]:
                known.unread.append((segment, self._least(bands[-1])))

    def _unpack(self, known: FeatureList, bands: list[PostingBand], within: Array | None) -> None:
        """Take in the first of some bands, and keep the others for later."""
        first, *later = bands
        known.pieces += self._pieces(first, within)
        if later:
            known.packed.append((later, self._least(first)))

    def _least(self, band: PostingBand) -> np.float32:
        return np.float32(self._decoded(band.least)[0])

    def _pieces(self, band: PostingBand, within: Array | None = None) -> Iterator[ReadPostings]:
        """The postings as a piece, if any are kept."""
        self.n_read += len(band)
        index, doc, code, position = band.postings_in(within)
        if self._mask is not None:
            kept = np.flatnonzero(self._mask[doc])
            index, doc, code, position = (each[kept] for each in (index, doc, code, position))
        if len(index):
            value = self._decoded(code)
            yield ReadPostings(
                doc=doc, code=code, value=value, position=position, index=index, band=band
            )

    def _decoded(self, codes: Array) -> Array:
        return self._collection.codes.codec.decode(codes)

    def documents(self, term: FeatureTerm, least: np.float32) -> Array:
        """Where the feature was read to fire as asked, by at least so much: ascending int64."""
        found = list(self._strong(term, least))
        if len(found) == 1:
            return found[0]
        docs = np.sort(concatenate(found, np.int64), kind="stable")  # of sorted pieces: merged
        return docs[runs(docs)] if len(self.parted) else docs

    def _strong(self, term: FeatureTerm, least: np.float32) -> Iterator[Array]:
        """The documents of each piece."""
        for piece in self.of[term.number].pieces:
            if least == NOTHING and term.threshold is None:
                yield piece.doc
            else:
                yield piece.doc[np.flatnonzero(term.holds(piece.value) & (piece.value >= least))]

    def at(self, feature: int, docs: Array) -> tuple[Array, Array]:
        """The values float32 and positions int64 in these documents, as far as they were read.

        `docs` int64 ascend. Where the feature was not read to fire, the value is -inf and the
        position `FAR`.
        """
        from saelake.store.arrays.sorted import matches  # opening a lake needs no numba

        values = np.full(len(docs), NOTHING, np.float32)
        positions = np.full(len(docs), FAR, np.int64)
        for piece in self.of[feature].pieces:
            at, inside = matches(docs, piece.doc)
            value, position = piece.value[inside], piece.position[inside]
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
            same = np.flatnonzero((piece.doc[at] == docs) & (piece.position[at] == positions))
            if len(same):
                same = same[np.argsort(at[same], kind="stable")]
                start[same], length[same] = piece.characters_at(at[same])
        return start, length

    def tokens(self, feature: int, docs: Array) -> "ListedTokens":
        """What is known of the feature at tokens of these documents (ascending int64)."""
        from saelake.store.arrays.others import tokens_of
        from saelake.store.arrays.sorted import matches

        codec = self._collection.codes.codec
        rest = np.full(len(docs), NOTHING, np.float32)
        found = []
        for piece in self.of[feature].pieces:
            index, at = matches(docs, piece.doc)
            code, others = piece.code[at], piece.others_at(at)
            limits = level_shift(codec.dtype), MOST_OTHERS
            tokens = tokens_of(
                index, code, piece.position[at], others.arrays, *limits, decoded(codec), rest
            )
            found.append(tokens)
        keys, lower, upper = (
            concatenate((each[i] for each in found), kind)
            for i, kind in enumerate((np.int64, np.float32, np.float32))
        )
        if len(found) > 1:
            order = np.argsort(keys, kind="stable")  # of sorted pieces: merged
            keys, lower, upper = keys[order], lower[order], upper[order]
        return ListedTokens(keys=keys, lower=lower, upper=upper, rest=rest)
