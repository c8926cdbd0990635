"""Tiers of a segment where they lie in its file: of a long list only what is needed is read."""

from dataclasses import dataclass
from typing import Self

from saelake.store.format.schema import N_TIERS
from saelake.store.index.segments import FirstTiers, PostingBand, PostingsTable, Segment
from saelake.store.index.tiers import bands_in
from saelake.store.tables.cells import LocatedCells, cells_of
from saelake.store.tables.damage import damaged


@dataclass(frozen=True, slots=True)
class LocatedTiers:
    """The tiers of all features in one segment, whose `packed` are at `cells`."""

    postings: PostingsTable
    cells: LocatedCells

    @classmethod
    def of(cls, postings: PostingsTable, segment: Segment) -> Self | None:
        """None where the segment is of an earlier saelake, or not on a disk of this machine."""
        if not segment.is_packed:
            return None
        cells = cells_of(postings.table, segment.fragment, "packed")
        return None if cells is None else cls(postings, cells)

    @property
    def n_bytes(self) -> int:
        """The memory that they take."""
        return self.cells.n_bytes

    def bands(
        self, feature: int, tier: int, first_tiers: FirstTiers | None
    ) -> list[PostingBand] | None:
        """See `PostingsTable.read_bands`; None where Lance is to read them.

        Lists of first tiers are not read here, but taken from what is in memory.
        """
        cell = self.cells.find(feature * N_TIERS + tier)
        if cell is None or (tier == 0 and first_tiers is None):
            return None
        dtype = self.postings.dtype
        found = bands_in(cell, dtype)
        if first_tiers is None or tier > 0:
            return [PostingBand(dtype, None, band) for band in found]
        known = first_tiers.of(feature)
        if sum(band.n for band in found) != len(known):
            raise damaged(cell.uri, ValueError("packed postings are not as many"))
        return [PostingBand(dtype, known, band) for band in found]
