"""The engine: every question that can be asked of a lake, answered as Arrow batches.

All faces (Python, command line, gRPC) ask it the same requests, and turn what it answers into
values, text or frames. It raises before the first batch wherever that is possible.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Any

import pyarrow as pa

from saelake.store.codes.executor import Executor
from saelake.store.errors import InvalidInput
from saelake.store.lake.lake import Lake
from saelake.store.lake.tags import check_state
from saelake.store.query.parts.signed import answered
from saelake.store.requests.request import Request
from saelake.store.requests.similar import SimilarQuery
from saelake.store.snapshot.models import Texts
from saelake.store.snapshot.sampled import marked, sample_said
from saelake.store.snapshot.session import DEFAULT_CACHE_BYTES, Session


class Engine:
    """Answers questions about one lake; thread-safe.

    `at` is a tag or a time (ISO 8601): the lake as it was then; raises `NotFound` for a tag that it
    has not. `texts` runs models where a question has a text in it; `cache_bytes` bounds what is
    kept in memory between questions.
    """

    def __init__(
        self,
        uri: str,
        *,
        at: str | None = None,
        texts: Texts | None = None,
        executor: Executor | None = None,
        cache_bytes: int = DEFAULT_CACHE_BYTES,
    ) -> None:
        self.lake = Lake(uri, at)
        if at is not None:
            check_state(Lake(uri), at)
        self._session = Session(self.lake, texts=texts, executor=executor, cache_bytes=cache_bytes)

    @property
    def local_lake(self) -> Lake:
        """The lake, which is in reach of this process."""
        return self.lake

    def ask(self, request: Request, /) -> pa.RecordBatchReader:
        """The answer, with the columns `request.answer`.

        Its schema's metadata has `sample` where it is of a sample of a collection's tokens.
        """
        answer = answered(self._session, request, _answering(request.question))
        return marked(_reader(answer), sample_said(self._session, request))

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
        """Forget what was read."""
        self._session.close()


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
