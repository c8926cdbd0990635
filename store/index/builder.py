"""Building segments of postings: written rows that wait to be committed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from saelake.store.arrays.memory import lean, trim
from saelake.store.codes.table import CodesTable, locate
from saelake.store.errors import Corrupt
from saelake.store.format.lists import Lists, concatenate
from saelake.store.index.postings import (
    CODES_COLUMNS,
    TOKEN_COLUMNS,
    Postings,
    RowTokens,
    postings_of,
)
from saelake.store.index.segment_rows import segment_rows
from saelake.store.tables.changes import Draft, Fragment
from saelake.store.tables.tables import Table

BYTES_PER_POSTING = 160  # 50 held of long documents, and sorted copies of them
SEGMENT_COLUMNS = (*CODES_COLUMNS, *TOKEN_COLUMNS)
CODES_BYTES_PER_POSTING = 24  # of long documents; 5 of short ones, in which little fires twice


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltSegments:
    """Segments that are written, but not committed; together they cover some fragments."""

    draft: Draft
    covers: frozenset[int]
    n_rows: int
    n_postings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentBuilder:
    """Builds segments over fragments of codes, for a table of postings, within a memory.

    It can be sent to another process. `memory_bytes` is about what it takes there.
    """

    codes: CodesTable
    table: Table
    memory_bytes: int

    @property
    def capacity(self) -> int:
        """How many postings it holds at once."""
        return max(self.memory_bytes // BYTES_PER_POSTING, 1)

    def __call__(self, fragments: Sequence[Fragment]) -> list[BuiltSegments]:
        """All segments of some fragments, in document order."""
        with lean():
            return list(self.each(fragments))

    def each(self, fragments: Sequence[Fragment]) -> Iterator[BuiltSegments]:
        """All segments of some fragments, one piece at a time that can be committed by itself."""
        segment = _GrowingSegment(self.codes, self.table)
        drafts: list[Draft] = []
        done: list[Fragment] = []
        n_postings = 0
        for fragment in fragments:
            done.append(fragment)
            covers = [f.id for f in done]
            for batch in self.codes.scan(SEGMENT_COLUMNS, fragments=[fragment.id]):
                begun, others = _at_first_document(batch)
                n_postings += segment.add(begun) if begun.num_rows else 0
                if others.num_rows and segment.n_postings >= self.capacity:
                    drafts.append(segment.write(covers=()))
                n_postings += segment.add(others) if others.num_rows else 0
            if segment.n_postings >= self.capacity / 2 or fragment is fragments[-1]:
                drafts.append(segment.write(covers=covers))
                yield BuiltSegments(
                    draft=Draft(tuple(f for draft in drafts for f in draft.fragments)),
                    covers=frozenset(covers),
                    n_rows=sum(f.n_rows for f in done),
                    n_postings=n_postings,
                )
                drafts, done, n_postings = [], [], 0

    def portions(self, fragments: Sequence[Fragment]) -> list[list[Fragment]]:
        """The fragments in portions for one worker each: of about as many postings as it holds."""
        most = self.capacity * CODES_BYTES_PER_POSTING
        n_bytes = max(sum(fragment.size_bytes for fragment in fragments), 1)
        n_portions = -(-n_bytes // most)
        found: list[list[Fragment]] = [[] for _ in range(n_portions)]
        before = 0
        for fragment in fragments:
            place = min(before * n_portions // n_bytes, n_portions - 1)
            found[place].append(fragment)
            before += fragment.size_bytes
        return [portion for portion in found if portion]


def _at_first_document(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """The rows that are parts of a document begun before, and the others.

    A segment is closed between documents, as it says one posting of each.
    """
    first = np.flatnonzero(np.asarray(batch["part"]) == 0)
    n = int(first[0]) if len(first) else batch.num_rows
    return batch.slice(0, n), batch.slice(n)


class _GrowingSegment:
    """A segment in the making: the postings and tokens of the rows added so far."""

    def __init__(self, codes: CodesTable, table: Table) -> None:
        self._codes = codes
        self._table = table
        self._clear()

    def _clear(self) -> None:
        self._pieces: list[Postings] = []
        self._tokens: list[list[pa.Array]] = [[], [], []]
        self._n_tokens = 0
        self.n_postings = 0

    def add(self, batch: pa.RecordBatch) -> int:
        """Take in a batch of codes rows; how many postings it had."""
        try:
            piece = postings_of(batch, first_token=self._n_tokens, with_others=True)
        except (IndexError, ValueError) as error:
            name = self._codes.settings.name
            raise Corrupt(
                f"Codes of {name} are damaged, near document {batch['doc'][0]}: run `saelake "
                f"verify {name} --repair`.",
                collection=name,
            ) from error
        for kept, name in zip(self._tokens, TOKEN_COLUMNS, strict=True):
            kept.append(Lists.of(batch[name]).values)
        self._n_tokens += len(self._tokens[0][-1])
        self._pieces.append(piece)
        self.n_postings += len(piece)
        return len(piece)

    def write(self, *, covers: Sequence[int]) -> Draft:
        """Write the segment's rows, and begin the next one."""
        ids, starts, lengths = self._tokens
        tokens = RowTokens(
            ids=concatenate(ids, "uint32"),
            starts=concatenate(starts, "uint32"),
            lengths=concatenate(lengths, "uint16"),
        )
        rows = segment_rows(
            self._pieces,
            tokens,
            covers=covers,
            schema=self._table.schema,
            codec=self._codes.codec,
            width=self._codes.settings.width,
        )
        draft = self._table.write(rows, one_fragment=True)
        self._clear()
        trim()
        return draft


def by_first_document(codes: CodesTable, fragments: Sequence[Fragment]) -> list[Fragment]:
    """The fragments that hold documents, in document order: posting lists ascend by document."""
    first = {f.id: locate(codes.table, [f.id]).docs for f in fragments}
    return sorted((f for f in fragments if len(first[f.id])), key=lambda f: int(first[f.id][0]))
