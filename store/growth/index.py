"""Index a collection: build segments over new codes, and bring the features table up to date."""

from collections.abc import Callable, Collection, Iterator, Sequence

import pyarrow as pa

from saelake.store.arrays.memory import lean
from saelake.store.codes.executor import Executor
from saelake.store.codes.table import CodesTable
from saelake.store.format.schema import postings_schema
from saelake.store.growth.count import Counting
from saelake.store.growth.impacts import index_impacts
from saelake.store.growth.merging import plan_merges
from saelake.store.index.builder import BuiltSegments, SegmentBuilder, by_first_document
from saelake.store.index.merge import Merged, SegmentMerger
from saelake.store.index.segments import PostingsTable, Segment, covered_by
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.reports import IndexReport
from saelake.store.snapshot.collection import open_codes
from saelake.store.tables.changes import Change, Fragment
from saelake.store.tables.tables import Table

DEFAULT_MEMORY_BYTES = 1 << 30


def uncovered(fragments: Sequence[Fragment], segments: Sequence[Segment]) -> list[Fragment]:
    """The fragments of codes that no segment covers."""
    covered = set(covered_by(segments))
    return [fragment for fragment in fragments if fragment.id not in covered]


def stale(fragments: Sequence[Fragment], segments: Sequence[Segment]) -> tuple[int, ...]:
    """The fragments of postings that nobody reads any more, as codes that they cover are gone.

    Not those that cover codes which are newer than the snapshot that `fragments` are of.
    """
    present = {fragment.id for fragment in fragments}
    newest = max(present, default=0)
    gone = (s for s in segments if not s.is_valid(present) and max(s.covers) <= newest)
    return tuple(segment.fragment for segment in gone)


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

    Then segments are merged, until they are few. `redo` are fragments of postings to be replaced,
    as what they say is wrong; `renew_features` makes the statistics again from all codes, not only
    from new ones. `on_progress` is told how many of how many documents are done; those whose
    segments are merged, or whose impacts are indexed, count again. Safe to kill and to race: a
    segment is committed only if no other covers its fragments, or in place of all that it was
    merged from. Raises `Corrupt`.
    """
    lake = lake.pinned()
    codes = CodesTable.of(lake, open_codes(lake, name))
    table = _with_new_columns(lake.postings(name), postings_schema(codes.settings))
    builder = SegmentBuilder(codes=codes, table=table, memory_bytes=memory_bytes)
    committer = _Committer(table, codes.table, frozenset(redo))
    progress = _Indexed(on_progress)
    n_documents = n_postings = 0
    built_fragments: set[int] = set()
    with lean():
        while new := uncovered(codes.table.fragments, committer.segments):
            for built in _built(builder, by_first_document(codes, new), executor):
                committer.commit(built)
                n_documents, n_postings = n_documents + built.n_rows, n_postings + built.n_postings
                built_fragments |= built.covers
                progress.add(built.n_rows, committer.n_uncovered)
        _merge(committer, memory_bytes, built_fragments, executor, progress)
        postings = committer.finish()
        Counting(lake, name, builder, executor).update(postings, renew=renew_features)
        index_impacts(lake, name, codes, memory_bytes=memory_bytes, on_progress=progress.add)
    return IndexReport(
        collection=str(name),
        n_documents=n_documents,
        n_postings=n_postings,
        n_segments=len(postings.segments),
    )


def _with_new_columns(uri: str, schema: pa.Schema) -> Table:
    """The table of postings; one of an earlier saelake gets the columns of now, which are null.

    Its segments stay as they are, until they are merged.
    """
    table = Table.open_or_create(uri, schema)
    missing = [field for field in schema if field.name not in table.schema.names]
    if not missing:
        return table

    def decide(snapshot: Table) -> Change | None:
        names = snapshot.schema.names
        wanted = pa.schema([*snapshot.schema, *(f for f in missing if f.name not in names)])
        if len(wanted) == len(names):
            return None
        return Change(evolution=snapshot.evolve(wanted, lambda column, _: column))

    return table.commit(decide)


def _built(
    builder: SegmentBuilder, fragments: Sequence[Fragment], executor: Executor | None
) -> Iterator[BuiltSegments]:
    """The segments of fragments; here one after the other, or wherever the executor has workers."""
    if executor is None:
        yield from builder.each(fragments)
        return
    for found in executor.map(builder, builder.portions(fragments)):
        yield from found


def _merge(
    committer: "_Committer",
    memory_bytes: int,
    built: set[int],
    executor: Executor | None,
    progress: "_Indexed",
) -> None:
    """Merge segments until they are few; what another indexer was faster with is looked at again.

    That ends: a plan that is made twice was of codes that others have rewritten since.
    """
    planned: list[tuple[Segment, ...]] = []
    while True:
        merger = SegmentMerger(table=committer.table, memory_bytes=memory_bytes)
        before, planned = planned, committer.merges(merger.capacity, built)
        if not planned or planned == before:
            return
        sizes = [committer.n_documents(merge) for merge in planned]
        if executor is None:
            for n, merge, left in zip(sizes, planned, _left(sizes), strict=True):
                told = progress.share(n, left)
                committer.replace(merger.merged(merge, told))
                progress.add(n, left)
        else:
            done = executor.map(merger, planned)
            for n, merged, left in zip(sizes, done, _left(sizes), strict=True):
                committer.replace(merged)
                progress.add(n, left)


def _left(sizes: Sequence[int]) -> Iterator[int]:
    """After each, the sum of those that follow."""
    left = sum(sizes)
    for n in sizes:
        left -= n
        yield left


class _Indexed:
    """How many documents are done, and how many there are to do."""

    def __init__(self, tell: Callable[[int, int], object]) -> None:
        self._tell = tell
        self._n_done = 0

    def add(self, n: int, left: int) -> None:
        """So many more are done, and so many are left."""
        self._n_done += n
        self._tell(self._n_done, self._n_done + left)

    def share(self, n: int, left: int) -> Callable[[float], object]:
        """What is told which share of the next `n` is done; after them so many are left."""
        total = self._n_done + n + left
        return lambda share: self._tell(self._n_done + int(share * n), total)


class _Committer:
    """Commits segments over a snapshot of codes, and takes out those that nobody reads any more.

    Together: were all taken out first, there would be nothing to swap by, and two indexers could
    both commit.
    """

    def __init__(self, table: Table, codes: Table, redo: frozenset[int]) -> None:
        self._postings = PostingsTable(table.latest())
        self._codes = codes
        self._fragments = codes.fragments
        self._n_rows = {fragment.id: fragment.n_rows for fragment in codes.fragments}
        self._redo = redo

    @property
    def table(self) -> Table:
        """The postings after the last commit."""
        return self._postings.table

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The segments that stay."""
        gone = self._gone(self._postings)
        return tuple(s for s in self._postings.segments if s.fragment not in gone)

    @property
    def n_uncovered(self) -> int:
        """How many rows of codes no segment covers yet."""
        return sum(f.n_rows for f in uncovered(self._fragments, self.segments))

    def n_documents(self, segments: Sequence[Segment]) -> int:
        """Of how many rows of codes these segments are."""
        return sum(self._n_rows[i] for i in covered_by(segments))

    def merges(self, capacity: int, built: set[int]) -> list[tuple[Segment, ...]]:
        """What to merge next, of the segments that cover this snapshot of codes."""
        known = [s for s in self.segments if s.is_valid(self._n_rows.keys())]
        return plan_merges(known, self._n_rows, capacity=capacity, built=built)

    def commit(self, built: BuiltSegments) -> None:
        """Commit segments, unless another indexer was first."""

        def decide(snapshot: Table) -> Change | None:
            postings = PostingsTable(snapshot)
            gone = self._gone(postings)
            kept = [s for s in postings.segments if s.fragment not in gone]
            if any(built.covers.intersection(s.covers) for s in kept):
                return None
            return Change(add=built.draft, remove=tuple(gone))

        self._commit(decide)

    def replace(self, merged: Merged) -> None:
        """Commit a segment in place of those that it was merged from, if they all are still there.

        Not if their codes were rewritten meanwhile: it would take the others' postings along.
        """

        def decide(snapshot: Table) -> Change | None:
            postings = PostingsTable(snapshot)
            is_there = set(merged.segments) <= set(postings.segments)
            if not is_there or not set(merged.covers) <= self._codes.latest().fragment_ids:
                return None
            gone = {segment.fragment for segment in merged.segments} | self._gone(postings)
            return Change(add=merged.draft, remove=tuple(gone))

        self._commit(decide)

    def finish(self) -> PostingsTable:
        """The postings, when all codes are covered."""

        def decide(snapshot: Table) -> Change | None:
            gone = self._gone(PostingsTable(snapshot))
            return Change(remove=tuple(gone)) if gone else None

        self._commit(decide)
        return self._postings

    def _commit(self, decide: Callable[[Table], Change | None]) -> None:
        self._postings = PostingsTable(self._postings.table.commit(decide))

    def _gone(self, postings: PostingsTable) -> set[int]:
        present = {segment.fragment for segment in postings.segments}
        outdated = {segment.fragment for segment in postings.outdated}
        return {*stale(self._fragments, postings.segments), *(self._redo & present), *outdated}
