"""Pages to codes: one forward run for all dictionaries, packed for the codes table.

This needs only torch, transformers, numpy and pyarrow, so that it also runs on a machine that
has no storage.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import torch

from saelake.store.errors import DictionaryMismatch, ModelError, ValueOverflow
from saelake.store.format.activations import KeptSettings
from saelake.store.format.schema import CollectionSettings
from saelake.workers.dictionaries.base import LoadedDictionary
from saelake.workers.encoder.batches import Batch, Window, alone, batches
from saelake.workers.encoder.coder import Coder, fail
from saelake.workers.encoder.device_codes import DeviceCodes
from saelake.workers.encoder.health import Health
from saelake.workers.encoder.hooks import HookPoint
from saelake.workers.encoder.keep import Keeper, KeptTokens, pack_kept
from saelake.workers.encoder.models import Model
from saelake.workers.encoder.options import OnError
from saelake.workers.encoder.pack import PageCodes, Part
from saelake.workers.encoder.pages import Page
from saelake.workers.encoder.reader import ActivationReader, Reads


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """A collection to be made: its settings, the dictionary, and where its activations are.

    `notes` are what a user must be told of it.
    """

    settings: CollectionSettings
    dictionary: LoadedDictionary
    hook: HookPoint
    notes: tuple[str, ...] = ()


def misfit(settings: CollectionSettings, hook: str, width: int) -> DictionaryMismatch:
    """The error of a dictionary for vectors of another width than a hook point has."""
    return DictionaryMismatch(
        f"The dictionary {settings.dictionary} encodes {settings.d_in} numbers a token, but {hook} "
        f"of {settings.model} has {width}. Choose a dictionary of this model, or another hook "
        "point with --hook.",
        dictionary=settings.dictionary,
        d_in=settings.d_in,
        hook=hook,
        width=width,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EncodedPage:
    """The codes of a page for each collection, not packed yet; and what could not be encoded.

    `codes` are in the host's memory once all of `ready` have happened, one for each device; a
    collection's are None where the page has no tokens. `failed` has for each name, by a part's
    index, the reason; such a part's codes are left out when they are packed. `kept` has the
    activations that each keeper takes, in the host's memory at the same time as the codes.
    """

    parts: tuple[Part, ...]
    codes: Mapping[str, DeviceCodes | None]
    failed: Mapping[str, Mapping[int, str]]
    kept: Mapping[str, Sequence[KeptTokens]] = field(default_factory=dict)
    ready: Sequence[torch.cuda.Event] = ()

    def arrived(self) -> None:
        """Wait until everything is in the host's memory."""
        for event in self.ready:
            event.synchronize()

    def codes_of(self, name: str) -> PageCodes:
        """The codes of a collection, when they are there."""
        self.arrived()
        codes = self.codes[name]
        return codes.to_numpy() if codes is not None else PageCodes.joined([])


