"""Feature frequencies: in how many documents of a selection each feature fires."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from saelake.store.codes.embeddings import Block
from saelake.store.documents.filters import DocumentMask
from saelake.store.format.lists import Array
from saelake.store.index.bitmaps import Bitmap
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

COUNTING = "counting documents"  # the stage, for who listens


@dataclass(frozen=True, slots=True)
class Count:
    """Counts the documents of a block, and those in which each feature fires above a value."""

    d_sae: int
    threshold: float = 0.0

    def __call__(self, block: Block) -> tuple[int, Array]:
        """How many documents, and how many for each feature int64 (d_sae,)."""
        fires = block.features[block.values > np.float32(self.threshold)]
        return len(block), np.bincount(fires, minlength=self.d_sae)


def counted(parts: Iterable[tuple[int, Array]], d_sae: int) -> tuple[int, Array]:
    """The sum of what `Count` found."""
    n, fires = 0, np.zeros(d_sae, np.int64)
    for n_part, fires_part in parts:
        n, fires = n + n_part, fires + fires_part
    return n, fires


@dataclass(frozen=True, slots=True)
class _InBitmap:
    """Counts the documents of a bitmap that a filter keeps, and each feature's."""

    mask: DocumentMask | None

    def __call__(self, bitmap: Bitmap) -> tuple[int, Array]:
        return bitmap.frequencies(self.mask)


def _added(some: tuple[int, Array], others: tuple[int, Array]) -> tuple[int, Array]:
    return some[0] + others[0], some[1] + others[1]


def frequencies(session: Session, selected: Selected) -> tuple[int, Array]:
    """How many documents a selection has, and in how many each feature fires, int64 (d_sae,)."""
    if selected.mask is not selected.whole.mask:
        return _frequencies(session, selected)
    return session.cache.kept(
        (selected.key, "frequencies"),
        lambda: _frequencies(session, selected),
        lambda found: found[1].nbytes,
    )


def _frequencies(session: Session, selected: Selected) -> tuple[int, Array]:
    bitmaps = session.embeddings.bitmaps(selected)
    if bitmaps is not None:
        found = bitmaps.map(_InBitmap(selected.mask), _added, stage=COUNTING)
        return counted(found, selected.width)
    count = Count(selected.width)
    parts = session.embeddings.map(selected, count, "binary", stage=COUNTING)
    return counted(parts, selected.width)
