"""A worker: one model and its dictionaries, which turn shards into written, uncommitted rows."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import pyarrow as pa

from saelake.store.arrays.memory import one_arena
from saelake.store.documents.documents import Documents
from saelake.store.growth.shards import ShardWriter, TableSettings, check_free
from saelake.workers.encoder.encode import EncodedPage, PageEncoder, Target
from saelake.workers.encoder.models import Model, load_model
from saelake.workers.encoder.pages import Page, pages
from saelake.workers.encoder.shard import Shard
from saelake.workers.encoder.stages import ahead, nothing
from saelake.workers.encoder.tokens import TokenSettings
from saelake.workers.fleet.encoded import Counts, EncodedShard
from saelake.workers.fleet.job import EncodeJob
from saelake.workers.fleet.placing import check_place
from saelake.workers.fleet.targets import hooks_of, loaded_dictionary, passes, prepare, register
from saelake.workers.kept.keepers import keepers

BATCH_TOKENS = {"cpu": 2048, "cuda": 16_384}
# Of the memory setting: dense chunks, pages under way, and packed rows that wait to be written.
CHUNK_SHARE, BUFFER_SHARE = 8, 8
BYTES_PER_PAGE_TOKEN, PAGES_UNDER_WAY = 32 << 10, 4
PAGE_BATCHES = 4  # the last batch of a page is a small one, for which an accelerator is wasted

Rows = Mapping[str, pa.RecordBatch]
T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pass:
    """One run of the model over the texts, for all that reads them in the same way."""

    tokens: TokenSettings
    encoder: PageEncoder

    def names(self, collections: Sequence[str]) -> list[str]:
        """Those of the tables that it makes rows for."""
        own = {settings.name for settings in self.encoder.settings}
        return [name for name in collections if name in own]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PassPage(Generic[T]):
    """A page of a shard in some stage, by which pass; or the end of the shard, without one."""

    shard: Shard
    by: Pass | None = None
    page: T | None = None
    is_last_pass: bool = True


class Worker:
    """A loaded model with its dictionaries, ready to encode shards of one corpus."""

    def __init__(self, job: EncodeJob, model: Model, targets: Sequence[Target]) -> None:
        self._job = job
        self._model = model
        self._documents = Documents.open(job.lake, job.corpus)
        self._targets = targets
        self._writers: dict[str, ShardWriter] = {}
        self._passes = [self._pass(tokens, own) for tokens, own in passes(model, targets).items()]

    def _pass(self, tokens: TokenSettings, targets: Sequence[Target]) -> Pass:
        lake, model, options = self._job.lake, self._model, self._job.options
        encoder = PageEncoder(
            model,
            targets,
            batch_tokens=options.batch_tokens or BATCH_TOKENS.get(model.device.type, 2048),
            chunk_bytes=options.memory_bytes // CHUNK_SHARE,
            keepers=keepers(
                lake, self._documents, model, targets, tokens, options.keep_activations
            ),
            on_error=options.on_error,
            batch_invariant=options.batch_invariant,
        )
        return Pass(tokens=tokens, encoder=encoder)

    @classmethod
    def load(cls, job: EncodeJob) -> "Worker":
        """Load what a job needs; the lake is not changed.

        Raises `NotFound` when there is no such corpus, the errors of `load_model`,
        `load_dictionary` and `resolve_hook`, and `DictionaryMismatch` where they do not fit each
        other.
        """
        one_arena()
        options = job.options
        loaded = [loaded_dictionary(choice) for choice in job.dictionaries]
        model = load_model(
            job.model,
            device=options.device,
            dtype=options.dtype,
            trust_remote_code=options.trust_remote_code,
            hooks=hooks_of(job.dictionaries, loaded),
            quantization=options.quantization,
        )
        targets = prepare(job.lake, model, job.corpus, job.dictionaries, loaded, options)
        return cls(job, model, targets)

    @property
    def settings(self) -> tuple[TableSettings, ...]:
        """The settings of the tables that it writes, the kept activations first."""
        keepers = (keeper for run in self._passes for keeper in run.encoder.keepers.values())
        kept = tuple(keeper.settings for keeper in keepers)
        return *kept, *(target.settings for target in self._targets)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user must be told of the collections."""
        return tuple(note for target in self._targets for note in target.notes)

    def register(self) -> None:
        """Tell the lake of the dictionaries, once; nothing is made where a table is refused.

        Raises `AlreadyExists`.
        """
        job = self._job
        for settings in self.settings:
            check_free(job.lake, settings)
        for target in self._targets:
            check_place(job.lake, target.settings, self._model.module)
        register(job.lake, self._targets, job.dictionaries, self._model, job.model)

    def encode(
        self, shards: Iterable[Shard], *, interrupt: Callable[[], object] = nothing
    ) -> Generator[Counts | EncodedShard]:
        """The counts of each page, and each shard when it is written.

        Four stages overlap, across shards too: this thread writes, one packs, one runs the model,
        one reads and tokenises. The passes over a shard come one after the other; its documents and
        tokens count in the last. An error is raised where its shard would have been, after which
        the next call begins with nothing under way. `shards` may wait for more; `interrupt` must
        end such a wait.
        """
        tokenised = ahead(self._pages(shards), depth=2, interrupt=interrupt)
        encoded = ahead(self._run_model(tokenised), depth=1, interrupt=interrupt)
        with closing(ahead(self._packed(encoded), depth=1, interrupt=interrupt)) as packed:
            try:
                yield from self._written(packed)
            finally:
                for writer in self._writers.values():
                    writer.discard()

    def _writer(self, name: str) -> ShardWriter:
        if name not in self._writers:
            settings = next(s for s in self.settings if s.name == name)
            buffer_bytes = self._job.options.memory_bytes // BUFFER_SHARE // len(self.settings)
            self._writers[name] = ShardWriter(self._job.lake, settings, buffer_bytes=buffer_bytes)
        return self._writers[name]

    def _written(self, packed: Iterable[PassPage[Rows]]) -> Iterator[Counts | EncodedShard]:
        counts = Counts()
        for step in packed:
            if step.page is not None:
                for name, batch in step.page.items():
                    self._writer(name).add(batch)
                page = Counts.of(step.page)
                page = page if step.is_last_pass else replace(page, n_documents=0, n_tokens=0)
                counts += page
                yield page
                continue
            shard = step.shard
            drafts = {
                name: self._writer(name).finish(shard.start, shard.stop)
                for name in shard.collections
            }
            yield EncodedShard(shard=shard, drafts=drafts, counts=counts)
            counts = Counts()

    def _pages(self, shards: Iterable[Shard]) -> Iterator[PassPage[Page]]:
        """The pages of each shard by each pass that it needs, and a step where it ends."""
        for shard in shards:
            wanted = [run for run in self._passes if run.names(shard.collections)]
            for run in wanted:
                for page in self._pages_of(shard, run):
                    yield PassPage(shard=shard, by=run, page=page, is_last_pass=run is wanted[-1])
            yield PassPage(shard=shard)

    def _pages_of(self, shard: Shard, run: Pass) -> Iterator[Page]:
        token_bytes = BYTES_PER_PAGE_TOKEN + PAGES_UNDER_WAY * run.encoder.kept_token_bytes
        page_tokens = max(self._job.options.memory_bytes // token_bytes, 1)
        if self._model.device.type != "cpu":
            page_tokens = max(page_tokens, PAGE_BATCHES * run.encoder.batch_tokens)
        texts = self._documents.scan_texts(shard.start, shard.stop)
        batches = ((b["doc"].to_pylist(), b["text"].to_pylist()) for b in texts)
        return pages(batches, self._model.tokenizer, run.tokens, page_tokens=page_tokens)

    def _run_model(self, tokenised: Generator[PassPage[Page]]) -> Iterator[PassPage[EncodedPage]]:
        with closing(tokenised):  # an error keeps this frame, and so the stage before would stay
            for step in tokenised:
                yield _next(step, lambda run, names, page: run.encoder.encode(page, names))

    def _packed(self, encoded: Generator[PassPage[EncodedPage]]) -> Iterator[PassPage[Rows]]:
        with closing(encoded):
            for step in encoded:
                yield _next(
                    step, lambda run, names, page: {n: run.encoder.pack(page, n) for n in names}
                )


def _next(step: PassPage[T], work: Callable[[Pass, list[str], T], U]) -> PassPage[U]:
    """The step with its page in the next stage."""
    page = None
    if step.by is not None and step.page is not None:
        page = work(step.by, step.by.names(step.shard.collections), step.page)
    return PassPage(shard=step.shard, by=step.by, page=page, is_last_pass=step.is_last_pass)