class PageEncoder:
    """Encodes pages for several collections of one model, and keeps activations of the same run."""

    def __init__(
        self,
        model: Model,
        targets: Sequence[Target],
        *,
        batch_tokens: int,
        chunk_bytes: int,
        keepers: Sequence[Keeper] = (),
        on_error: OnError = "skip",
        batch_invariant: bool = False,
        reads: Callable[[Model, Sequence[HookPoint]], Reads] = ActivationReader,
    ) -> None:
        self.targets = {target.settings.name: target for target in targets}
        self.keepers = {keeper.settings.name: keeper for keeper in keepers}
        self._reader = reads(model, [target.hook for target in targets])
        self.batch_tokens = batch_tokens
        self._batch_invariant = batch_invariant
        self._on_error: OnError = on_error
        dtype = str(model.dtype).removeprefix("torch.")
        self._health = {name: Health(model=model.name, dtype=dtype) for name in self.targets}
        self._coders = {
            name: Coder(
                settings=target.settings,
                dictionary=target.dictionary,
                chunk_bytes=chunk_bytes,
                on_error=on_error,
            )
            for name, target in self.targets.items()
        }
        self._check_widths()

    @property
    def settings(self) -> tuple[CollectionSettings | KeptSettings, ...]:
        """The settings of all tables that it makes rows for; kept activations come first."""
        kept = (keeper.settings for keeper in self.keepers.values())
        return *kept, *(target.settings for target in self.targets.values())

    @property
    def kept_token_bytes(self) -> int:
        """The bytes of activations that are kept of a token, on average."""
        kept = (keeper.settings for keeper in self.keepers.values())
        return round(sum(2 * settings.d_in * settings.sample.fraction for settings in kept))

    def _check_widths(self) -> None:
        widths = self._reader.widths()
        for target in self.targets.values():
            width, d_in = widths[target.hook.name], target.dictionary.d_in
            if width != d_in:
                raise misfit(target.settings, target.hook.name, width)

    def encode(self, page: Page, names: Sequence[str]) -> EncodedPage:
        """The page's codes and kept activations for these names, from one run of the model.

        A part with a value that is not finite, or a token that the model lacks, has no codes and a
        reason; with `on_error` "fail" it raises `ValueOverflow` or `ModelError` instead. On an
        accelerator the page is sorted there and on its
        way to the host when this returns. Raises `ModelError` when no document has finite values.
        """
        found: dict[str, list[DeviceCodes]] = {n: [] for n in names if n in self.targets}
        kept: dict[str, list[KeptTokens]] = {n: [] for n in names if n in self.keepers}
        unreadable = self._unreadable(page)
        failed = {name: dict(unreadable) for name in (*found, *kept)}
        windows = [window for window in page.windows if window.document not in unreadable]
        for batch in self._batches(windows):
            activations = self._reader(batch)
            for name, taken in kept.items():
                keeper = self.keepers[name]
                taken.append(keeper.take(activations[keeper.hook.name], batch, page.parts))
            for name, pieces in found.items():
                x = activations[self.targets[name].hook.name]
                codes_of = self._coders[name].codes
                pieces.append(codes_of(x, batch.document, batch.position, page.parts, failed[name]))
        n_parts = sum(len(part.token_ids) > 0 for part in page.parts)
        for name in found:
            n_encoded = n_parts - len(failed[name])
            self._health[name].add(n_encoded=n_encoded, failed=list(failed[name].values()))
        codes = {name: DeviceCodes.joined(pieces) for name, pieces in found.items()}
        return _sent(EncodedPage(parts=page.parts, codes=codes, failed=failed, kept=kept))

    def _unreadable(self, page: Page) -> dict[int, str]:
        """The parts that the model cannot be given, and why."""
        failed: dict[int, str] = {}
        for index, reason in self._reader.unreadable(page.windows).items():
            fail(page.parts, index, ModelError(reason), failed, self._on_error)
        return failed

    def _batches(self, windows: Sequence[Window]) -> Iterator[Batch]:
        return alone(windows) if self._batch_invariant else batches(windows, self.batch_tokens)

    def pack(self, page: EncodedPage, name: str) -> pa.RecordBatch:
        """The page as rows of the collection's codes table, or of the kept activations."""
        if name in self.keepers:
            return self._pack_kept(page, name)
        return self._coders[name].pack(page.parts, page.codes_of(name), page.failed[name])

    def _pack_kept(self, page: EncodedPage, name: str) -> pa.RecordBatch:
        page.arrived()
        keeper, tokens = self.keepers[name], page.kept[name]
        failed = dict(page.failed[name])
        for index, reason in keeper.failures(page.parts, tokens).items():
            fail(page.parts, index, ValueOverflow(reason), failed, self._on_error)
        return pack_kept(keeper.settings, page.parts, tokens, failed)


def _sent(page: EncodedPage) -> EncodedPage:
    """The page with its codes sorted on the accelerators that have them, and sent to the host."""
    tensors = [codes.value for codes in page.codes.values() if codes is not None]
    tensors += [tokens.vectors for pieces in page.kept.values() for tokens in pieces]
    devices = dict.fromkeys(t.device for t in tensors if t.is_cuda)
    if not devices:
        return page
    codes = {name: found and found.sorted().to_host() for name, found in page.codes.items()}
    kept = {name: [tokens.to_host() for tokens in found] for name, found in page.kept.items()}
    return replace(page, codes=codes, kept=kept, ready=[_sent_by(device) for device in devices])


def _sent_by(device: torch.device) -> torch.cuda.Event:
    """What happens when a device has done all that it was asked by now."""
    event: torch.cuda.Event = torch.cuda.Event()  # type: ignore[no-untyped-call]
    event.record(torch.cuda.current_stream(device))
    return event
