"""Blocks of kept activations: neighbouring rows that are read at once, in any order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from saelake.store.documents.filters import DocumentMask
from saelake.store.format.activations import NUMPY_TYPES, KeptSettings
from saelake.store.format.lists import Lists, concatenate, runs
from saelake.store.format.sampling import TokenSample
from saelake.store.tables.tables import Table, address

TOKEN_COLUMNS = ("doc", "positions", "token_ids", "vectors")
SCAN_ROWS = 65_536
BLOCK_BYTES = 2 << 20


@dataclass(frozen=True, slots=True, eq=False)
class TokenBlock:
    """Activations of `n` tokens, in the order of their documents and positions.

    `doc` uint64, `position` uint32 and `token_id` uint32 are (n,); `vectors` (n, d_in) float16,
    or the bits of bfloat16 as uint16.
    """

    doc: npt.NDArray[np.uint64]
    position: npt.NDArray[np.uint32]
    token_id: npt.NDArray[np.uint32]
    vectors: npt.NDArray[Any]

    @classmethod
    def of(cls, rows: pa.Table, settings: KeptSettings) -> "TokenBlock":
        """The tokens of rows of the table, with `TOKEN_COLUMNS`."""
        positions, dtype = Lists.of(rows["positions"]), NUMPY_TYPES[settings.dtype]
        flat = [np.asarray(chunk.flatten().flatten()) for chunk in rows["vectors"].chunks]
        return cls(
            doc=np.asarray(rows["doc"])[positions.rows],
            position=positions.values,
            token_id=Lists.of(rows["token_ids"]).values,
            vectors=concatenate(flat, dtype).reshape(-1, settings.d_in),
        )

    def __len__(self) -> int:
        return len(self.doc)

    @property
    def columns(self) -> tuple[npt.NDArray[Any], ...]:
        """`doc`, `position`, `token_id` and `vectors`."""
        return self.doc, self.position, self.token_id, self.vectors

    @classmethod
    def joined(cls, blocks: Sequence["TokenBlock"]) -> "TokenBlock":
        """The tokens of one or more blocks, one after the other."""
        columns = zip(*(block.columns for block in blocks), strict=True)
        return cls(*(np.concatenate(column) for column in columns))

    def __getitem__(self, span: slice) -> "TokenBlock":
        """Neighbouring tokens, without a copy."""
        return TokenBlock(*(column[span] for column in self.columns))

    def where(self, kept: npt.NDArray[np.bool_]) -> "TokenBlock":
        """The tokens that a mask (n,) keeps."""
        return self if kept.all() else TokenBlock(*(column[kept] for column in self.columns))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Blocks:
    """Rows of a table in blocks, as runs of neighbours.

    Run i is the `n_rows[i]` rows from address `first[i]`; block j has the runs `offsets[j]` to
    `offsets[j + 1]`. `n_tokens` counts what is stored in all, `largest` in one block.
    """

    first: npt.NDArray[np.uint64]
    n_rows: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    n_tokens: int
    largest: int

    @classmethod
    def plan(cls, table: Table, documents: DocumentMask | None, block_tokens: int) -> "Blocks":
        """The rows that have tokens, of the documents that a mask keeps, in table order.

        A block has at most `block_tokens` tokens more than its last row.
        """
        rows, tokens = _rows(table, documents)
        block = np.cumsum(tokens) // block_tokens
        heads = runs(block)
        starts = np.union1d(heads, runs(rows - np.arange(len(rows), dtype=np.uint64)))
        return cls(
            first=rows[starts],
            n_rows=np.diff(np.append(starts, len(rows))),
            offsets=np.append(np.searchsorted(starts, heads), len(starts)),
            n_tokens=int(tokens.sum()),
            largest=int(np.add.reduceat(tokens, heads).max()) if len(heads) else 0,
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def addresses(self, block: int) -> list[int]:
        """The addresses of a block's rows."""
        span = slice(self.offsets[block], self.offsets[block + 1])
        rows = zip(self.first[span].tolist(), self.n_rows[span].tolist(), strict=True)
        return [at for first, n in rows for at in range(first, first + n)]


def _rows(
    table: Table, documents: DocumentMask | None
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    """The addresses of rows with tokens, and how many tokens each has."""
    rows, tokens = [], []
    for at, batch in _addressed(table, ["doc", "n_tokens"]):
        n = np.asarray(batch["n_tokens"])
        kept = n > 0
        if documents is not None:
            kept &= documents[np.asarray(batch["doc"])]
        index = np.flatnonzero(kept)
        rows.append(index.astype(np.uint64) + np.uint64(at))
        tokens.append(n[index].astype(np.int64))
    return concatenate(rows, np.uint64), concatenate(tokens, np.int64)


def _addressed(table: Table, columns: list[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Batches in table order, each with the address of its first row."""
    for fragment in table.fragments:
        row = 0
        for batch in table.scan(columns, fragments=[fragment.id], batch_rows=SCAN_ROWS):
            yield address(fragment.id, row), batch
            row += batch.num_rows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BlockReader:
    """Blocks of one snapshot, and which of their tokens are wanted; it travels to a worker."""

    uri: str
    version: int
    settings: KeptSettings
    sample: TokenSample
    blocks: Blocks

    def open(self) -> Table:
        """The snapshot, in this process."""
        return Table.open(self.uri, version=self.version)

    def read(self, table: Table, block: int) -> TokenBlock:
        """The wanted tokens of a block."""
        rows = table.take_addresses(self.blocks.addresses(block), TOKEN_COLUMNS)
        tokens = TokenBlock.of(rows, self.settings)
        if self.sample == self.settings.sample:
            return tokens
        return tokens.where(self.sample.has(tokens.doc, tokens.position))
