"""Pages to codes: one forward run for all dictionaries, packed for the codes table.

This needs only torch, transformers, numpy and pyarrow, so that it also runs on a machine that
has no storage.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import torch

from saelake.store.errors import DictionaryMismatch, ValueOverflow
from saelake.store.schema import MAX_PART_TOKENS, CollectionSettings, codes_schema
from saelake.workers.activations import ActivationReader
from saelake.workers.batches import Batch, batches
from saelake.workers.device_codes import DeviceCodes
from saelake.workers.dictionaries.base import Dictionary, not_finite
from saelake.workers.health import Health
from saelake.workers.hooks import HookPoint
from saelake.workers.models import Model
from saelake.workers.pack import Activations, Part, pack
from saelake.workers.pages import Page

OnError = Literal["skip", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """A collection to be made: its settings, the dictionary, and where its activations are."""

    settings: CollectionSettings
    dictionary: Dictionary
    hook: HookPoint


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EncodedPage:
    """The codes of a page for each collection, not packed yet; and what could not be encoded.

    `codes` are in the host's memory once `ready`, if there is such an event, has happened; a
    collection's are None where the page has no tokens. `failed` has, for a part's index, the
    reason; such a part's codes are left out when they are packed.
    """

    parts: tuple[Part, ...]
    codes: Mapping[str, DeviceCodes | None]
    failed: Mapping[str, Mapping[int, str]]
    ready: torch.cuda.Event | None = None

    def activations(self, name: str) -> Activations:
        """The codes of a collection, when they are there, without those of failed parts."""
        if self.ready is not None:
            self.ready.synchronize()
        codes = self.codes[name]
        found = codes.to_numpy() if codes is not None else Activations.joined([])
        return _without(found, self.failed[name])


class Encoder:
    """Encodes pages for several collections of one model."""

    def __init__(
        self,
        model: Model,
        targets: Sequence[Target],
        *,
        batch_tokens: int,
        chunk_bytes: int,
        on_error: OnError = "skip",
    ) -> None:
        self.targets = {target.settings.name: target for target in targets}
        self._reader = ActivationReader(model, [target.hook for target in targets])
        self.batch_tokens = batch_tokens
        self._chunk_bytes = chunk_bytes
        self._on_error = on_error
        dtype = str(model.dtype).removeprefix("torch.")
        self._health = {name: Health(model=model.name, dtype=dtype) for name in self.targets}
        self._check_widths(model)

    def _check_widths(self, model: Model) -> None:
        widths = self._reader.widths()
        for target in self.targets.values():
            width, d_in = widths[target.hook.name], target.dictionary.d_in
            if width != d_in:
                raise DictionaryMismatch(
                    f"The dictionary {target.settings.dictionary} encodes {d_in} numbers a token, "
                    f"but {target.hook.name} of {model.name} has {width}. Choose a dictionary of "
                    "this model, or another hook point with --hook.",
                    dictionary=target.settings.dictionary,
                    d_in=d_in,
                    hook=target.hook.name,
                    width=width,
                )

    def encode(self, page: Page, names: Sequence[str]) -> EncodedPage:
        """The page's codes for the collections of these names, from one run of the model.

        A part with a value that is not finite has no codes and a reason; with `on_error` "fail"
        it raises `ValueOverflow` instead. On an accelerator the page is sorted there and on its
        way to the host when this returns. Raises `ModelError` when no document has finite values.
        """
        found: dict[str, list[DeviceCodes]] = {name: [] for name in names}
        failed: dict[str, dict[int, str]] = {name: {} for name in names}
        for batch in batches(page.windows, self.batch_tokens):
            activations = self._reader(batch)
            for name in names:
                target = self.targets[name]
                x = activations[target.hook.name]
                found[name].append(self._batch_codes(target, x, batch, page, failed[name]))
        n_parts = sum(len(part.token_ids) > 0 for part in page.parts)
        for name, reasons in failed.items():
            n_encoded = n_parts - len(reasons)
            self._health[name].add(n_encoded=n_encoded, failed=list(reasons.values()))
        codes = {name: DeviceCodes.joined(pieces) for name, pieces in found.items()}
        return _sent(EncodedPage(parts=page.parts, codes=codes, failed=failed))

    def _batch_codes(
        self, target: Target, x: torch.Tensor, batch: Batch, page: Page, failed: dict[int, str]
    ) -> DeviceCodes:
        row, position = batch.document, batch.position
        while True:
            try:
                codes = target.dictionary.encode(x, chunk_bytes=self._chunk_bytes)
            except ValueOverflow as error:
                token = int(error.data["token"])
                bad = int(row[token])
                place = page.parts[bad].part * MAX_PART_TOKENS + int(position[token])
                reason = not_finite(error.data["what"], place)
                self._fail(page.parts[bad], bad, reason, failed)
                kept = np.flatnonzero(row != bad)
                row, position = row[kept], position[kept]
                x = x[torch.from_numpy(kept).to(x.device)]
                continue
            return DeviceCodes.of(codes, row, position)

    def _fail(self, part: Part, row: int, error: ValueOverflow, failed: dict[int, str]) -> None:
        if self._on_error == "fail":
            raise ValueOverflow(f"Document {part.doc}: {error.message}", doc=part.doc) from error
        failed[row] = error.message

    def pack(self, page: EncodedPage, name: str) -> pa.RecordBatch:
        """The page as rows of the collection's codes table."""
        settings = self.targets[name].settings
        codes, failed = page.activations(name), dict(page.failed[name])
        schema = codes_schema(settings)
        while True:
            parts = [replace(p, error=failed.get(i)) for i, p in enumerate(page.parts)]
            try:
                return pack(parts, codes, schema=schema, codec=settings.codec)
            except ValueOverflow as error:
                bad = int(codes.row[int(error.data["index"])])
                self._fail(page.parts[bad], bad, error, failed)
                codes = _without(codes, failed)


def _sent(page: EncodedPage) -> EncodedPage:
    """The page with its codes sorted on the accelerator that they are on, and sent to the host."""
    on_device = [c for c in page.codes.values() if c is not None and c.value.is_cuda]
    if not on_device:
        return page
    sent = {name: codes and codes.sorted().to_host() for name, codes in page.codes.items()}
    ready: torch.cuda.Event = torch.cuda.Event()  # type: ignore[no-untyped-call]
    ready.record(torch.cuda.current_stream(on_device[0].value.device))
    return replace(page, codes=sent, ready=ready)


def _without(codes: Activations, failed: Mapping[int, str]) -> Activations:
    """The codes of the parts that did not fail."""
    if not failed:
        return codes
    kept: npt.NDArray[np.bool_] = ~np.isin(codes.row, list(failed))
    return Activations(
        codes.row[kept], codes.position[kept], codes.feature[kept], codes.value[kept]
    )
