"""A worker: one model and its dictionaries, which turn shards into written, uncommitted rows."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace

import pyarrow as pa

from saelake.store.arrays.memory import one_arena
from saelake.store.documents.documents import Documents
from saelake.store.growth.shards import ShardWriter, TableSettings, check_free, continued
from saelake.workers.encoder.encode import EncodedPage, PageEncoder, Target
from saelake.workers.encoder.models import Model, load_model
from saelake.workers.encoder.pages import Page, pages
from saelake.workers.encoder.shard import Shard
from saelake.workers.encoder.stages import ahead, nothing
from saelake.workers.encoder.tokens import TokenSettings
from saelake.workers.fleet.encoded import Counts, EncodedShard
from saelake.workers.fleet.job import EncodeJob
from saelake.workers.fleet.targets import prepare, register
from saelake.workers.kept.keepers import keepers

BATCH_TOKENS = {"cpu": 2048, "cuda": 16_384}
# Of the memory setting: dense chunks, pages under way, and packed rows that wait to be written.
CHUNK_SHARE, BUFFER_SHARE = 8, 8
BYTES_PER_PAGE_TOKEN, PAGES_UNDER_WAY = 32 << 10, 4
PAGE_BATCHES = 4  # the last batch of a page is a small one, for which an accelerator is wasted

Rows = Mapping[str, pa.RecordBatch]


class Worker:
    """A loaded model with its dictionaries, ready to encode shards of one corpus."""

    def __init__(
        self, job: EncodeJob, model: Model, targets: Sequence[Target], tokens: TokenSettings
    ) -> None:
        self._job = job
        self._model = model
        self._tokens = tokens
        self._documents = Documents.open(job.lake, job.corpus)
        self._targets = targets
        self._writers: dict[str, ShardWriter] = {}
        self._encoder = PageEncoder(
            model,
            targets,
            batch_tokens=job.options.batch_tokens or BATCH_TOKENS.get(model.device.type, 2048),
            chunk_bytes=job.options.memory_bytes // CHUNK_SHARE,
            keepers=keepers(
                job.lake, self._documents, model, targets, tokens, job.options.keep_activations
            ),
            on_error=job.options.on_error,
        )

    @classmethod
    def load(cls, job: EncodeJob) -> "Worker":
        """Load what a job needs; the lake is not changed.

        Raises `NotFound` when there is no such corpus, the errors of `load_model`,
        `load_dictionary` and `resolve_hook`, and `DictionaryMismatch` where they do not fit each
        other.
        """
        one_arena()
        options = job.options
        model = load_model(
            job.model,
            device=options.device,
            dtype=options.dtype,
            trust_remote_code=options.trust_remote_code,
        )
        targets, tokens = prepare(model, job.corpus, job.dictionaries, options)
        targets = [replace(t, settings=continued(job.lake, t.settings)) for t in targets]
        return cls(job, model, targets, tokens)

    @property
    def settings(self) -> tuple[TableSettings, ...]:
        """The settings of the tables that it writes, the kept activations first."""
        return self._encoder.settings

    def register(self) -> None:
        """Tell the lake of the dictionaries, once; nothing is made where a table is refused.

        Raises `AlreadyExists`.
        """
        job = self._job
        for settings in self.settings:
            check_free(job.lake, settings)
        register(job.lake, self._targets, job.dictionaries, self._model, job.model)

    def encode(
        self, shards: Iterable[Shard], *, interrupt: Callable[[], object] = nothing
    ) -> Generator[Counts | EncodedShard]:
        """The counts of each page, and each shard when it is written.

        Four stages overlap, across shards too: this thread writes, one packs, one runs the model,
        one reads and tokenises. An error is raised where its shard would have been, after which
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

    def _written(
        self, packed: Iterable[tuple[Shard, Rows | None]]
    ) -> Iterator[Counts | EncodedShard]:
        counts = Counts()
        for shard, rows in packed:
            if rows is not None:
                for name, batch in rows.items():
                    self._writer(name).add(batch)
                page = Counts.of(rows)
                counts += page
                yield page
                continue
            drafts = {
                name: self._writer(name).finish(shard.start, shard.stop)
                for name in shard.collections
            }
            yield EncodedShard(shard=shard, drafts=drafts, counts=counts)
            counts = Counts()

    def _pages(self, shards: Iterable[Shard]) -> Iterator[tuple[Shard, Page | None]]:
        """The pages of each shard, and None where it ends."""
        token_bytes = BYTES_PER_PAGE_TOKEN + PAGES_UNDER_WAY * self._encoder.kept_token_bytes
        page_tokens = max(self._job.options.memory_bytes // token_bytes, 1)
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

    def _run_model(
        self, tokenised: Generator[tuple[Shard, Page | None]]
    ) -> Iterator[tuple[Shard, EncodedPage | None]]:
        with closing(tokenised):  # an error keeps this frame, and so the stage before would stay
            for shard, page in tokenised:
                encoded = None if page is None else self._encoder.encode(page, shard.collections)
                yield shard, encoded

    def _packed(
        self, encoded: Generator[tuple[Shard, EncodedPage | None]]
    ) -> Iterator[tuple[Shard, Rows | None]]:
        with closing(encoded):
            for shard, page in encoded:
                if page is None:
                    yield shard, None
                else:
                    yield shard, {n: self._encoder.pack(page, n) for n in shard.collections}
