"""Encode a corpus in this process: from its documents to committed shards."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from saelake.store.documents import Documents
from saelake.store.errors import Conflict, InvalidInput
from saelake.store.lake import Lake, absolute
from saelake.store.memory import one_arena
from saelake.store.schema import CollectionSettings, check_name
from saelake.store.shards import ShardWriter, check_free, register_dictionary
from saelake.store.values import CODECS
from saelake.store.vectors import Vectors, write_vectors
from saelake.workers.dictionaries.base import Dictionary
from saelake.workers.dictionaries.load import load_dictionary
from saelake.workers.encode import EncodedPage, Encoder, OnError, Target
from saelake.workers.hooks import resolve_hook
from saelake.workers.models import Model, load_model
from saelake.workers.pages import Page, pages
from saelake.workers.shard import Shard, plan
from saelake.workers.stages import ahead
from saelake.workers.tokens import TokenSettings

DEFAULT_MEMORY_BYTES = 512 << 20
BATCH_TOKENS = {"cpu": 2048, "cuda": 16_384}
# Of the memory setting: dense chunks, pages under way, and packed rows that wait to be written.
CHUNK_SHARE, BUFFER_SHARE = 8, 8
BYTES_PER_PAGE_TOKEN = 32 << 10
DECODER_ROWS = 4096
PAGE_BATCHES = 4  # the last batch of a page is a small one, for which an accelerator is wasted


@dataclass(frozen=True, slots=True, kw_only=True)
class DictionaryChoice:
    """A dictionary to encode with: where it is, and optionally its name and hook point."""

    location: str
    name: str | None = None
    hook: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeOptions:
    """How to encode. What is None is chosen by the model, the dictionaries or the device.

    `window` (tokens, special ones included): the dictionaries' training context, at most the
    model's. `memory_bytes` bounds what is under way beside the weights: dense chunks, pages and
    rows that wait to be written. `shard_documents` is how much work a killed run can lose.
    """

    window: int | None = None
    overlap: int = 0
    max_tokens: int | None = None
    special_tokens: bool = False
    prepend_bos: bool | None = None
    chat: bool = False
    values: str = "16-bit"
    device: str | None = None
    dtype: str | None = None
    batch_tokens: int | None = None
    memory_bytes: int = DEFAULT_MEMORY_BYTES
    shard_documents: int = 1000
    on_error: OnError = "skip"
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        problems = []
        if self.memory_bytes < 16 << 20:
            problems.append(f"memory must be at least 16 MiB, not {self.memory_bytes} bytes")
        if self.shard_documents < 1:
            problems.append(f"a shard has at least 1 document, not {self.shard_documents}")
        if self.batch_tokens is not None and self.batch_tokens < 1:
            problems.append(f"a batch has at least 1 token, not {self.batch_tokens}")
        if self.on_error not in ("skip", "fail"):
            problems.append(f"on_error is skip or fail, not {self.on_error!r}")
        codecs = [codec.name for codec in CODECS]
        if self.values not in codecs:
            problems.append(f"values are {' or '.join(codecs)}, not {self.values!r}")
        if problems:
            raise InvalidInput("; ".join(problems) + ".")


@dataclass(slots=True, kw_only=True)
class EncodeProgress:
    """How far an encode is; counts of this run, codes of all collections together."""

    n_total: int
    n_documents: int = 0
    n_tokens: int = 0
    n_codes: int = 0
    n_failed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeReport:
    """What an encode did; `n_failed` documents are recorded with the reason."""

    collections: tuple[str, ...]
    n_documents: int
    n_tokens: int
    n_codes: int
    n_failed: int


def encode(
    lake: Lake,
    corpus: str,
    *,
    model: str,
    dictionaries: Sequence[DictionaryChoice],
    options: EncodeOptions | None = None,
    on_progress: Callable[[EncodeProgress], object] = lambda _: None,
) -> EncodeReport:
    """Encode what is not encoded yet of a corpus, with several dictionaries in one forward run.

    Run again, it continues: shards that are committed are never encoded or stored twice, whatever
    was killed. Raises the errors of `load_model`, `load_dictionary` and `resolve_hook`,
    `DictionaryMismatch` where they do not fit each other, and `AlreadyExists` where a collection
    was begun with other settings.
    """
    options = options or EncodeOptions()
    one_arena()
    documents = Documents.open(lake, corpus)
    loaded = load_model(
        model,
        device=options.device,
        dtype=options.dtype,
        trust_remote_code=options.trust_remote_code,
    )
    targets, tokens = prepare(loaded, corpus, dictionaries, options)
    encoder = Encoder(
        loaded,
        targets,
        batch_tokens=options.batch_tokens or BATCH_TOKENS.get(loaded.device.type, 2048),
        chunk_bytes=options.memory_bytes // CHUNK_SHARE,
        on_error=options.on_error,
    )
    for target in targets:
        check_free(lake, target.settings)
    for target, choice in zip(targets, dictionaries, strict=True):
        register_dictionary(lake, _registered(target, choice, loaded, model))
        _store_decoder(lake, target)
    run = _Run(lake, documents, loaded, encoder, tokens, options)
    return run.report(run.all_shards(on_progress))


def prepare(
    model: Model, corpus: str, choices: Sequence[DictionaryChoice], options: EncodeOptions
) -> tuple[list[Target], TokenSettings]:
    """The collections to make, and how their texts become tokens."""
    if not choices:
        raise InvalidInput("Name at least one dictionary.")
    loaded = [load_dictionary(choice.location) for choice in choices]
    names = [check_name("dictionary", c.name or default_name(c.location)) for c in choices]
    if len(set(names)) < len(names):
        raise InvalidInput(f"Two dictionaries have one name: {', '.join(names)}. Use --name.")
    tokens = _token_settings(model, loaded, options)
    targets = [
        _target(model, corpus, name, dictionary, choice.hook, tokens, options)
        for name, dictionary, choice in zip(names, loaded, choices, strict=True)
    ]
    return targets, tokens


def default_name(location: str) -> str:
    """What a dictionary is called by default: the last part of its location."""
    is_remote = location.startswith("hf://")
    return Path(location.partition("@")[0] if is_remote else location).name


def _token_settings(
    model: Model, dictionaries: Sequence[Dictionary], options: EncodeOptions
) -> TokenSettings:
    contexts = [d.context_size for d in dictionaries if d.context_size]
    window = options.window
    if window is None:
        window = min(model.window, max(contexts, default=model.window))
    if window > model.window:
        raise InvalidInput(
            f"A window of {window} tokens is longer than {model.name} can read: at most "
            f"{model.window}.",
            window=window,
        )
    prepend_bos = options.prepend_bos
    if prepend_bos is None and any(d.prepend_bos for d in dictionaries):
        prepend_bos = True
    return TokenSettings(
        window=window,
        overlap=options.overlap,
        max_tokens=options.max_tokens,
        special_tokens=options.special_tokens,
        prepend_bos=prepend_bos,
        chat=options.chat,
    )


def _target(
    model: Model,
    corpus: str,
    name: str,
    dictionary: Dictionary,
    hook_name: str | None,
    tokens: TokenSettings,
    options: EncodeOptions,
) -> Target:
    hook_name = hook_name or dictionary.hook_name
    if hook_name is None:
        raise InvalidInput(
            f"The dictionary {name} does not say at which hook point of the model it belongs. "
            "Give one with --hook, for instance blocks.3.hook_resid_post.",
            dictionary=name,
        )
    settings = CollectionSettings(
        corpus=corpus,
        dictionary=name,
        fingerprint=dictionary.fingerprint,
        architecture=dictionary.architecture,
        d_in=dictionary.d_in,
        d_sae=dictionary.d_sae,
        signed=dictionary.signed,
        model=model.name,
        model_fingerprint=model.fingerprint,
        hook=hook_name,
        window=tokens.window,
        overlap=tokens.overlap,
        max_tokens=tokens.max_tokens,
        special_tokens=tokens.special_tokens,
        prepend_bos=tokens.prepend_bos,
        chat=tokens.chat,
        values=options.values,
        tokenizer_fingerprint=model.tokenizer_fingerprint,
    )
    return Target(
        settings=settings,
        dictionary=dictionary.to(model.device, model.dtype),
        hook=resolve_hook(model.module, hook_name),
    )


def _registered(
    target: Target, choice: DictionaryChoice, model: Model, location: str
) -> dict[str, Any]:
    settings = target.settings
    tokenizer = model.tokenizer
    return {
        "name": settings.dictionary,
        "fingerprint": settings.fingerprint,
        "format": target.dictionary.format,
        "architecture": settings.architecture,
        "d_in": settings.d_in,
        "d_sae": settings.d_sae,
        "signed": settings.signed,
        "hook": settings.hook,
        "model": settings.model,
        "model_fingerprint": settings.model_fingerprint,
        "location": absolute(choice.location),
        "model_location": absolute(location),
        "vocabulary": tokenizer.batch_decode([[i] for i in range(len(tokenizer))]),
    }


def _store_decoder(lake: Lake, target: Target) -> None:
    """Put the decoder's directions into the lake once: questions about them need no weights."""
    W_dec, uri = target.dictionary.W_dec, lake.decoder(target.settings.dictionary)
    if W_dec is None or Vectors.open(uri) is not None:
        return

    def batches() -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
        for first in range(0, len(W_dec), DECODER_ROWS):
            rows = W_dec[first : first + DECODER_ROWS].float()
            unit = torch.nn.functional.normalize(rows, dim=1).cpu().numpy()
            yield np.arange(first, first + len(unit), dtype=np.uint64), unit

    with suppress(Conflict):  # another encoder of this dictionary was faster
        write_vectors(uri, W_dec.shape[1], target.settings.fingerprint, batches())


