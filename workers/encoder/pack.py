"""Codes of many documents, packed into rows of the codes table."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from saelake.store.format.checksums import CHECKSUM, SUMMED, checksums
from saelake.store.format.lists import Lists, concatenate, runs
from saelake.store.format.schema import MAX_PART_TOKENS
from saelake.store.format.values import ValueCodec

POSITION_BITS = 16
FEATURE_BITS = 24  # d_sae up to 16.7 million


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The tokens of one row: a document, or a numbered part of one over 65,535 tokens.

    `token_ids` int32, `starts` uint32 and `lengths` uint16, all (n_tokens,); `error` says why
    the document has no codes.
    """

    doc: int
    part: int = 0
    token_ids: npt.NDArray[np.int32]
    starts: npt.NDArray[np.uint32]
    lengths: npt.NDArray[np.uint16]
    error: str | None = None

    def __post_init__(self) -> None:
        if len(self.token_ids) > MAX_PART_TOKENS:
            raise ValueError(f"a part has at most {MAX_PART_TOKENS} tokens")


@dataclass(frozen=True, slots=True)
class PageCodes:
    """Non-zero codes of one page of parts, in any order.

    `row` int32 numbers the page's parts, `position` int32 the part's tokens, `feature` int32,
    `value` float32: all (nnz,).
    """

    row: npt.NDArray[np.int32]
    position: npt.NDArray[np.int32]
    feature: npt.NDArray[np.int32]
    value: npt.NDArray[np.float32]

    @classmethod
    def joined(cls, pieces: Sequence["PageCodes"]) -> "PageCodes":
        """The codes of several batches of one page."""
        return cls(
            concatenate((p.row for p in pieces), np.int32),
            concatenate((p.position for p in pieces), np.int32),
            concatenate((p.feature for p in pieces), np.int32),
            concatenate((p.value for p in pieces), np.float32),
        )


def pack(
    parts: Sequence[Part], codes: PageCodes, *, schema: pa.Schema, codec: ValueCodec
) -> pa.RecordBatch:
    """One row of the codes table for each part, in the order of `parts`.

    Raises `ValueOverflow` when a value cannot be stored.
    """
    key, values = _sort_key(codes), codec.encode(codes.value)
    if (key[1:] < key[:-1]).any():  # an accelerator sorts them itself
        order = np.argsort(key)
        key, values = key[order], values[order]
    starts = runs(key >> POSITION_BITS)
    heads = key[starts] >> POSITION_BITS
    n_groups = np.diff(np.append(starts, len(key)))
    n_rows = len(parts)
    feature_offsets = np.searchsorted(heads >> FEATURE_BITS, np.arange(n_rows + 1))
    code_offsets = np.append(starts, len(key))[feature_offsets]
    columns = {
        "features": Lists(feature_offsets, heads & ((1 << FEATURE_BITS) - 1)),
        "max": Lists(feature_offsets, _group_maxima(values, starts)),
        "counts": Lists(feature_offsets, n_groups),
        "positions": Lists(code_offsets, key & ((1 << POSITION_BITS) - 1)),
        "values": Lists(code_offsets, values),
        **_token_lists(parts),
    }
    arrays = {
        "doc": pa.array([p.doc for p in parts], pa.uint64()),
        "part": pa.array([p.part for p in parts], pa.uint16()),
        "error": pa.array([p.error for p in parts], pa.string()),
        **{name: _column(lists, schema.field(name).type) for name, lists in columns.items()},
    }
    lists = pa.RecordBatch.from_pydict({name: arrays[name] for name in SUMMED})
    arrays[CHECKSUM] = pa.array(checksums(lists), pa.uint32())
    return pa.RecordBatch.from_arrays([arrays[name] for name in schema.names], schema=schema)


def _sort_key(codes: PageCodes) -> npt.NDArray[np.int64]:
    row = codes.row.astype(np.int64) << (FEATURE_BITS + POSITION_BITS)
    return row | (codes.feature.astype(np.int64) << POSITION_BITS) | codes.position


def _group_maxima(
    values: npt.NDArray[np.generic], starts: npt.NDArray[np.int64]
) -> npt.NDArray[np.generic]:
    return np.maximum.reduceat(values, starts) if len(starts) else values


def _token_lists(parts: Sequence[Part]) -> dict[str, Lists]:
    offsets = np.cumsum([0, *(len(p.token_ids) for p in parts)])
    return {
        "token_ids": Lists(offsets, concatenate((p.token_ids for p in parts), np.int32)),
        "token_starts": Lists(offsets, concatenate((p.starts for p in parts), np.uint32)),
        "token_lengths": Lists(offsets, concatenate((p.lengths for p in parts), np.uint16)),
    }


def _column(lists: Lists, type_: pa.DataType) -> pa.ListArray:
    return Lists(lists.offsets, lists.values.astype(type_.value_type.to_pandas_dtype())).to_arrow(
        type_
    )
