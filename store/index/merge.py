"""Merging segments: their posting lists become those of one segment; codes are not read."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from saelake.store.arrays.memory import lean, trim
from saelake.store.codes.table import collection_of
from saelake.store.errors import SaelakeError
from saelake.store.format.lists import Array, Lists
from saelake.store.format.schema import N_TIERS, STRONGEST, TIERS
from saelake.store.index.layout import LISTED, PostingsBlock, last_row
from saelake.store.index.segments import Segment, covered_by
from saelake.store.index.tiers import n_others
from saelake.store.tables.changes import Draft
from saelake.store.tables.damage import damaged
from saelake.store.tables.tables import Table, address

MERGE_BYTES_PER_POSTING = 96  # as read, side by side, as rows again, and what Lance holds of them
MOST_AT_ONCE = 1 << 27  # postings of a block: offsets of lists have 32 bits, and six columns
ROWS_PER_READ = 1 << 16
PACKED = ("strongest", "size", "packed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """A segment that is written, but not committed, and those that it is to replace."""

    draft: Draft
    segments: tuple[Segment, ...]

    @property
    def covers(self) -> tuple[int, ...]:
        """The fragments of codes that it covers."""
        return covered_by(self.segments)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentMerger:
    """Merges segments of a snapshot of postings, within a memory; can be sent elsewhere.

    `memory_bytes` is about what it takes there. A feature's list of the merged segment is in
    memory as a whole, so a merge may be of `capacity` documents.
    """

    table: Table
    memory_bytes: int

    @property
    def capacity(self) -> int:
        """How many postings it holds at once."""
        return min(max(self.memory_bytes // MERGE_BYTES_PER_POSTING, 1), MOST_AT_ONCE)

    def __call__(self, segments: Sequence[Segment]) -> Merged:
        """These segments as one; all that were built together must be among them."""
        return self.merged(segments)

    def merged(
        self,
        segments: Sequence[Segment],
        on_progress: Callable[[float], object] = lambda _: None,
    ) -> Merged:
        """See `__call__`; `on_progress` is told the share of the features that are done.

        Raises `Corrupt`.
        """
        failed: list[SaelakeError] = []
        with lean():
            try:
                rows = _watched(self._rows(segments, on_progress), failed)
                draft = self.table.write(rows, one_fragment=True)
            except OSError:
                if failed:
                    raise failed[0] from None
                raise
        return Merged(draft=draft, segments=tuple(segments))

    def _rows(
        self, segments: Sequence[Segment], on_progress: Callable[[float], object]
    ) -> Iterator[pa.RecordBatch]:
        """The rows of the merged segment, a block of features at a time."""
        sizes = _Sizes.of(self.table, segments)
        covers: tuple[int, ...] | None = covered_by(segments)
        first, width = 0, len(sizes.later)
        while first < width:
            last = sizes.end_of_block(first, self.capacity)
            yield from self._block(segments, first, last, sizes).batches(self.table.schema, covers)
            trim()
            on_progress(last / width)
            first, covers = last, None
        yield last_row(self.table.schema)

    def _block(
        self, segments: Sequence[Segment], first: int, last: int, sizes: "_Sizes"
    ) -> PostingsBlock:
        """The postings of the features [first, last) in all segments."""
        read = [_StoredLists(s, self._read(s, first, last), self.table.uri) for s in segments]
        read.sort(key=lambda rows: rows.first_document)  # then the lists mostly follow each other
        counts = np.sum([rows.counts for rows in read], axis=0)
        sizes.learn(first, last, counts)
        dtype = self.table.schema.field("max").type.value_type.to_pandas_dtype()
        listed = sum(rows.n_others for rows in read)
        block, n = PostingsBlock.empty(first, counts, dtype, listed), 0
        while read:
            try:
                n = read.pop(0).append_to(block, n)
            except ValueError as error:
                raise damaged(self.table.uri, error) from None
        block.order_by_document()
        return block

    def _read(self, segment: Segment, first: int, last: int) -> pa.Table:
        rows = range(first * N_TIERS, last * N_TIERS)
        names = PACKED if segment.is_packed else ("strongest", *LISTED)
        return self.table.take_addresses([address(segment.fragment, r) for r in rows], names)


@dataclass(frozen=True, slots=True)
class _StoredLists:
    """The rows of some neighbouring features in a segment, as they are stored."""

    segment: Segment
    rows: pa.Table
    uri: str

    @property
    def counts(self) -> Array:
        """How many postings each feature has, int64 (n_features,)."""
        if self.segment.is_packed:
            sizes = np.asarray(self.rows["size"]).astype(np.int64)
        else:
            strongest, later = (Lists.of(self.rows[name]).lengths for name in ("strongest", "max"))
            sizes = strongest // len(STRONGEST) + later
        counts: Array = sizes.reshape(-1, N_TIERS).sum(axis=1)
        return counts

    @property
    def first_document(self) -> int:
        """The lowest document; gaps of a list count from its first one."""
        firsts = [_firsts(self.rows["strongest"])]
        if not self.segment.is_packed:
            firsts.append(_firsts(self.rows["doc_gaps"]))
        return int(np.concatenate(firsts).min(initial=np.iinfo(np.uint32).max))

    @property
    def n_others(self) -> int:
        """How many other tokens they list."""
        return n_others(self.rows["packed"], self.uri) if self.segment.is_packed else 0

    def append_to(self, block: PostingsBlock, n_listed: int) -> int:
        """Add the postings to a block; see `PostingsBlock.append`."""
        if self.segment.is_packed:
            return block.append(self.rows, n_listed)
        block.append_listed(self.rows)
        return n_listed


def _firsts(column: pa.ChunkedArray) -> Array:
    lists = Lists.of(column)
    firsts: Array = lists.values[lists.offsets[:-1][lists.lengths > 0]]
    return firsts


def _watched(
    rows: Iterator[pa.RecordBatch], failed: list[SaelakeError]
) -> Iterator[pa.RecordBatch]:
    """The rows; an error of ours is kept, as Lance makes one of its own of it."""
    try:
        yield from rows
    except SaelakeError as error:
        failed.append(error)
        raise


def _later_sizes(row: int, column: pa.Array, n_left: int) -> Array:
    """How many postings are in later tiers, of rows from `row` on, of which so many count."""
    if pa.types.is_list(column.type):
        return Lists.of(column).lengths
    sizes = np.asarray(column.fill_null(0)).astype(np.int64)[:n_left]
    return np.where((np.arange(len(sizes)) + row) % N_TIERS, sizes, 0)


@dataclass(slots=True)
class _Sizes:
    """How many postings each feature has in some segments, as far as that is known.

    `later` int64 (width,) are those of later tiers, `n_full` int32 (width,) how many segments have
    such: a first tier is full then. What the others hold is estimated of those seen so far.
    """

    later: Array
    n_full: Array
    n_segments: int
    seen: int = 0
    seen_lists: int = 0

    @classmethod
    def of(cls, table: Table, segments: Sequence[Segment]) -> "_Sizes":
        """The sizes, of the offsets of one column."""
        width = collection_of(table).width
        sizes = cls(np.zeros(width, np.int64), np.zeros(width, np.int32), len(segments))
        for segment in segments:
            row, column = 0, "size" if segment.is_packed else "token_lengths"
            batches = table.scan(
                [column], fragments=[segment.fragment], batch_rows=N_TIERS * ROWS_PER_READ
            )
            for batch in batches:
                sizes._add(row, _later_sizes(row, batch.column(0), N_TIERS * width - row))
                row += batch.num_rows
        return sizes

    def _add(self, row: int, lengths: Array) -> None:
        """Count the later tiers of rows from `row` on."""
        if len(lengths) == 0:
            return
        feature = (np.arange(len(lengths)) + row) // N_TIERS
        first, last = int(feature[0]), int(feature[-1]) + 1
        later = np.bincount(feature - first, lengths, last - first).astype(np.int64)
        self.later[first:last] += later
        tier = (np.arange(len(lengths)) + row) % N_TIERS
        np.add.at(self.n_full, feature[(tier == 1) & (lengths > 0)], 1)

    def end_of_block(self, first: int, capacity: int) -> int:
        """How far a block of features that begins at `first` may go."""
        window = slice(first, first + ROWS_PER_READ)
        full = self.n_full[window].astype(np.int64)
        each = self.seen / self.seen_lists if self.seen_lists else TIERS[0]
        # Three lists take as much as a posting also where they are empty: offsets, in six columns.
        first_tiers = TIERS[0] * full + (self.n_segments - full) * each
        sizes = self.later[window] + first_tiers + self.n_segments
        n = int(np.searchsorted(np.cumsum(sizes), capacity, side="right"))
        return min(first + max(n, 1), len(self.later))

    def learn(self, first: int, last: int, counts: Array) -> None:
        """Take in how many postings a block had."""
        full = self.n_full[first:last].astype(np.int64)
        self.seen += int((counts - self.later[first:last] - TIERS[0] * full).sum())
        self.seen_lists += int((self.n_segments - full).sum())
