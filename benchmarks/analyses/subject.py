"""What is asked about: a collection, the halves to compare, and its rows for those without it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.analyses.passages import Origin
from benchmarks.analyses.rows import Rows
from benchmarks.common.synthetic import SHELVES
from saelake.store.codes.embeddings import Block, blocks
from saelake.store.codes.executor import PIECE_ROWS, pieces
from saelake.store.documents.filters import DocumentMask, matching_documents
from saelake.store.format.lists import Array
from saelake.store.snapshot.collection import Collection


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """A metadata filter, and which documents it keeps (both None: all)."""

    name: str
    where: str | None = None
    mask: DocumentMask | None = None

    @property
    def share(self) -> float:
        """The part of the documents that it keeps."""
        return 1.0 if self.mask is None else float(self.mask.mean())


ALL = Filter(name="all")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A collection; `halves` are filters that split it, `shares` some by what they keep."""

    origin: Origin
    halves: tuple[str, str]
    shares: dict[str, str]

    @classmethod
    def of_passages(cls, origin: Origin) -> "Subject":
        """A collection that `make_passages` made, by its random columns."""
        shares = {"50 %": "half = 0", "1 %": f"shelf < {SHELVES // 100}"}
        return cls(origin=origin, halves=("half = 0", "half = 1"), shares=shares)

    @classmethod
    def of_real(cls, origin: Origin) -> "Subject":
        """Any collection, by the documents' numbers."""
        shares = {"50 %": "doc % 2 = 0", "1 %": "doc % 100 = 0"}
        return cls(origin=origin, halves=("doc % 2 = 0", "doc % 2 = 1"), shares=shares)

    @property
    def uri(self) -> str:
        """The lake."""
        return self.origin.lake.uri

    @property
    def name(self) -> str:
        """`corpus/dictionary`."""
        return str(self.origin.name)

    def filters(self) -> list[Filter]:
        """No filter, and those of `shares`."""
        documents = self.origin.open().documents.table
        return [ALL] + [
            Filter(name=name, where=where, mask=matching_documents(documents, where))
            for name, where in self.shares.items()
        ]

    def rows(self) -> Rows:
        """All documents' embeddings, by the largest value of each feature."""
        collection = self.origin.open()
        joined = Block.joined(
            [block for piece in pieces(collection.codes) for block in blocks(piece)]
        )
        first = matching_documents(collection.documents.table, self.halves[0])
        return Rows(
            docs=joined.doc,
            offsets=joined.offsets,
            features=joined.features,
            values=joined.values,
            half=first[joined.doc],
            d_sae=np.array(_d_sae(collection)),
        )


def _d_sae(collection: Collection) -> int:
    return collection.settings.d_sae


def as_blocks(rows: Rows) -> list[Block]:
    """The rows as the engine holds them, of the same memory."""
    return [_block(rows, first, first + PIECE_ROWS) for first in range(0, len(rows), PIECE_ROWS)]


def _block(rows: Rows, first: int, stop: int) -> Block:
    offsets: Array = rows.offsets[first : stop + 1]
    span = slice(offsets[0], offsets[-1])
    return Block(
        doc=rows.docs[first:stop],
        offsets=offsets - offsets[0],
        features=rows.features[span],
        values=rows.values[span],
    )


def documents_of(rows: Sequence[int], table: Rows) -> tuple[int, ...]:
    """The numbers of the documents in these rows."""
    return tuple(int(table.docs[row]) for row in rows)
