"""Whether blocks of impacts agree with the codes that they were made from."""

from collections.abc import Iterator

import numpy as np

from saelake.store.codes.embeddings import Block, blocks
from saelake.store.codes.executor import Piece
from saelake.store.health.rows import UNREADABLE
from saelake.store.index.impact_blocks import ImpactsTable, StoredBlock
from saelake.store.index.levels import Levels, inverse_lengths
from saelake.store.requests.waited.progress import told
from saelake.store.requests.waited.stopping import wanted
from saelake.store.snapshot.collection import Collection


def wrong_blocks(collection: Collection) -> Iterator[StoredBlock]:
    """The valid blocks that differ from the codes; of two that cover the same the second too."""
    if collection.nearest is None:
        return
    seen: set[int] = set()
    stored_blocks = collection.nearest.blocks
    for stored in told("comparing impacts", wanted(stored_blocks), len(stored_blocks)):
        if not seen.isdisjoint(stored.covers) or not _agrees(collection, stored):
            yield stored
        seen.update(stored.covers)


def _agrees(collection: Collection, stored: StoredBlock) -> bool:
    codes = collection.codes
    block = Block.joined(list(blocks(Piece(codes, stored.covers))))
    if not np.array_equal(block.doc, stored.docs):
        return False
    table = collection.nearest.table if collection.nearest else None
    try:
        return table is not None and _same(table, stored, block, codes.settings.width)
    except (*UNREADABLE, IndexError):
        return False


def _same(table: ImpactsTable, stored: StoredBlock, block: Block, width: int) -> bool:
    """Whether its levels and embeddings are those of a block."""
    scales = inverse_lengths(block, width)
    expected = Levels.of(block, scales, width, sketched=stored.has_sketches)
    features, kept = stored.features, stored.features.kept
    if not np.array_equal(expected.features.kept, kept):
        return False
    found = table.levels(stored)
    table.read_levels(stored, found, kept)
    known = (
        (expected.data[: expected.size], found.data[: found.size]),
        (expected.typical, stored.typical),
        (scales, stored.scales),
        (expected.features.means, features.means),
        (expected.features.slopes, features.slopes),
        (expected.features.steps, features.steps),
        (expected.features.sketched, features.sketched),
    )
    if not all(np.array_equal(mine, other) for mine, other in known):
        return False
    first = 0
    for part in table.scanned(stored):
        last = first + len(part)
        sketches = table.sketches(stored, first, last)
        if not np.array_equal(sketches, expected.sketches[first:last]):
            return False
        if not _equal(part, block[np.arange(first, last)]):
            return False
        first = last
    return True


def _equal(a: Block, b: Block) -> bool:
    arrays = zip((a.offsets, a.features, a.values), (b.offsets, b.features, b.values), strict=True)
    return all(np.array_equal(mine, other) for mine, other in arrays)
