"""Blocks of impacts that are searched by who owns them, which keeps the levels that it read."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from saelake.store.codes.embeddings import Block
from saelake.store.codes.executor import Executor, Owners
from saelake.store.format.lists import Array
from saelake.store.index.impact_blocks import ImpactsTable, StoredBlock
from saelake.store.index.levels import Levels
from saelake.store.index.nearest import (
    Estimate,
    Estimated,
    NearestDocuments,
    best_of,
    n_candidates,
)
from saelake.store.tables.tables import Table

LEAST_BLOCKS = 4  # of fewer the nearest are found sooner than others are asked


@dataclass(frozen=True, slots=True)
class BlockPiece:
    """Which block, of which snapshot of impacts."""

    impacts: Table
    fragment: int

    @property
    def place(self) -> Hashable:
        """See `Placed`."""
        return self.impacts.uri, self.fragment

    @property
    def contents(self) -> Hashable:
        """See `Placed`."""
        return self.impacts.uri, self.impacts.file_of(self.fragment)


@dataclass(frozen=True, slots=True)
class OwnedBlock:
    """A block with the levels that were read of it so far."""

    table: ImpactsTable
    block: StoredBlock
    levels: Levels

    @property
    def n_bytes(self) -> int:
        """The memory that it takes, once all levels were read."""
        return self.block.features.n_bytes + 2 * self.block.docs.nbytes


@dataclass(frozen=True, slots=True)
class AsLevels:
    """Opens a block; what it is kept by."""

    def __call__(self, piece: BlockPiece) -> Iterator[OwnedBlock]:
        """The block, without levels yet."""
        table = ImpactsTable(piece.impacts)
        (fragment,) = (f for f in piece.impacts.fragments if f.id == piece.fragment)
        (block,) = table.described([fragment])
        yield OwnedBlock(table, block, Levels(block.features))


@dataclass(frozen=True, slots=True)
class BlockSearch:
    """The search of one block for the `room` largest estimates, within a budget of columns."""

    query: Array
    budget: float
    room: int
    mask: Array | None

    def __call__(self, owned: OwnedBlock) -> tuple[Array, Array]:
        """The rows and their estimates."""
        chosen = owned.block.features.chosen(self.query, self.budget)
        owned.table.read_levels([(owned.block, owned.levels, chosen)])
        task = Estimate(owned.block, owned.levels, chosen, self.query, self.room, self.mask)
        found = task.estimated()
        return found.rows, found.estimates


def owners_of_blocks(executor: Executor, nearest: NearestDocuments) -> Owners | None:
    """Who searches these blocks, if it is not this process."""
    if isinstance(executor, Owners) and len(nearest.blocks) >= LEAST_BLOCKS:
        return executor
    return None


def nearest_by_owners(
    owners: Owners, nearest: NearestDocuments, query: Array, k: int, mask: Array | None
) -> Block:
    """What `NearestDocuments.nearest` gives."""
    room = n_candidates(nearest.n_documents, k)
    search = BlockSearch(query, nearest.budget or 0, room, mask)
    found = owners.map_parts(AsLevels(), search, _pieces(nearest))
    estimated = (part for parts in found for part in parts)
    each = zip(nearest.blocks, estimated, strict=True)
    best = best_of([Estimated(block, *rows) for block, rows in each], room)
    return nearest.table.taken(best)


@lru_cache(4)  # so that questions have the same list, which is sent once
def _pieces(nearest: NearestDocuments) -> tuple[BlockPiece, ...]:
    return tuple(BlockPiece(nearest.table.table, block.fragment) for block in nearest.blocks)
