"""Index a collection: build segments over new codes, and bring the features table up to date."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from saelake.store.arrays.memory import lean
from saelake.store.codes.executor import Executor
from saelake.store.codes.table import CodesTable
from saelake.store.format.schema import postings_schema
from saelake.store.growth.count import Counting
from saelake.store.growth.impacts import index_impacts
from saelake.store.index.builder import BuiltSegments, SegmentBuilder, by_first_document
from saelake.store.index.segments import PostingsTable, Segment
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.reports import IndexReport
from saelake.store.snapshot.collection import open_codes
from saelake.store.tables.changes import Change, Fragment
from saelake.store.tables.tables import Table

DEFAULT_MEMORY_BYTES = 1 << 30
FULL_BYTES_PER_POSTING = 3  # in a file: 6 to 10, and a segment is closed at half the capacity
MAX_SEGMENTS = 8  # a query reads one row a segment, so small ones are joined beyond this many
GROWTH = 4  # a segment takes in another that is up to so many times larger


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One segment to build: the codes fragments to cover, and the segments that it replaces."""

    fragments: tuple[Fragment, ...]
    replaces: tuple[Segment, ...] = ()


def plan(
    fragments: Sequence[Fragment], segments: Sequence[Segment], *, full_bytes: float = math.inf
) -> Build | None:
    """What to build next, or None when every fragment is covered by few enough segments.

    Uncovered fragments are built into one new segment. Were there then too many segments, the
    new one takes in smaller ones, and after those each that is at most `GROWTH` times as large as
    what it has. So their number grows with the logarithm of the documents, and each document is
    indexed again only a logarithmic number of times, whatever comes in and in which portions.
    Segments from `full_bytes` on stay as they are: together they would not fit in memory.
    """
    by_id = {fragment.id: fragment for fragment in fragments}
    covered = {i for segment in segments for i in segment.covers}
    new = [fragment for fragment in fragments if fragment.id not in covered]
    if not new:
        return None
    taken: set[int] = set()
    replaced: list[Segment] = []
    n_rows = sum(fragment.n_rows for fragment in new)
    together = _together(segments, full_bytes)
    if len(together) >= MAX_SEGMENTS:
        for covers in sorted(together, key=lambda covers: _rows(covers, by_id)):
            if _rows(covers, by_id) > GROWTH * n_rows:
                break
            n_rows += _rows(covers, by_id)
            replaced += together[covers]
            taken.update(covers)
    chosen = [f for f in fragments if f.id not in covered or f.id in taken]
    return Build(fragments=tuple(chosen), replaces=tuple(replaced))


def _together(
    segments: Sequence[Segment], full_bytes: float
) -> dict[tuple[int, ...], list[Segment]]:
    """By what they cover, the segments that were built together and can still be joined."""
    groups: dict[tuple[int, ...], list[Segment]] = {}
    for segment in segments:
        groups.setdefault(segment.covers, []).append(segment)
    return {c: g for c, g in groups.items() if all(s.size_bytes < full_bytes for s in g)}


def stale(fragments: Sequence[Fragment], segments: Sequence[Segment]) -> tuple[int, ...]:
    """The fragments of postings that nobody reads any more, as codes that they cover are gone.

    Not those that cover codes which are newer than the snapshot that `fragments` are of.
    """
    present = {fragment.id for fragment in fragments}
    newest = max(present, default=0)
    gone = (s for s in segments if not s.is_valid(present) and max(s.covers) <= newest)
    return tuple(segment.fragment for segment in gone)


def _rows(covers: Iterable[int], by_id: dict[int, Fragment]) -> int:
    return sum(by_id[i].n_rows for i in covers if i in by_id)


