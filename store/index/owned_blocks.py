"""Blocks of impacts that are searched by who owns them, which keeps the levels that it read."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from saelake.store.codes.embeddings import Block
from saelake.store.codes.executor import Executor, Owners, as_owners
from saelake.store.format.lists import Array
from saelake.store.index.impact_blocks import ImpactsTable, StoredBlock
from saelake.store.index.levels import Levels
from saelake.store.index.nearest import (
    EVERYTHING,
    Estimate,
    Estimated,
    Mapper,
    NearestDocuments,
    Search,
    best_of,
    kept_rows,
    least_step,
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
        return self.levels.n_bytes + self.block.n_bytes


@dataclass(frozen=True, slots=True)
class AsLevels:
    """Opens a block; what it is kept by."""

    def __call__(self, piece: BlockPiece) -> Iterator[OwnedBlock]:
        """The block, without levels yet."""
        table = ImpactsTable(piece.impacts)
        (fragment,) = (f for f in piece.impacts.fragments if f.id == piece.fragment)
        (block,) = table.described([fragment])
        assert isinstance(block, StoredBlock)
        yield OwnedBlock(table, block, table.levels(block))


@dataclass(frozen=True, slots=True)
class BlockSearch:
    """The search of one block for the `room` largest estimates."""

    search: Search
    room: int
    mask: Array | None

    def __call__(self, owned: OwnedBlock) -> tuple[Array, Array, Array]:
        """Rows that may be among the best of all, their estimates, and the counts by step."""
        keep = kept_rows(owned.block, self.mask)
        found = Estimate(self.search, owned.table, owned.block, owned.levels, keep).estimated()
        best = found.best_from(least_step(found.counts, self.room))
        rows = best if found.rows is None else found.rows[best]
        return rows, found.estimates[best], found.counts


def owners_of_blocks(executor: Executor, nearest: NearestDocuments) -> Owners | None:
    """Who searches these blocks, if it is not this process."""
    return as_owners(executor) if len(nearest.blocks) >= LEAST_BLOCKS else None


def nearest_by_owners(
    owners: Owners,
    nearest: NearestDocuments,
    query: Array,
    k: int,
    mask: Array | None,
    spread: Mapper,
) -> Block:
    """What `NearestDocuments.nearest` gives."""
    if nearest.is_few(k, mask):
        return nearest.nearest(query, k, mask, spread)
    unit = (query / np.linalg.norm(query)).astype(np.float32)
    room = nearest.room(k)
    search = BlockSearch(nearest.search(unit, k), room, mask)
    found = owners.map_parts(AsLevels(), search, _pieces(nearest))
    answers = (answer for parts in found for answer in parts)
    estimated = [
        Estimated(block, estimates, EVERYTHING, counts, rows)
        for block, (rows, estimates, counts) in zip(nearest.blocks, answers, strict=True)
    ]
    return nearest.best_among(best_of(estimated, room), unit, k, spread)


@lru_cache(4)  # so that questions have the same list, which is sent once
def _pieces(nearest: NearestDocuments) -> tuple[BlockPiece, ...]:
    return tuple(BlockPiece(nearest.table.table, block.fragment) for block in nearest.blocks)
