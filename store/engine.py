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
from saelake.store.format.moments import zoned
from saelake.store.lake.jobs import JobLog
from saelake.store.lake.lake import Lake
from saelake.store.lake.states import LakeState, is_state
from saelake.store.query.parts.signed import answered
from saelake.store.reports import JobReport, Prefetched, ServerVersion
from saelake.store.requests.commands.command import Command
from saelake.store.requests.commands.jobs import WatchJobCommand
from saelake.store.requests.request import Request
from saelake.store.requests.similar import SimilarQuery
from saelake.store.snapshot.earlier import EarlierStates, check_there
from saelake.store.snapshot.inmemory import InMemory
from saelake.store.snapshot.models import Texts
from saelake.store.snapshot.prefetch import prefetch
from saelake.store.snapshot.sampled import SAMPLE, marked, sample_said
from saelake.store.snapshot.session import DEFAULT_CACHE_BYTES, Session
from saelake.store.snapshot.stated import STATE, now_of, state_said
from saelake.store.tables.diskcache import DiskCache
from saelake.store.tables.mirrors import mirrored
from saelake.store.tables.seen import seeing
from saelake.store.wire.versions import FEATURES, WIRE, own_version


class Engine:
    """Answers questions about one lake; thread-safe.

    `at` is a tag, a time (ISO 8601) or a state: the lake as it was then; raises `NotFound` for
    one that it has not. `texts` runs models where a question has a text in it; `cache_bytes`
    bounds what is kept in memory between questions. The `executor` is where analyses run; it is
    closed with the engine where it has workers of its own. Files of a lake in an object store
    are kept in `disk_cache`.
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
            check_there(Lake(uri), at)
        read = self.lake.from_anywhere if isinstance(executor, Owners) else self.lake
        self._session = Session(read, texts=texts, executor=executor, cache_bytes=cache_bytes)
        self._earlier = EarlierStates(self.lake, lambda at: self._session.earlier(at))

    @property
    def local_lake(self) -> Lake:
        """The lake, which is in reach of this process."""
        return self.lake

    def ask(self, request: Request, /, *, at: str | None = None) -> pa.RecordBatchReader:
        """The answer, with the columns `request.answer`; as it was `at` a tag, a time or a state.

        Its schema's metadata has `state`, which as `at` gives answers of just that state, and
        `sample` where it is of a sample of a collection's tokens. Raises `NotFound` for a state
        whose files were cleaned up.
        """
        asked = now_of(self.lake) if at is None else zoned(at)
        is_own = at is None or at == self.lake.at
        session = self._session if is_own else self._earlier.session(asked)
        try:
            return self._answer(session, request, asked)
        except Corrupt:
            if not session.renew():
                raise
        return self._answer(session, request, asked)  # of files that nobody has cleaned up

    def _answer(self, session: Session, request: Request, at: str) -> pa.RecordBatchReader:
        with seeing() as seen:
            answer = answered(session, request, _answering(request.question))
            sample = sample_said(session, request)
        return marked(_reader(answer), {SAMPLE: sample, STATE: state_said(at, request, seen)})

    def version(self) -> ServerVersion:
        """Which program this is, and the state that the lake is in now."""
        at = now_of(self.lake)
        state = at if is_state(at) else str(LakeState(at=at))
        return ServerVersion(version=own_version(), wire=WIRE, features=FEATURES, state=state)

    def tell(self, command: Command, _: pa.RecordBatchReader | None = None, /) -> Any:
        """Do what a command says, to the lake as it is now; its report. Raises what its verb does.

        Raises `InvalidInput` of a lake that is opened as it was, and for jobs, which a server runs.
        """
        from saelake.store.growth.told import Told  # with every verb that writes
        from saelake.store.health.repair import repair

        if self.lake.at is not None:
            raise InvalidInput(
                f"{self.lake.place} can only be read. Connect without `at` to change the lake as "
                "it is.",
                at=self.lake.at,
            )
        return Told(lake=self.lake, repair=repair).carry_out(command)

    def watch(self, command: WatchJobCommand, /) -> Iterator[JobReport]:
        """How far a job is, again whenever that changes, until it has ended."""
        told = None
        while told is None or not told.has_ended:
            known: JobReport = self.tell(command)
            if known != told:
                yield known
            told = known
            if not told.has_ended:
                time.sleep(JobLog(self.lake).poll_s)

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
        """Open every collection and map its impacts; ask one a question whose loops take long.

        They are compiled or loaded for that, which takes seconds in a new installation.
        """
        nearest = {
            n: self._session.collection(n).nearest for n in map(str, self.lake.collections())
        }
        found = next(((name, each) for name, each in nearest.items() if each is not None), None)
        if found is not None:
            name, blocks = found[0], found[1].blocks
            with suppress(InvalidInput):  # it has no features
                docs = (int(blocks[0].docs[0]),)
                self.ask(SimilarQuery(collection=name, docs=docs, k=1)).read_all()

    def preload(self, collection: str) -> None:
        """Load the model of a collection, by a question with a text. Raises as that does."""
        self.ask(SimilarQuery(collection=collection, text="a", k=1)).read_all()

    def in_memory(self) -> InMemory:
        """What is kept in memory between questions, and how fresh."""
        return self._session.in_memory()

    def close(self) -> None:
        """Forget what was read, and let go of those who own pieces."""
        self._earlier.close()
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
