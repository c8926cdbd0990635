"""Activations to keep: the sampled tokens of a page, and their rows of the table.

This needs only torch, numpy and pyarrow, so that it also runs on a machine that has no storage.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch
from torch import Tensor

from saelake.store.format.activations import ARROW_TYPES, NUMPY_TYPES, KeptSettings, kept_schema
from saelake.store.format.lists import concatenate
from saelake.store.format.schema import MAX_PART_TOKENS
from saelake.workers.encoder.batches import Batch
from saelake.workers.encoder.hooks import HookPoint
from saelake.workers.encoder.pack import POSITION_BITS, Part

TORCH_TYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeptTokens:
    """Sampled tokens of a page.

    `row` int32 numbers the page's parts and `position` int64 the part's tokens, both (n,);
    `vectors` is (n, d_in) in the type that is stored, and `fits` bool (n,) says whether that
    type holds it.
    """

    row: npt.NDArray[np.int32]
    position: npt.NDArray[np.int64]
    vectors: Tensor
    fits: Tensor

    def to_host(self) -> "KeptTokens":
        """The tokens in pinned memory, where they are once the device has come so far."""
        return KeptTokens(
            row=self.row,
            position=self.position,
            vectors=self.vectors.to("cpu", non_blocking=True),
            fits=self.fits.to("cpu", non_blocking=True),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """Takes the sampled tokens at one hook point out of a run."""

    settings: KeptSettings
    hook: HookPoint

    def take(self, x: Tensor, batch: Batch, parts: Sequence[Part]) -> KeptTokens:
        """The sampled ones of a batch's activations `x` (n_kept, d_in); stays on their device."""
        docs = np.array([part.doc for part in parts], np.uint64)[batch.document]
        bases = np.array([part.part * MAX_PART_TOKENS for part in parts])[batch.document]
        chosen = np.flatnonzero(self.settings.sample.has(docs, bases + batch.position))
        kept = x[torch.from_numpy(chosen).to(x.device)]
        dtype = TORCH_TYPES[self.settings.dtype]
        return KeptTokens(
            row=batch.document[chosen],
            position=batch.position[chosen],
            vectors=kept.to(dtype),
            # Compared before the conversion, which makes infinities; a NaN is not less either.
            fits=kept.abs().amax(dim=1) <= torch.finfo(dtype).max,
        )

    def failures(self, parts: Sequence[Part], tokens: Sequence[KeptTokens]) -> dict[int, str]:
        """For each part with a token that the type does not hold, by its index, which one."""
        failed: dict[int, str] = {}
        for piece in tokens:
            for i in np.flatnonzero(~piece.fits.numpy()).tolist():
                row = int(piece.row[i])
                place = parts[row].part * MAX_PART_TOKENS + int(piece.position[i])
                failed.setdefault(
                    row,
                    f"the activation of token {place} is too large for {self.settings.dtype} or "
                    "not finite; keep activations as bfloat16, or run the model in float32",
                )
        return failed


def pack_kept(
    settings: KeptSettings,
    parts: Sequence[Part],
    tokens: Sequence[KeptTokens],
    failed: Mapping[int, str],
) -> pa.RecordBatch:
    """The rows of a page: one or more for each part, without the tokens of failed parts.

    `failed` has the reasons by the index of the part.
    """
    row = concatenate((t.row for t in tokens), np.int32).astype(np.int64)
    position = concatenate((t.position for t in tokens), np.int64)
    order = np.argsort(row << POSITION_BITS | position)
    order = order[~np.isin(row[order], list(failed))]
    row, position = row[order], position[order]
    counts = np.bincount(row, minlength=len(parts))
    rows = list(_rows(parts, counts, failed, settings))
    n_tokens = [r.n_tokens for r in rows]
    columns = {
        "doc": [parts[r.part].doc for r in rows],
        "part": [r.number for r in rows],
        "error": [failed.get(r.part) for r in rows],
        "n_tokens": n_tokens,
    }
    lists = {
        "positions": _positions(parts, row, position),
        "token_ids": _token_ids(parts, row, position),
        "vectors": _vectors(settings, tokens, order),
    }
    schema, offsets = kept_schema(settings), np.cumsum([0, *n_tokens])
    arrays = {n: pa.array(column, schema.field(n).type) for n, column in columns.items()}
    arrays |= {n: _listed(schema.field(n).type, offsets, v) for n, v in lists.items()}
    return pa.RecordBatch.from_arrays([arrays[name] for name in schema.names], schema=schema)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A row to be: the index of its part, its number in the document, and its tokens."""

    part: int
    number: int
    n_tokens: int


def _rows(
    parts: Sequence[Part],
    n_tokens: npt.NDArray[np.int64],
    failed: Mapping[int, str],
    settings: KeptSettings,
) -> Iterator[_Row]:
    """The rows of each part; without tokens a document's first part has one, and a failed one."""
    most = settings.row_tokens
    for index, (part, n) in enumerate(zip(parts, n_tokens.tolist(), strict=True)):
        n_rows = max(-(-n // most), int(part.part == 0 or index in failed))
        for i in range(n_rows):
            number = part.part * settings.rows_per_part + i
            yield _Row(part=index, number=number, n_tokens=min(most, n - i * most))


def _vectors(
    settings: KeptSettings, tokens: Sequence[KeptTokens], order: npt.NDArray[np.int64]
) -> pa.Array:
    """The vectors in an order of all tokens, as fixed-size lists."""
    empty = torch.empty((0, settings.d_in), dtype=TORCH_TYPES[settings.dtype])
    joined = torch.cat([empty, *(t.vectors for t in tokens)])[torch.from_numpy(order)]
    bits = joined.view(torch.int16).numpy().view(NUMPY_TYPES[settings.dtype])
    values = pa.array(bits.reshape(-1), ARROW_TYPES[settings.dtype])
    return pa.FixedSizeListArray.from_arrays(values, settings.d_in)


def _positions(
    parts: Sequence[Part], row: npt.NDArray[np.int64], position: npt.NDArray[np.int64]
) -> pa.Array:
    bases = np.array([part.part * MAX_PART_TOKENS for part in parts], np.int64)
    return pa.array(bases[row] + position, pa.uint32())


def _token_ids(
    parts: Sequence[Part], row: npt.NDArray[np.int64], position: npt.NDArray[np.int64]
) -> pa.Array:
    starts = np.cumsum([0, *(len(part.token_ids) for part in parts)])
    ids = concatenate((part.token_ids for part in parts), np.int32)
    return pa.array(ids[starts[row] + position], pa.uint32())


def _listed(type_: pa.DataType, offsets: npt.NDArray[np.int64], values: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, type=type_)