class _Run:
    """One encode of one corpus in this process."""

    def __init__(
        self,
        lake: Lake,
        documents: Documents,
        model: Model,
        encoder: Encoder,
        tokens: TokenSettings,
        options: EncodeOptions,
    ) -> None:
        self._documents = documents
        self._model = model
        self._encoder = encoder
        self._tokens = tokens
        self._options = options
        buffer_bytes = options.memory_bytes // BUFFER_SHARE // len(encoder.targets)
        self._writers = {
            name: ShardWriter(lake, target.settings, buffer_bytes=buffer_bytes)
            for name, target in encoder.targets.items()
        }

    def plan(self) -> list[Shard]:
        """The shards that are left."""
        done = {name: writer.done() for name, writer in self._writers.items()}
        return plan(self._documents.n_documents, done, self._options.shard_documents)

    def all_shards(self, on_progress: Callable[[EncodeProgress], object]) -> EncodeProgress:
        """Encode and commit shards until none is left; what was done."""
        progress = EncodeProgress(n_total=sum(s.n_documents for s in self.plan()))
        on_progress(progress)
        while shards := self.plan():
            for shard, rows in self._encoded(shards):
                if rows is None:
                    for name in shard.collections:
                        self._writers[name].finish(shard.start, shard.stop)
                    continue
                for name, batch in rows.items():
                    self._writers[name].add(batch)
                _count(progress, rows)
                on_progress(progress)
        return progress

    def report(self, progress: EncodeProgress) -> EncodeReport:
        """What the run did."""
        return EncodeReport(
            collections=tuple(self._writers),
            n_documents=progress.n_documents,
            n_tokens=progress.n_tokens,
            n_codes=progress.n_codes,
            n_failed=progress.n_failed,
        )

    def _encoded(
        self, shards: Sequence[Shard]
    ) -> Iterator[tuple[Shard, dict[str, pa.RecordBatch] | None]]:
        """The packed rows of each shard, a page at a time, and None where a shard ends.

        Four stages overlap: this thread writes, one packs, one runs the model, one reads and
        tokenises.
        """
        tokenised = ahead(self._pages(shards), depth=2)
        encoded = ahead(self._run_model(tokenised), depth=1)
        return ahead(self._packed(encoded), depth=1)

    def _run_model(
        self, pages: Generator[tuple[Shard, Page | None]]
    ) -> Iterator[tuple[Shard, EncodedPage | None]]:
        with closing(pages):  # an error keeps this frame, and so would keep the stage before going
            for shard, page in pages:
                encoded = None if page is None else self._encoder.encode(page, shard.collections)
                yield shard, encoded

    def _packed(
        self, pages: Generator[tuple[Shard, EncodedPage | None]]
    ) -> Iterator[tuple[Shard, dict[str, pa.RecordBatch] | None]]:
        with closing(pages):
            for shard, page in pages:
                if page is None:
                    yield shard, None
                else:
                    yield shard, {n: self._encoder.pack(page, n) for n in shard.collections}

    def _pages(self, shards: Sequence[Shard]) -> Iterator[tuple[Shard, Page | None]]:
        page_tokens = max(self._options.memory_bytes // BYTES_PER_PAGE_TOKEN, 1)
        if self._model.device.type != "cpu":
            page_tokens = max(page_tokens, PAGE_BATCHES * self._encoder.batch_tokens)
        for shard in shards:
            texts = self._documents.scan_texts(shard.start, shard.stop)
            batches = ((b["doc"].to_pylist(), b["text"].to_pylist()) for b in texts)
            for page in pages(
                batches, self._model.tokenizer, self._tokens, page_tokens=page_tokens
            ):
                yield shard, page
            yield shard, None


def _count(progress: EncodeProgress, rows: dict[str, pa.RecordBatch]) -> None:
    first = next(iter(rows.values()))
    progress.n_documents += int((first["part"].to_numpy() == 0).sum())
    progress.n_tokens += len(first["token_ids"].flatten())
    progress.n_codes += sum(len(batch["values"].flatten()) for batch in rows.values())
    progress.n_failed += sum(len(b) - b["error"].null_count for b in rows.values())
