"""Pages of kept activations together with their documents' tokens, which the codes have."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from saelake.store.activations.blocks import TOKEN_COLUMNS, TokenBlock
from saelake.store.activations.table import ActivationsTable
from saelake.store.codes.table import CodesTable
from saelake.store.format.lists import Lists, runs
from saelake.store.format.schema import MAX_PART_TOKENS
from saelake.workers.encoder.keep import TORCH_TYPES
from saelake.workers.encoder.pack import Part
from saelake.workers.kept.ranges import Range, intersection

TOKEN_LISTS = ("token_ids", "token_starts", "token_lengths")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StoredPage:
    """Parts of documents, and the activations that are kept of them.

    `vectors` (n, d_in) float16 or bfloat16 are of the tokens at `position` int64 of part `row`
    int32, both (n,). `failed` says of parts, by their index, why they have none.
    """

    parts: tuple[Part, ...]
    vectors: torch.Tensor
    row: npt.NDArray[np.int32]
    position: npt.NDArray[np.int64]
    failed: dict[int, str]


class StoredTokens:
    """A collection's tokens and kept activations, of the documents that have both."""

    def __init__(self, codes: CodesTable, kept: ActivationsTable) -> None:
        self._codes = codes
        self._kept = kept

    def ranges(self) -> list[Range]:
        """The documents that have both, as half-open ranges, ascending."""
        return intersection(self._codes.locations.ranges(), self._kept.locations.ranges())

    def pages(self, start: int, stop: int, page_tokens: int) -> Iterator[StoredPage]:
        """The documents [start, stop) in order, by about `page_tokens` kept tokens at a time."""
        docs = np.arange(start, stop, dtype=np.uint64)
        for span in self._spans(docs, page_tokens):
            yield self._page(docs[span])

    def _spans(self, docs: npt.NDArray[np.uint64], page_tokens: int) -> Iterator[slice]:
        found = self._kept.locations.find(docs)
        rows = self._kept.table.take_addresses([at for _, at in found], ["n_tokens"])
        kept = np.zeros(len(docs), np.int64)
        np.add.at(kept, [index for index, _ in found], np.asarray(rows["n_tokens"], np.int64))
        # A document without kept tokens has others, which are read too.
        starts = runs(np.cumsum(kept + 1) // page_tokens)
        bounds = np.append(starts, len(docs)).tolist()
        yield from map(slice, bounds[:-1], bounds[1:])

    def _page(self, docs: npt.NDArray[np.uint64]) -> StoredPage:
        parts = self._parts(docs)
        first = {part.doc: index for index, part in reversed(list(enumerate(parts)))}
        addresses = [at for _, at in self._kept.locations.find(docs)]
        columns = [*TOKEN_COLUMNS, "part", "error"]
        rows = self._kept.table.take_addresses(addresses, columns)
        tokens = TokenBlock.of(rows, self._kept.settings)
        heads = np.array([first[doc] for doc in tokens.doc.tolist()], np.int32)
        dtype = TORCH_TYPES[self._kept.settings.dtype]
        return StoredPage(
            parts=parts,
            vectors=torch.from_numpy(tokens.vectors.view(np.int16)).view(dtype),
            row=heads + (tokens.position // MAX_PART_TOKENS).astype(np.int32),
            position=(tokens.position % MAX_PART_TOKENS).astype(np.int64),
            failed=self._failed(rows, first),
        )

    def _failed(self, rows: pa.Table, first: dict[int, int]) -> dict[int, str]:
        per_part = self._kept.settings.rows_per_part
        columns = (rows[name].to_pylist() for name in ("doc", "part", "error"))
        return {
            first[doc] + number // per_part: error
            for doc, number, error in zip(*columns, strict=True)
            if error is not None
        }

    def _parts(self, docs: npt.NDArray[np.uint64]) -> tuple[Part, ...]:
        index, rows = self._codes.take(docs, TOKEN_LISTS)
        ids, starts, lengths = (Lists.of(rows[name]) for name in TOKEN_LISTS)
        return tuple(
            Part(
                doc=int(docs[i]),
                part=number,
                token_ids=ids[row].astype(np.int32),
                starts=starts[row],
                lengths=lengths[row],
            )
            for row, (i, number) in enumerate(zip(index, rows["part"].to_pylist(), strict=True))
        )
