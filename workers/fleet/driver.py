"""The driver of a run: has workers encode what is missing, and commits what they wrote."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from saelake.store.documents.documents import Documents
from saelake.store.errors import ModelError
from saelake.store.format.activations import KeptSettings
from saelake.store.format.schema import CollectionSettings, codes_schema
from saelake.store.growth.shards import ShardCommitter, ShardWriter, TableSettings
from saelake.store.lake.jobs import HEARTBEAT_S, JobLog, JobRecord
from saelake.workers.encoder.keep import pack_kept
from saelake.workers.encoder.pack import PageCodes, Part, pack
from saelake.workers.encoder.shard import Shard, plan
from saelake.workers.fleet.actions import Action, Commit, Drop, Record, Send, Stop
from saelake.workers.fleet.contexts import Notes
from saelake.workers.fleet.encoded import Counts, EncodedShard
from saelake.workers.fleet.events import Failed, Failure, Lost, Tick, Written
from saelake.workers.fleet.finished import Receipts
from saelake.workers.fleet.job import EncodeJob
from saelake.workers.fleet.pool import News, Paged, Pool
from saelake.workers.fleet.progress import EncodeProgress
from saelake.workers.fleet.schedule import Policy, begin, step

WAIT_S = 0.5
RECORD_BYTES = 1 << 20


class Driver:
    """One run over one corpus. It holds the only memory of the run, and needs none to continue."""

    def __init__(
        self,
        job: EncodeJob,
        documents: Documents,
        pool: Pool,
        policy: Policy,
        on_progress: Callable[[EncodeProgress], object],
        *,
        is_told: bool = True,
    ) -> None:
        self._job = job
        self._documents = documents
        self._pool = pool
        self._state = begin([], policy)
        self._on_progress = on_progress
        self._committed = Counts()
        self._settings: dict[str, TableSettings] = {}
        self._committers: dict[str, ShardCommitter] = {}
        self._n_total = 0
        self._reported: EncodeProgress | None = None
        self._pages: dict[str, Counts] = {}
        self._log = JobLog(job.lake)
        self._is_told = is_told
        self._told = JobRecord(corpus=job.corpus)
        self._notes = Notes()

    def run(self) -> EncodeProgress:
        """Encode and commit shards until none is left; what was done.

        Raises what the pool's `open` raises, and what stops a run.
        """
        receipts = Receipts(self._job.asked)
        try:
            self._open()
            self._encode_all()
        except BaseException as error:
            state = "failed" if isinstance(error, Exception) else "interrupted"
            self._tell(state=state, problem=str(error) or type(error).__name__)
            raise
        finally:
            self._pool.close()
        self._tell(state="done")
        receipts.write(list(self._settings.values()), self._pool.notes)
        self._log.forget_old()
        return self._progress()

    @property
    def collections(self) -> tuple[str, ...]:
        """The collections that it makes, once it runs."""
        return tuple(n for n, s in self._settings.items() if isinstance(s, CollectionSettings))

    def _open(self) -> None:
        self._on_progress(EncodeProgress(n_total=0, is_loading=True))
        settings = self._pool.open()
        self._settings = {s.name: s for s in settings}
        self._note()
        self._committers = {s.name: ShardCommitter(self._job.lake, s) for s in settings}
        self._n_total = sum(gap.n_documents for gap in self._gaps())
        self._tell(collections=self.collections)
        self._report()

    def _note(self) -> None:
        """Say how the dictionaries' texts are read, where that is not as a matter of course."""
        made = [s for s in self._settings.values() if isinstance(s, CollectionSettings)]
        self._notes = Notes.of(made, self._job.options, self._pool.notes)
        self._notes.warn()

    def _gaps(self) -> list[Shard]:
        """The documents that no snapshot has yet."""
        done = {name: committer.done() for name, committer in self._committers.items()}
        n_documents = self._documents.n_documents
        return plan(n_documents, done, n_documents)

    def _encode_all(self) -> None:
        while gaps := self._gaps():  # again where another driver was faster with part of a shard
            self._state = replace(self._state, gaps=tuple(gaps))
            self._take(Tick())
            while not self._state.is_done:
                for news in self._pool.news(WAIT_S):
                    self._hear(news)
                self._take(Tick())
                self._report()
                if time.time() - self._told.heartbeat >= HEARTBEAT_S:
                    self._tell()

    def _hear(self, news: News) -> None:
        if isinstance(news, Paged):
            self._pages[news.worker] = self._pages.get(news.worker, Counts()) + news.counts
            self._report()
            return
        if isinstance(news, Written | Failed | Lost) and news.worker is not None:
            self._pages.pop(news.worker, None)
        self._take(news)

    def _take(self, event: Any) -> None:
        self._state, actions = step(self._state, event, time.monotonic())
        for action in actions:
            self._perform(action)

    def _perform(self, action: Action) -> None:
        match action:
            case Send():
                self._pool.send(action.worker, action.shard)
            case Drop():
                self._pool.drop(action.worker)
            case Commit():
                self._commit(action.shards)
            case Record():
                self._take(Written(worker=None, encoded=self._record(action)))
            case Stop():
                raise _stopped(action.failure)

    def _commit(self, shards: Sequence[EncodedShard]) -> None:
        for name, committer in self._committers.items():
            drafts = [shard.drafts[name] for shard in shards if name in shard.drafts]
            if drafts:
                committer.commit(drafts)
        for shard in shards:
            self._committed += shard.counts

    def _record(self, record: Record) -> EncodedShard:
        """The row of a document that no worker can encode, written for each collection."""
        shard = record.shard
        drafts = {}
        for name in shard.collections:
            settings = self._settings[name]
            writer = ShardWriter(self._job.lake, settings, buffer_bytes=RECORD_BYTES)
            writer.add(_failed_row(shard.start, record.reason, settings))
            drafts[name] = writer.finish(shard.start, shard.stop)
        counts = Counts(n_documents=1, n_failed=len(drafts))
        return EncodedShard(shard=shard, drafts=drafts, counts=counts)

    def _report(self) -> None:
        progress = self._progress()
        if progress != self._reported:
            self._reported = progress
            self._on_progress(progress)

    def _progress(self) -> EncodeProgress:
        counts = sum(self._pages.values(), self._committed)
        return EncodeProgress(
            n_total=self._n_total,
            n_documents=counts.n_documents,
            n_tokens=counts.n_tokens,
            n_codes=counts.n_codes,
            n_failed=counts.n_failed,
            n_workers=len(self._state.seats),
            n_in_flight=self._state.n_in_flight,
            n_repeated=self._state.n_repeated,
            notes=self._notes.told,
            warnings=self._notes.against,
        )

    def _tell(self, **changes: Any) -> None:
        if not self._n_total or not self._is_told:  # nothing is to do, or it is not so far
            return
        known = self._progress()
        self._told = replace(
            self._told,
            heartbeat=time.time(),
            n_workers=known.n_workers,
            n_in_flight=known.n_in_flight,
            n_repeated=known.n_repeated,
            n_documents=known.n_documents,
            n_total=known.n_total,
            n_failed=known.n_failed,
            n_tokens=known.n_tokens,
            n_codes=known.n_codes,
            notes=known.notes,
            warnings=known.warnings,
            **changes,
        )
        self._log.write(self._told)


def _failed_row(doc: int, reason: str, settings: TableSettings) -> Any:
    nothing = np.empty(0, np.int32)
    part = Part(
        doc=doc,
        token_ids=nothing,
        starts=nothing.astype(np.uint32),
        lengths=nothing.astype(np.uint16),
        error=reason,
    )
    if isinstance(settings, KeptSettings):
        return pack_kept(settings, [part], [], {0: reason})
    schema = codes_schema(settings)
    return pack([part], PageCodes.joined([]), schema=schema, codec=settings.codec)


def _stopped(failure: Failure) -> BaseException:
    """What is raised when a failure stops the run."""
    if failure.blame == "document" or failure.error is None:
        stopped = ModelError(failure.reason)
        stopped.__cause__ = failure.error
        return stopped
    return failure.error
