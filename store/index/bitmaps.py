"""In which documents each feature fires, one bit for each.

Where a feature fires in more than one of 32 documents, its bits are smaller than the numbers of
its documents, and what two features share is one instruction for 64 documents.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from saelake.store.codes.embeddings import Block, blocks
from saelake.store.codes.executor import Piece
from saelake.store.documents.filters import DocumentMask
from saelake.store.format.lists import Array

WORD_BITS = 64
BITMAP_ROWS = 16_384  # documents of one bitmap: a tile of its rows stays in a core's cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Bitmap:
    """The documents of a block by feature: bit i of row f is 1 where f fires in `doc[i]`.

    `doc` is uint64 (n_documents,), `bits` uint64 (width, n_words), 64 documents a word, the first
    the lowest bit.
    """

    doc: Array
    bits: Array

    @classmethod
    def of(cls, block: Block, width: int) -> "Bitmap":
        """The bits of a block with pooling `binary`."""
        from saelake.store.arrays import kernels  # not every process that has a session needs numba

        bits = np.zeros((width, n_words(len(block))), np.uint64)
        kernels.set_bits(block.offsets, block.features, bits)
        return cls(doc=block.doc, bits=bits)

    @property
    def n_bytes(self) -> int:
        """The memory that it takes."""
        return self.doc.nbytes + self.bits.nbytes

    def frequencies(self, mask: DocumentMask | None) -> tuple[int, Array]:
        """How many documents a filter keeps, and each feature's number of them, int64 (width,)."""
        from saelake.store.arrays import kernels

        counts = np.zeros(len(self.bits), np.int64)
        kernels.count_bits(self.bits, self._kept(mask), counts)
        return len(self.doc) if mask is None else int(mask[self.doc].sum()), counts

    def of_features(self, features: Array, mask: DocumentMask | None) -> Array:
        """The bits of these features, 0 where a filter drops a document, (n_features, n_words)."""
        chosen: Array = self.bits[features]
        if mask is not None:
            chosen &= self._kept(mask)
        return chosen

    def _kept(self, mask: DocumentMask | None) -> Array:
        """The bits of the documents that a filter keeps, uint64 (n_words,)."""
        keep = np.zeros(self.bits.shape[1] * WORD_BITS, np.bool_)
        keep[: len(self.doc)] = True if mask is None else mask[self.doc]
        return np.packbits(keep, bitorder="little").view(np.uint64)


@dataclass(frozen=True, slots=True)
class AsBitmaps:
    """Makes bitmaps of a piece, or None where they would be larger than the features' numbers."""

    width: int

    def __call__(self, piece: Piece) -> Iterator[Bitmap | None]:
        """The bitmaps of the piece's blocks, each of about `BITMAP_ROWS` documents.

        They end with None where one would be larger.
        """
        for block in blocks(piece, "binary", BITMAP_ROWS):
            if 8 * self.width * n_words(len(block)) > block.features.nbytes:
                yield None
                return
            yield Bitmap.of(block, self.width)


def n_words(n_documents: int) -> int:
    """How many words hold a bit for each document."""
    return -(-n_documents // WORD_BITS)
