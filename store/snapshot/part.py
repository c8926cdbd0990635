"""Some segments of a collection, as what searches posting lists sees it; it can be sent elsewhere.

Documents are whole in a part: those of the fragments that its segments cover, for segments that
cover the same are never parted, and those of its fragments without a segment.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from saelake.store.arrays.cache import Cache
from saelake.store.codes.table import CodesTable
from saelake.store.documents.filters import DocumentMask
from saelake.store.format.schema import CollectionSettings
from saelake.store.index.segments import PostingsTable, Segment, covered_by
from saelake.store.lake.lake import CollectionName
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.tiers import Tiers
from saelake.store.tables.changes import Fragment
from saelake.store.tables.tables import Table

SEGMENTS_AT_ONCE = 8  # of a part: their tiers are one read
LEAST_SEGMENTS = 16  # of fewer a question is answered sooner than others can be asked
UNINDEXED_BYTES = 8 << 20  # of codes that no segment covers, which each question reads, of a part
LIST_BYTES = 64 << 20  # of posting lists that are kept of a part


@dataclass(frozen=True, slots=True, kw_only=True)
class PartPiece:
    """Which segments and which fragments without one, of which snapshot."""

    name: CollectionName
    settings: CollectionSettings
    codes: CodesTable
    postings: Table | None
    n_documents: int
    segments: tuple[Segment, ...]
    unindexed: tuple[int, ...]

    @property
    def place(self) -> Hashable:
        """See `Placed`."""
        uri = self.codes.table.uri
        return uri, tuple(segment.covers[:1] for segment in self.segments), self.unindexed

    @property
    def contents(self) -> Hashable:
        """See `Placed`."""
        covered = covered_by(self.segments)
        codes = tuple(map(self.codes.table.file_of, (*covered, *self.unindexed)))
        stored = self.postings
        lists = tuple(stored.file_of(s.fragment) for s in self.segments) if stored else ()
        return str(self.name), self.codes.table.uri, codes, lists, self.n_documents


@dataclass(frozen=True, slots=True)
class Counted:
    """All that a part knows of documents."""

    n_documents: int


@dataclass(frozen=True, slots=True)
class OneMask:
    """The filter of one question."""

    kept: DocumentMask | None

    def mask(self, _: str | None) -> DocumentMask | None:
        """Which documents it keeps."""
        return self.kept


class CollectionPart(Collection):
    """A part of a collection, which keeps the posting lists that questions read."""

    documents: Counted  # type: ignore[assignment]
    filters: OneMask  # type: ignore[assignment]

    def __init__(self, piece: PartPiece) -> None:
        self.name, self.settings = piece.name, piece.settings
        self.codes = piece.codes.within(sorted((*covered_by(piece.segments), *piece.unindexed)))
        self.postings = None if piece.postings is None else PostingsTable(piece.postings)
        self.documents = Counted(piece.n_documents)
        self.filters = OneMask(None)
        self.segments, self.unindexed = piece.segments, piece.unindexed
        cache = Cache(LIST_BYTES)
        self._tiers = Tiers(self.postings, self.segments, cache) if self.postings else None

    @property
    def n_bytes(self) -> int:
        """The memory that it takes, with the lists that it may come to keep."""
        return LIST_BYTES if self.segments else 0

    def masked(self, mask: DocumentMask | None) -> "CollectionPart":
        """This part, in which every filter keeps these documents."""
        same = object.__new__(type(self))
        same.__dict__.update(self.__dict__, filters=OneMask(mask))
        return same


@dataclass(frozen=True, slots=True)
class AsPart:
    """Opens a part; what it is kept by."""

    def __call__(self, piece: PartPiece) -> Iterator[CollectionPart]:
        """The part."""
        yield CollectionPart(piece)


def parts_of(collection: Collection) -> list[PartPiece]:
    """The parts that owners are asked for, or none, where it takes less time not to ask."""
    sizes = {fragment.id: fragment for fragment in collection.codes.table.fragments}
    unindexed = [sizes[i] for i in collection.unindexed]
    n_bytes = sum(fragment.size_bytes for fragment in unindexed)
    if len(collection.segments) < LEAST_SEGMENTS and n_bytes < UNINDEXED_BYTES:
        return []
    of_segments = [_piece(collection, group, ()) for group in _groups(collection.segments)]
    return [*of_segments, *(_piece(collection, (), ids) for ids in _portions(unindexed))]


def _piece(
    collection: Collection, segments: tuple[Segment, ...], unindexed: tuple[int, ...]
) -> PartPiece:
    return PartPiece(
        name=collection.name,
        settings=collection.settings,
        codes=collection.codes,
        postings=collection.postings.table if collection.postings and segments else None,
        n_documents=collection.documents.n_documents,
        segments=segments,
        unindexed=unindexed,
    )


def _groups(segments: Sequence[Segment]) -> Iterator[tuple[Segment, ...]]:
    """The segments, some at a time; those that cover the same together."""
    group: list[Segment] = []
    for _, same in groupby(sorted(segments, key=_by_covers), _by_covers):
        together = list(same)
        if group and len(group) + len(together) > SEGMENTS_AT_ONCE:
            yield tuple(group)
            group = []
        group += together
    if group:
        yield tuple(group)


def _by_covers(segment: Segment) -> tuple[int, ...]:
    return segment.covers


def _portions(fragments: Sequence[Fragment]) -> Iterator[tuple[int, ...]]:
    group: list[int] = []
    n_bytes = 0
    for fragment in fragments:
        if group and n_bytes + fragment.size_bytes > UNINDEXED_BYTES:
            yield tuple(group)
            group, n_bytes = [], 0
        group.append(fragment.id)
        n_bytes += fragment.size_bytes
    if group:
        yield tuple(group)
