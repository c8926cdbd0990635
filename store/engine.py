"""The engine: every question that can be asked of a lake, answered as Arrow batches.

All faces (Python, command line, gRPC) ask it the same requests, and turn what it answers into
values, text or frames. It raises before the first batch wherever that is possible.
"""

import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from importlib import import_module
from threading import Thread
from typing import Any

import pyarrow as pa

from saelake.store.codes.executor import Executor, Owners
from saelake.store.errors import Corrupt, InvalidInput, SaelakeError
from saelake.store.lake.lake import Lake
from saelake.store.lake.tags import check_state
from saelake.store.query.parts.signed import answered
from saelake.store.reports import JobReport, Prefetched
from saelake.store.requests.commands.command import Command
from saelake.store.requests.commands.jobs import WatchJobCommand
from saelake.store.requests.request import Request
from saelake.store.requests.similar import SimilarQuery
from saelake.store.snapshot.models import Texts
from saelake.store.snapshot.prefetch import prefetch
from saelake.store.snapshot.sampled import marked, sample_said
from saelake.store.snapshot.session import DEFAULT_CACHE_BYTES, Session
from saelake.store.tables.diskcache import DiskCache
from saelake.store.tables.mirrors import mirrored

WATCH_S = 0.5  # between looks at a job


class Engine:
    """Answers questions about one lake; thread-safe.

    `at` is a tag or a time (ISO 8601): the lake as it was then; raises `NotFound` for a tag that it
    has not. `texts` runs models where a question has a text in it; `cache_bytes` bounds what is
    kept in memory between questions. The `executor` is where analyses run; it is closed with the
    engine where it has workers of its own. Files of a lake in an object store are kept in
    `disk_cache`.
    """

    def __init__(
        self,
        uri: str,
        *,
        at: str | None = None,
        texts: Texts | None = None,
        executor: Executor | None = None,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
        disk_cache: DiskCache | None = None,
    ) -> None:
        self.lake = Lake(uri, at)
        self._mirror = mirrored(uri, disk_cache)
        if self._mirror is not None:
            weakref.finalize(self, self._mirror.close)
        if at is not None:
            check_state(Lake(uri), at)
        read = self.lake.from_anywhere if isinstance(executor, Owners) else self.lake
        self._session = Session(read, texts=texts, executor=executor, cache_bytes=cache_bytes)

    @property
    def local_lake(self) -> Lake:
        """The lake, which is in reach of this process."""
        return self.lake

    def ask(self, request: Request, /) -> pa.RecordBatchReader:
        """The answer, with the columns `request.answer`.

        Its schema's metadata has `sample` where it is of a sample of a collection's tokens.
        """
        try:
            return self._answer(request)
        except Corrupt:
            if not self._session.renew():
                raise
        return self._answer(request)  # of a state whose files nobody has cleaned up

    def tell(self, command: Command, _: pa.RecordBatchReader | None = None, /) -> Any:
        """Do what a command says, to the lake as it is now; its report. Raises what its verb does.

        Raises `InvalidInput` of a lake that is opened as it was, and for jobs, which a server runs.
        """
        from saelake.store.growth.told import Told  # with every verb that writes

        if self.lake.at is not None:
            raise InvalidInput(
                f"{self.lake.place} can only be read. Connect without `at` to change the lake as "
                "it is.",
                at=self.lake.at,
            )
        return Told(lake=self.lake).carry_out(command)

    def watch(self, command: WatchJobCommand, /) -> Iterator[JobReport]:
        """How far a job is, again whenever that changes, until it has ended."""
        told = None
        while told is None or not told.has_ended:
            known: JobReport = self.tell(command)
            if known != told:
                yield known
            told = known
            if not told.has_ended:
                time.sleep(WATCH_S)

    def _answer(self, request: Request) -> pa.RecordBatchReader:
        answer = answered(self._session, request, _answering(request.question))
        return marked(_reader(answer), sample_said(self._session, request))

    def prefetch(
        self, collection: str, *, on_bytes: Callable[[int, int], object] = lambda *_: None
    ) -> Prefetched:
        """Fetch the files of a collection into the disk cache; see `store.snapshot.prefetch`.

        `on_bytes` is told how many of how many bytes have come. Raises `NotFound`, and
        `InvalidInput` where there is no disk cache.
        """
        if self._mirror is None:
            raise InvalidInput(
                f"There is no disk cache to fetch {collection} into: name a folder for one with "
                "--disk-cache or connect(…, disk_cache=…), of a lake in an object store.",
                collection=collection,
            )
        return prefetch(self._session.collection(collection), self.lake, self._mirror, on_bytes)

    def prefetch_all(self) -> None:
        """Fetch the files of every collection, beside questions, where there is a disk cache."""
        if self._mirror is not None:
            Thread(target=self._prefetch_all, name="saelake-prefetch", daemon=True).start()

    def _prefetch_all(self) -> None:
        for name in self.lake.collections():
            with suppress(SaelakeError, OSError):  # a question of it says what is the matter
                self.prefetch(str(name))

    def warm(self) -> None:
        """Ask a question whose first answer takes long, if a collection has blocks of impacts.

        Its loops are compiled or loaded for that, which takes seconds in a new installation.
        """
        for name in map(str, self.lake.collections()):
            nearest = self._session.collection(name).nearest
            if nearest is not None:
                docs = (int(nearest.blocks[0].docs[0]),)
                with suppress(InvalidInput):  # it has no features
                    self.ask(SimilarQuery(collection=name, docs=docs, k=1)).read_all()
                return

    def close(self) -> None:
        """Forget what was read, and let go of those who own pieces."""
        self._session.close()
        if self._mirror is not None:
            self._mirror.close()
        if isinstance(self._session.executor, Owners):
            self._session.executor.close()


def _reader(answer: Any) -> pa.RecordBatchReader:
    if isinstance(answer, pa.RecordBatch):
        return pa.RecordBatchReader.from_batches(answer.schema, [answer])
    return answer.to_reader() if isinstance(answer, pa.Table) else answer


@cache
def _answering(question: str) -> Callable[[Session, Any], Any]:
    """What answers a question: the function of its name, in the file of its name.

    Imported when it is first asked: not every process needs the libraries of every question.
    """
    module = import_module(f"saelake.store.query.{question}")
    answer: Callable[[Session, Any], Any] = getattr(module, question)
    return answer
