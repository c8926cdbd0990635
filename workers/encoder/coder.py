"""Activations to rows of codes: one dictionary's part of encoding, whatever gives the activations.

This needs only torch, numpy and pyarrow, so that it also runs on a machine that has no storage.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from saelake.store.errors import SaelakeError, ValueOverflow
from saelake.store.format.schema import MAX_PART_TOKENS, CollectionSettings, codes_schema
from saelake.workers.dictionaries.base import LoadedDictionary, not_finite
from saelake.workers.encoder.device_codes import DeviceCodes
from saelake.workers.encoder.options import OnError
from saelake.workers.encoder.pack import PageCodes, Part, pack


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coder:
    """Encodes for one collection, a page of parts at a time.

    A part with a value that is not finite or too large to store has no codes and a reason, which
    is put into `failed` by the part's index; with `on_error` "fail" it raises `ValueOverflow`.
    `chunk_bytes` bounds dense codes.
    """

    settings: CollectionSettings
    dictionary: LoadedDictionary
    chunk_bytes: int
    on_error: OnError = "skip"

    def codes(
        self,
        x: torch.Tensor,
        row: npt.NDArray[np.int32],
        position: npt.NDArray[np.int64],
        parts: Sequence[Part],
        failed: dict[int, str],
    ) -> DeviceCodes:
        """The codes of activations `x` (n_tokens, d_in).

        `row` numbers `parts` and `position` the part's tokens, both (n_tokens,).
        """
        while True:
            try:
                codes = self.dictionary.encode(x, chunk_bytes=self.chunk_bytes)
            except ValueOverflow as error:
                token = int(error.data["token"])
                bad = int(row[token])
                place = parts[bad].part * MAX_PART_TOKENS + int(position[token])
                fail(parts, bad, not_finite(error.data["what"], place), failed, self.on_error)
                kept = np.flatnonzero(row != bad)
                row, position = row[kept], position[kept]
                x = x[torch.from_numpy(kept).to(x.device)]
                continue
            found = DeviceCodes.of(codes, row, position)
            return found.by_pole(self.settings.d_sae) if self.settings.by_pole else found

    def pack(
        self, parts: Sequence[Part], codes: PageCodes, failed: Mapping[int, str]
    ) -> pa.RecordBatch:
        """The rows of a page, without the codes of parts that failed before or fail now."""
        failed = dict(failed)
        codes = without(codes, failed)
        schema = codes_schema(self.settings)
        while True:
            rows = [replace(p, error=failed.get(i)) for i, p in enumerate(parts)]
            try:
                return pack(rows, codes, schema=schema, codec=self.settings.codec)
            except ValueOverflow as error:
                bad = int(codes.row[int(error.data["index"])])
                fail(parts, bad, error, failed, self.on_error)
                codes = without(codes, failed)


def fail(
    parts: Sequence[Part],
    index: int,
    error: SaelakeError,
    failed: dict[int, str],
    on_error: OnError,
) -> None:
    """Take note that a part cannot be encoded, or raise why."""
    if on_error == "fail":
        doc = parts[index].doc
        raise type(error)(f"Document {doc}: {error.message}", doc=doc) from error
    failed[index] = error.message


def without(codes: PageCodes, failed: Mapping[int, str]) -> PageCodes:
    """The codes of the parts that did not fail."""
    if not failed:
        return codes
    kept: npt.NDArray[np.bool_] = ~np.isin(codes.row, list(failed))
    return PageCodes(codes.row[kept], codes.position[kept], codes.feature[kept], codes.value[kept])