def index(
    lake: Lake,
    name: CollectionName,
    *,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    redo: Collection[int] = (),
    renew_features: bool = False,
    executor: Executor | None = None,
    on_progress: Callable[[int, int], object] = lambda *_: None,
) -> IndexReport:
    """Index what is not indexed yet, within about `memory_bytes`; each worker of an executor so.

    `redo` are fragments of postings to be replaced, as what they say is wrong; `renew_features`
    makes the statistics again from all codes, not only from new ones. `on_progress` is told how
    many of how many documents are done. Safe to kill and to race: a segment is committed only if
    no other covers its fragments. Raises `Corrupt`.
    """
    lake = lake.pinned()
    codes = CodesTable.of(lake, open_codes(lake, name))
    table = Table.open_or_create(lake.postings(name), postings_schema(codes.settings))
    builder = SegmentBuilder(codes=codes, table=table, memory_bytes=memory_bytes)
    full_bytes = builder.capacity * FULL_BYTES_PER_POSTING
    committer = _Committer(table, codes.table.fragments, frozenset(redo))
    n_done = n_postings = 0
    with lean():
        while build := plan(codes.table.fragments, committer.segments, full_bytes=full_bytes):
            for built in _built(builder, build, executor):
                committer.commit(built, build.replaces)
                n_done, n_postings = n_done + built.n_rows, n_postings + built.n_postings
                on_progress(n_done, n_done + committer.n_uncovered)
        postings = committer.finish()
        Counting(lake, name, builder, executor).update(postings, renew=renew_features)
        index_impacts(lake, name, codes, memory_bytes=memory_bytes)
    return IndexReport(
        collection=str(name),
        n_documents=n_done,
        n_postings=n_postings,
        n_segments=len(postings.segments),
    )


def _built(
    builder: SegmentBuilder, build: Build, executor: Executor | None
) -> Iterator[BuiltSegments]:
    """The segments of a build; here one after the other, or wherever the executor has workers.

    A build that replaces segments is one piece, because the old ones must go as the new come.
    """
    fragments = by_first_document(builder.codes, build.fragments)
    if executor is None:
        yield from builder.each(fragments, whole=bool(build.replaces))
        return
    work = builder.whole if build.replaces else builder
    portions = [fragments] if build.replaces else builder.portions(fragments)
    for found in executor.map(work, portions):
        yield from found


class _Committer:
    """Commits segments over a snapshot of codes, and takes out those that nobody reads any more.

    Together: were all taken out first, there would be nothing to swap by, and two indexers could
    both commit.
    """

    def __init__(self, table: Table, fragments: Sequence[Fragment], redo: frozenset[int]) -> None:
        self._postings = PostingsTable(table.latest())
        self._fragments = fragments
        self._redo = redo

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments that stay."""
        gone = self._gone(self._postings)
        return tuple(s for s in self._postings.segments if s.fragment not in gone)

    @property
    def n_uncovered(self) -> int:
        """How many rows of codes no segment covers yet."""
        covered = {i for segment in self.segments for i in segment.covers}
        return sum(f.n_rows for f in self._fragments if f.id not in covered)

    def commit(self, built: BuiltSegments, replaces: Sequence[Segment]) -> None:
        """Commit segments in place of others, unless another indexer was first."""
        replaced = {segment.fragment for segment in replaces}

        def decide(snapshot: Table) -> Change | None:
            postings = PostingsTable(snapshot)
            gone = self._gone(postings)
            kept = [s for s in postings.segments if s.fragment not in replaced | gone]
            missing = replaced - {segment.fragment for segment in postings.segments}
            if missing or any(built.covers.intersection(s.covers) for s in kept):
                return None
            return Change(add=built.draft, remove=tuple(replaced | gone))

        self._postings = PostingsTable(self._postings.table.commit(decide))

    def finish(self) -> PostingsTable:
        """The postings, when all codes are covered."""

        def decide(snapshot: Table) -> Change | None:
            gone = self._gone(PostingsTable(snapshot))
            return Change(remove=tuple(gone)) if gone else None

        return PostingsTable(self._postings.table.commit(decide))

    def _gone(self, postings: PostingsTable) -> set[int]:
        present = {segment.fragment for segment in postings.segments}
        outdated = {segment.fragment for segment in postings.outdated}
        return {*stale(self._fragments, postings.segments), *(self._redo & present), *outdated}
