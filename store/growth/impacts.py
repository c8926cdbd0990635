"""Index a collection's impacts: blocks of documents by which similar ones are found."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from saelake.store.arrays.memory import trim
from saelake.store.codes.embeddings import Block, blocks
from saelake.store.codes.executor import PIECE_ROWS, Piece
from saelake.store.codes.table import CodesTable
from saelake.store.format.schema import impacts_schema
from saelake.store.index.impact_blocks import ImpactsTable, StoredBlock
from saelake.store.index.levels import Levels, inverse_lengths, is_worth_sketches
from saelake.store.index.nearest import NearestDocuments, measured
from saelake.store.index.overall import measured_overall
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.tables.changes import Change, Draft, Fragment
from saelake.store.tables.tables import Table, drop

DEFAULT_MEMORY_BYTES = 1 << 30
LEAST_DOCUMENTS = 50_000  # fewer are compared exactly in milliseconds
MEMORY_PER_BYTE = 6  # of a block in the making, of the codes that it covers (measured)
MAX_SMALL = 8  # a search looks into every block, so small ones are joined beyond this many
MEASURED_PART = 7 / 8  # of the documents: of less all blocks are measured together again
GROWTH = 4  # a block takes in others that are up to so many times larger


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockBuild:
    """Blocks to make, by the fragments that each covers, and those that they replace."""

    groups: tuple[tuple[Fragment, ...], ...]
    replaces: tuple[int, ...] = ()


def plan(
    fragments: Sequence[Fragment], stored: Sequence[StoredBlock], full_bytes: int
) -> BlockBuild | None:
    """What to make next; None when every fragment of codes is covered.

    As of segments of postings (see `growth.index`): once there are `MAX_SMALL` blocks that are
    less than half full, what is new takes in the smallest of them.
    """
    by_id = {fragment.id: fragment for fragment in fragments}
    covered = {i for block in stored for i in block.covers}
    chosen = {fragment.id for fragment in fragments if fragment.id not in covered}
    if not chosen:
        return None
    size = sum(by_id[i].size_bytes for i in chosen)
    replaced: list[int] = []
    sizes = {b.fragment: sum(by_id[i].size_bytes for i in b.covers) for b in stored}
    small = [
        block
        for block in stored
        if sizes[block.fragment] < full_bytes / 2 and len(block.docs) < PIECE_ROWS / 2
    ]
    if len(small) >= MAX_SMALL:
        for block in sorted(small, key=lambda b: sizes[b.fragment]):
            if sizes[block.fragment] > GROWTH * size:
                break
            size += sizes[block.fragment]
            replaced.append(block.fragment)
            chosen.update(block.covers)
    ordered = [fragment for fragment in fragments if fragment.id in chosen]
    return BlockBuild(groups=tuple(_groups(ordered, full_bytes)), replaces=tuple(replaced))


def _groups(fragments: Sequence[Fragment], full_bytes: int) -> Iterator[tuple[Fragment, ...]]:
    """The fragments in groups of as many documents and bytes as a block has."""
    group: list[Fragment] = []
    for fragment in fragments:
        n_bytes = sum(f.size_bytes for f in group) + fragment.size_bytes
        n_rows = sum(f.n_rows for f in group) + fragment.n_rows
        if group and (n_bytes > full_bytes or n_rows > PIECE_ROWS):
            yield tuple(group)
            group = []
        group.append(fragment)
    yield tuple(group)


def index_impacts(
    lake: Lake,
    name: CollectionName,
    codes: CodesTable,
    *,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    redo: Collection[int] = (),
    on_progress: Callable[[int, int], object] = lambda *_: None,
) -> None:
    """Index the impacts of what has none yet, within about `memory_bytes`.

    Only of collections of `LEAST_DOCUMENTS` and more. `redo` are fragments of impacts to be
    replaced. `on_progress` is told how many more documents are done, and how many are left. Safe to
    kill and to race: a block is committed only if no other covers its fragments.
    """
    n_documents = sum(fragment.n_rows for fragment in codes.table.fragments)
    address = lake.impacts(name)
    if n_documents < LEAST_DOCUMENTS and Table.find(address) is None:
        return
    table = Table.open_or_create(address, impacts_schema(codes.settings))
    committer = _BlockCommitter(ImpactsTable(table), codes.table.fragments, redo=frozenset(redo))
    builder = _BlockBuilder(codes, ImpactsTable(table), n_documents)
    full_bytes = memory_bytes // MEMORY_PER_BYTE
    while build := plan(codes.table.fragments, committer.blocks, full_bytes):
        if build.replaces:  # together: else a document might be in two blocks, or in none
            drafts = [builder(group, committer.blocks) for group in build.groups]
            covers = {fragment.id for group in build.groups for fragment in group}
            committer.commit(_joined(drafts), covers, build.replaces)
            on_progress(sum(map(_n_documents, build.groups)), 0)
            continue
        left = sum(_n_documents(group) for group in build.groups)
        for group in build.groups:
            draft = builder(group, committer.blocks)
            committer.commit(draft, {fragment.id for fragment in group})
            left -= _n_documents(group)
            on_progress(_n_documents(group), left)
    committer.finish()
    committer.measure(codes.settings.width)
    _forget_outdated(lake, name)


def _forget_outdated(lake: Lake, name: CollectionName) -> None:
    """Delete what was made before levels and rows had files of their own, unless a tag has it."""
    old = Table.find(lake.outdated_impacts(name))
    if old is not None and not old.tags():
        drop(old.uri)


def _n_documents(group: Sequence[Fragment]) -> int:
    return sum(fragment.n_rows for fragment in group)


def _joined(drafts: Sequence[Draft]) -> Draft:
    return Draft(tuple(fragment for draft in drafts for fragment in draft.fragments))


@dataclass(frozen=True, slots=True)
class _BlockBuilder:
    """Makes a block of fragments of codes; it is not committed yet."""

    codes: CodesTable
    table: ImpactsTable
    n_documents: int

    def __call__(self, fragments: Sequence[Fragment], others: Sequence[StoredBlock]) -> Draft:
        """A block of these fragments, which has sketches if others that are there have some."""
        covers = tuple(fragment.id for fragment in fragments)
        n_rows = sum(fragment.n_rows for fragment in fragments)
        found = list(blocks(Piece(self.codes, covers), n_rows=n_rows))
        block = found[0] if len(found) == 1 else Block.joined(found)
        width = self.codes.settings.width
        scale = inverse_lengths(block, width)
        levels = Levels.of(block, scale, width, sketched=self._is_sketched(block, others))
        said = measured(block, scale, levels, width, self.n_documents)
        draft = self.table.write(block, scale, levels, said, covers)
        del found, block, levels
        trim()
        return draft

    def _is_sketched(self, block: Block, others: Sequence[StoredBlock]) -> bool:
        """As the others: a search looks at sketches where all blocks have some."""
        if others:
            return others[0].has_sketches
        return self.table.is_on_disk and is_worth_sketches(block)


class _BlockCommitter:
    """Commits blocks over a snapshot of codes, and takes out those that nobody reads any more."""

    def __init__(
        self, stored: ImpactsTable, fragments: Sequence[Fragment], *, redo: frozenset[int]
    ) -> None:
        self._stored = stored
        self._present = {fragment.id for fragment in fragments}
        self._redo = redo

    @property
    def blocks(self) -> tuple[StoredBlock, ...]:
        """The blocks that stay."""
        gone = self._gone(self._stored)
        return tuple(block for block in self._stored.blocks if block.fragment not in gone)

    def commit(self, draft: Draft, covers: set[int], replaces: Sequence[int] = ()) -> None:
        """Commit blocks in place of others, unless another indexer was first."""

        def decide(snapshot: Table) -> Change | None:
            stored = ImpactsTable(snapshot)
            gone = self._gone(stored) | set(replaces)
            missing = set(replaces) - {block.fragment for block in stored.blocks}
            kept = [block for block in stored.blocks if block.fragment not in gone]
            if missing or any(covers.intersection(block.covers) for block in kept):
                return None
            return Change(add=draft, remove=tuple(gone))

        self._change(decide)

    def measure(self, width: int) -> None:
        """Measure what a search of all blocks finds, unless that was done of nearly all of them.

        Where every document was deleted there is nothing to find.
        """
        stored = self._stored
        valid = tuple(b for b in stored.blocks if b.is_valid(self._present))
        search = NearestDocuments(table=stored, blocks=valid)
        of = max(map(search.measured_part, stored.overall.values()), default=0.0)
        if not any(len(block.docs) for block in valid) or of >= MEASURED_PART:
            return
        draft = stored.write_overall(measured_overall(stored, valid, width))

        def decide(snapshot: Table) -> Change:
            return Change(add=draft, remove=tuple(ImpactsTable(snapshot).overall))

        self._change(decide)

    def finish(self) -> None:
        """Take out what is left of blocks that nobody reads."""

        def decide(snapshot: Table) -> Change | None:
            gone = self._gone(ImpactsTable(snapshot))
            return Change(remove=tuple(gone)) if gone else None

        self._change(decide)

    def _change(self, decide: Callable[[Table], Change | None]) -> None:
        self._stored = ImpactsTable(self._stored.table.commit(decide))

    def _gone(self, stored: ImpactsTable) -> set[int]:
        """Not those that cover codes which are newer than the snapshot."""
        newest = max(self._present, default=0)
        return {
            block.fragment
            for block in stored.blocks
            if block.fragment in self._redo
            or (not block.is_valid(self._present) and max(block.covers) <= newest)
        }
