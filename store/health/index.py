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
    for covers, together in groupby(collection.segments, lambda segment: segment.covers):
        segments = tuple(together)
        n, *stored = _stored(collection, segments)
        n_expected, *expected = _computed_checksum(collection.codes, covers)
        if not all(segment.is_packed for segment in segments):  # nothing is known of others
            expected[1] = stored[1]
        agrees = [n, *stored] == [n_expected, *expected] and seen.isdisjoint(covers)
        seen.update(covers)
        yield Compared(segments=segments, n_postings=max(n, 0), agrees=agrees)


def _stored(collection: Collection, segments: tuple[Segment, ...]) -> tuple[int, int, int]:
    """How many postings the segments have and their checksums; -1 if they cannot be read."""
    try:
        sums = [_stored_checksum(collection, segment) for segment in segments]
    except (*UNREADABLE, IndexError):
        return -1, 0, 0
    n, total, others = (sum(each) for each in zip(*sums, strict=True))
    return n, total % 2**64, others % 2**64


def _checksum(feature: Array, doc: Array, value: Array, position: Array) -> int:
    """A sum over postings that does not depend on their order."""
    with np.errstate(over="ignore"):
        mixed = feature.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= doc.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
        mixed ^= value.astype(np.int64).view(np.uint64) * np.uint64(0x165667B19E3779F9)
        mixed ^= position.astype(np.uint64) * np.uint64(0x27D4EB2F165667C5)
        return int((mixed * mixed).sum(dtype=np.uint64))


def _others_checksum(feature: Array, doc: Array, others: Others) -> int:
    """The same over the tokens besides those of the maxima, and the levels of what is not listed.

    Of a posting that does not know them, which is of several parts of a document, nothing.
    """
    known = np.flatnonzero(others.count <= MOST_OTHERS)
    posting, position, level = others.listed()
    listed = _checksum(feature[posting], doc[posting], level.astype(np.int64) + 1, position)
    rest = others.rest[known].astype(np.int64) - 100
    return listed + _checksum(feature[known], doc[known], rest, others.count[known])


def _stored_checksum(collection: Collection, segment: Segment) -> tuple[int, int, int]:
    """How many postings a segment has, their checksum, and that of their other tokens."""
    n = total = others = 0
    width = collection.settings.width
    for first in range(0, width, FEATURES_PER_READ):
        features = range(first, min(first + FEATURES_PER_READ, width))
        for tier in range(N_TIERS):
            found = collection.bands([(feature, segment) for feature in features], tier)
            each = zip(features, found, strict=True)
            for feature, band in ((f, band) for f, bands in each for band in bands):
                p = band.postings()
                number = np.full(len(p), feature)
                n += len(p)
                total += _checksum(number, p.doc, p.max, p.position)
                if segment.is_packed:
                    others += _others_checksum(number, p.doc, band.others())
    return n, total % 2**64, others % 2**64


def _computed_checksum(codes: CodesTable, covers: Iterable[int]) -> tuple[int, int, int]:
    n = total = others = 0
    columns = (*CODES_COLUMNS, "token_ids")
    for batch in codes.scan(columns, fragments=covers):
        postings = postings_of(batch, with_others=True)
        if np.asarray(batch["part"]).any():
            order = np.lexsort((postings.feature, postings.doc))
            postings = one_of_each(postings[order])
        n += len(postings)
        total += _checksum(postings.feature, postings.doc, postings.max, postings.position)
        assert postings.others is not None
        others += _others_checksum(postings.feature, postings.doc, postings.others)
    return n, total % 2**64, others % 2**64


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
