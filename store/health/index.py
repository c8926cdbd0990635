"""Whether postings and statistics of features agree with the codes that they were made from."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from saelake.store.codes.table import CodesTable
from saelake.store.format.lists import Array
from saelake.store.format.schema import N_TIERS
from saelake.store.health.rows import UNREADABLE
from saelake.store.index.others import MOST_OTHERS, Others
from saelake.store.index.postings import CODES_COLUMNS, one_of_each, postings_of
from saelake.store.index.segments import Segment
from saelake.store.index.totals import Totals
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.requests.waited.progress import told
from saelake.store.requests.waited.stopping import wanted
from saelake.store.snapshot.collection import Collection
from saelake.store.tables.tables import Table

FEATURES_PER_READ = 1024
MISSING = "there is no features table: index again"
DIFFERENT = "they differ: run `saelake verify --repair`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Segments that were built together: how many postings they have, and whether these agree."""

    segments: tuple[Segment, ...]
    n_postings: int
    agrees: bool


def compared(collection: Collection) -> Iterator[Compared]:
    """The valid segments with the codes that they cover, by number and checksum of postings.

    Of two that cover the same codes the second does not agree.
    """
    seen: set[int] = set()
    groups = [tuple(g) for _, g in groupby(collection.segments, lambda segment: segment.covers)]
    for segments in told("comparing postings", wanted(groups), len(groups)):
        covers = segments[0].covers
        stored, expected = _stored(collection, segments), _computed(collection.codes, covers)
        agrees = stored is not None and stored.agrees(expected) and seen.isdisjoint(covers)
        seen.update(covers)
        n_postings = stored.n if stored is not None else 0
        yield Compared(segments=segments, n_postings=n_postings, agrees=agrees)


@dataclass(slots=True)
class _Checksums:
    """How many postings there are, their checksum, and that of their other tokens.

    `n_unknown` postings do not know these.
    """

    n: int = 0
    postings: int = 0
    others: int = 0
    n_unknown: int = 0

    def add(self, feature: Array, doc: Array, value: Array, position: Array, known: Others) -> None:
        """Count postings in: parallel arrays (n,)."""
        self.n += len(doc)
        self.postings += _checksum(feature, doc, value, position)
        self.others += _others_checksum(feature, doc, known)
        self.n_unknown += int((known.count > MOST_OTHERS).sum())

    def agrees(self, expected: "_Checksums") -> bool:
        """Whether these are of the same postings.

        Where more are unknown than need be, as they were merged from an earlier saelake's, the
        other tokens are not compared.
        """
        same = self.n == expected.n and (self.postings - expected.postings) % 2**64 == 0
        comparable = self.n_unknown == expected.n_unknown
        return same and not (comparable and (self.others - expected.others) % 2**64)


def _stored(collection: Collection, segments: tuple[Segment, ...]) -> _Checksums | None:
    """The sums of what segments store; None if they cannot be read."""
    sums = _Checksums()
    try:
        for segment in segments:
            _add_stored(sums, collection, segment)
    except (*UNREADABLE, IndexError):
        return None
    return sums


def _checksum(feature: Array, doc: Array, value: Array, position: Array) -> int:
    """A sum over postings that does not depend on their order."""
    with np.errstate(over="ignore"):
        mixed = feature.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= doc.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
        mixed ^= value.astype(np.int64).view(np.uint64) * np.uint64(0x165667B19E3779F9)
        mixed ^= position.astype(np.uint64) * np.uint64(0x27D4EB2F165667C5)
        return int((mixed * mixed).sum(dtype=np.uint64))


def _others_checksum(feature: Array, doc: Array, others: Others) -> int:
    """A sum over tokens besides those of the maxima, and over the levels of what is not listed.

    Of a posting that does not know them, which is of several parts of a document, nothing.
    """
    known = np.flatnonzero(others.count <= MOST_OTHERS)
    posting, position, level = others.listed()
    listed = _checksum(feature[posting], doc[posting], level.astype(np.int64) + 1, position)
    rest = others.rest[known].astype(np.int64) - 100
    return listed + _checksum(feature[known], doc[known], rest, others.count[known])


def _add_stored(sums: _Checksums, collection: Collection, segment: Segment) -> None:
    width = collection.settings.width
    for first in range(0, width, FEATURES_PER_READ):
        features = range(first, min(first + FEATURES_PER_READ, width))
        for tier in range(N_TIERS):
            found = collection.bands([(feature, segment) for feature in features], tier)
            each = zip(features, found, strict=True)
            for feature, band in ((f, band) for f, bands in each for band in bands):
                p = band.postings()
                number = np.full(len(p), feature)
                sums.add(number, p.doc, p.max, p.position, band.others())


def _computed(codes: CodesTable, covers: Iterable[int]) -> _Checksums:
    """The sums of what the segments of these fragments should store."""
    sums = _Checksums()
    for batch in codes.scan((*CODES_COLUMNS, "token_ids"), fragments=covers):
        p = postings_of(batch, with_others=True)
        if np.asarray(batch["part"]).any():
            p = one_of_each(p[np.lexsort((p.feature, p.doc))])
        assert p.others is not None
        sums.add(p.feature, p.doc, p.max, p.position, p.others)
    return sums


def wrong_features(lake: Lake, name: CollectionName, totals: Totals) -> str | None:
    """What is wrong with the statistics of features, given the totals of all codes."""
    try:
        table = Table.find(lake.features(name))
        if table is None:
            return MISSING
        stored = Totals.of(table)
    except UNREADABLE:
        return DIFFERENT
    same = (
        np.array_equal(stored.token_frequency, totals.token_frequency)
        and np.array_equal(stored.document_frequency, totals.document_frequency)
        and np.array_equal(stored.max, totals.max)
        and np.array_equal(stored.cells.keys, totals.cells.keys)
        and np.array_equal(stored.cells.counts, totals.cells.counts)
        and np.allclose(stored.sum, totals.sum)
        # of a sample an earlier saelake counted all tokens: `index` counts again
        and (stored.sample != totals.sample or stored.n_tokens == totals.n_tokens)
    )
    return None if same else DIFFERENT
