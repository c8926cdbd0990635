"""Index a collection: build segments over new codes, and bring the features table up to date."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from saelake.store.codes import CodesTable, locate
from saelake.store.collection import open_codes
from saelake.store.errors import Corrupt, NotFound
from saelake.store.features import COVERS_KEY, N_TOKENS_KEY, Totals, features_table, top_tokens
from saelake.store.lake import CollectionName, Lake
from saelake.store.lists import Lists, concatenate
from saelake.store.memory import lean, trim
from saelake.store.postings import CODES_COLUMNS, TOKEN_COLUMNS, Postings, Tokens, postings_of
from saelake.store.schema import CollectionSettings, postings_schema
from saelake.store.segments import PostingsTable, Segment, segment_rows
from saelake.store.tables import Change, Draft, Fragment, Table, metadata, overwrite, read

DEFAULT_MEMORY_BYTES = 1 << 30
BYTES_PER_POSTING = 112  # 26 held, and sorted copies of them: 101 of 10.9 million (measured)
FULL_BYTES_PER_POSTING = 3  # in a file: 6 to 10, and a segment is closed at half the capacity
MAX_SEGMENTS = 8  # a query reads one row a segment, so small ones are joined beyond this many
GROWTH = 4  # a segment takes in another that is up to so many times larger
SCAN_ROWS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """One segment to build: the codes fragments to cover, and the segments that it replaces."""

    fragments: tuple[Fragment, ...]
    replaces: tuple[Segment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexReport:
    """What indexing did."""

    collection: str
    n_documents: int
    n_postings: int
    n_segments: int


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
    on_progress: Callable[[int, int], object] = lambda *_: None,
) -> IndexReport:
    """Index what is not indexed yet, within about `memory_bytes`.

    `redo` are fragments of postings to be replaced, as what they say is wrong; `renew_features`
    makes the statistics again from all codes, not only from new ones. `on_progress` is told how
    many of how many documents are done. Safe to kill and to race: a segment is committed only if
    no other covers its fragments. Raises `Corrupt`.
    """
    lake = lake.pinned()
    codes = CodesTable(open_codes(lake, name))
    table = Table.open_or_create(lake.postings(name), postings_schema(codes.settings))
    capacity = max(memory_bytes // BYTES_PER_POSTING, 1)
    full_bytes = capacity * FULL_BYTES_PER_POSTING
    committer = _Committer(table, codes.table.fragments, frozenset(redo))
    n_done = n_postings = 0
    with lean():
        while build := plan(codes.table.fragments, committer.segments, full_bytes=full_bytes):
            for written in _build(codes, table, build, capacity):
                committer.commit(written, build.replaces)
                n_done, n_postings = n_done + written.n_rows, n_postings + written.n_postings
                on_progress(n_done, n_done + committer.n_uncovered)
        postings = committer.finish()
        _update_features(lake, name, codes, postings, renew=renew_features)
    return IndexReport(
        collection=str(name),
        n_documents=n_done,
        n_postings=n_postings,
        n_segments=len(postings.segments),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """Segments that are written, but not committed."""

    draft: Draft
    covers: frozenset[int]
    n_rows: int
    n_postings: int


def _build(codes: CodesTable, table: Table, build: Build, capacity: int) -> Iterator[_Written]:
    """Write the segments of a build; a piece that can be committed by itself at a time.

    A build that replaces segments is one piece, because the old ones must go as the new come.
    """
    segment = _Segment(codes, table)
    drafts: list[Draft] = []
    done: list[Fragment] = []
    n_postings = 0
    ordered = _by_first_document(codes, build.fragments)
    for fragment in ordered:
        done.append(fragment)
        covers = [f.id for f in done]
        for batch in codes.scan(
            (*CODES_COLUMNS, *TOKEN_COLUMNS), fragments=[fragment.id], batch_rows=SCAN_ROWS
        ):
            if segment.n_postings >= capacity:
                drafts.append(segment.write(covers=()))
            n_postings += segment.add(batch)
        whole = fragment is ordered[-1] if build.replaces else segment.n_postings >= capacity / 2
        if whole or fragment is ordered[-1]:
            drafts.append(segment.write(covers=covers))
            fragments = tuple(f for draft in drafts for f in draft.fragments)
            yield _Written(
                draft=Draft(fragments),
                covers=frozenset(covers),
                n_rows=sum(f.n_rows for f in done),
                n_postings=n_postings,
            )
            drafts, done, n_postings = [], [], 0


class _Segment:
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
            piece = postings_of(batch, first_token=self._n_tokens)
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
        tokens = Tokens(
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
            d_sae=self._codes.settings.d_sae,
        )
        draft = self._table.write(rows, one_fragment=True)
        self._clear()
        trim()
        return draft


def _by_first_document(codes: CodesTable, fragments: Sequence[Fragment]) -> list[Fragment]:
    """The fragments that hold documents, in document order: posting lists ascend by document."""
    first = {f.id: locate(codes.table, [f.id]).docs for f in fragments}
    return sorted((f for f in fragments if len(first[f.id])), key=lambda f: int(first[f.id][0]))


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

    def commit(self, written: _Written, replaces: Sequence[Segment]) -> None:
        """Commit segments in place of others, unless another indexer was first."""
        replaced = {segment.fragment for segment in replaces}

        def decide(snapshot: Table) -> Change | None:
            postings = PostingsTable(snapshot)
            gone = self._gone(postings)
            kept = [s for s in postings.segments if s.fragment not in replaced | gone]
            missing = replaced - {segment.fragment for segment in postings.segments}
            if missing or any(written.covers.intersection(s.covers) for s in kept):
                return None
            return Change(add=written.draft, remove=tuple(replaced | gone))

        self._postings = PostingsTable(self._postings.table.commit(decide))

    def finish(self) -> PostingsTable:
        """The postings, when all codes are covered."""

        def decide(snapshot: Table) -> Change | None:
            gone = self._gone(PostingsTable(snapshot))
            return Change(remove=tuple(gone)) if gone else None

        return PostingsTable(self._postings.table.commit(decide))

    def _gone(self, postings: PostingsTable) -> set[int]:
        present = {segment.fragment for segment in postings.segments}
        return {*stale(self._fragments, postings.segments), *(self._redo & present)}


def _update_features(
    lake: Lake, name: CollectionName, codes: CodesTable, postings: PostingsTable, *, renew: bool
) -> None:
    """Add the codes fragments that the features table does not count yet."""
    settings = codes.settings
    totals, covered, n_tokens = _stored_totals(lake, name, settings)
    present = [fragment.id for fragment in codes.table.fragments]
    if renew or not covered <= set(present):
        totals, covered, n_tokens = Totals.zero(settings.d_sae), set(), 0
    new = [i for i in present if i not in covered]
    if not new:
        return
    columns = ("doc", "part", "token_ids", "features", "max", "counts", "values")
    for batch in codes.scan(columns, fragments=new, batch_rows=SCAN_ROWS):
        totals.add(batch, codes.codec)
        n_tokens += len(Lists.of(batch["token_ids"]).values)
    tokens = top_tokens(postings, settings.d_sae, _vocabulary(lake, name.dictionary))
    table = features_table(totals, tokens, n_tokens=n_tokens, covers=present)
    overwrite(lake.features(name), table)


def _stored_totals(
    lake: Lake, name: CollectionName, settings: CollectionSettings
) -> tuple[Totals, set[int], int]:
    try:
        stored = Table.open(lake.features(name))
    except NotFound:
        return Totals.zero(settings.d_sae), set(), 0
    if not stored.fragments:  # made, but not filled yet
        return Totals.zero(settings.d_sae), set(), 0
    said = metadata(stored.schema)
    covers = {int(i) for i in said[COVERS_KEY].split(",") if i}
    return Totals.of(read(lake.features(name))), covers, int(said[N_TOKENS_KEY])


def _vocabulary(lake: Lake, dictionary: str) -> list[str]:
    """The text of each token id, or nothing when the dictionary is not registered."""
    try:
        table = read(lake.dictionaries, ["name", "vocabulary"])
    except NotFound:
        return []
    tables = lake.tables_of(dictionary)
    rows = [r for r in table.to_pylist() if r["name"] == tables]
    return list(rows[0]["vocabulary"] or []) if rows else []
