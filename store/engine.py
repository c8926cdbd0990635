"""The engine: every question that can be asked of a lake, answered as Arrow batches.

All faces (Python, command line, gRPC) ask it the same requests, and turn what it answers into
values, text or frames. It raises before the first batch wherever that is possible.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, TypeAlias

import pyarrow as pa

from saelake.store import requests as ask
from saelake.store.codes.executor import Executor
from saelake.store.errors import NotFound
from saelake.store.health.verify import verify
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.lake.tags import check_state
from saelake.store.query.document import document
from saelake.store.query.export import export_codes, export_embeddings
from saelake.store.query.features import features
from saelake.store.query.info import info
from saelake.store.query.parts.hits import hits
from saelake.store.query.parts.search import search
from saelake.store.snapshot.models import Texts
from saelake.store.snapshot.session import DEFAULT_CACHE_BYTES, Session
from saelake.store.tables.tables import Table

Answer: TypeAlias = Any  # an Arrow table, batch or reader


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

    def ask(self, request: ask.Request, /) -> pa.RecordBatchReader:
        """The answer, with the columns that stand at its method in proto/v1/lake.proto."""
        answer = _ANSWERS[type(request)](self._session, request)
        if isinstance(answer, pa.RecordBatch):
            return pa.RecordBatchReader.from_batches(answer.schema, [answer])
        return answer.to_reader() if isinstance(answer, pa.Table) else answer

    def close(self) -> None:
        """Forget what was read."""
        self._session.close()


def _tokens(session: Session, query: ask.TokensQuery) -> Answer:
    collection = session.collection(query.collection)
    return hits(collection, search(collection, query), query.context)


def _features(session: Session, query: ask.FeaturesQuery) -> Answer:
    collection = session.collection(query.collection)
    try:
        table = Table.open(session.lake.features(collection.name))
    except NotFound:
        table = None
    return features(collection, table, query)


def _document(session: Session, query: ask.DocumentQuery) -> Answer:
    return document(session.collection(query.collection), query)


def _codes(session: Session, query: ask.CodesQuery) -> Answer:
    return export_codes(session.collection(query.collection), query)


def _embeddings(session: Session, query: ask.EmbeddingsQuery) -> Answer:
    return export_embeddings(session.collection(query.collection), query)


def _info(session: Session, _: ask.InfoQuery) -> Answer:
    return info(session.lake)


def _verify(session: Session, query: ask.VerifyQuery) -> Answer:
    named = None if query.collection is None else CollectionName.parse(query.collection)
    return verify(session.lake, named)


def _analysis(name: str) -> Callable[[Session, Any], Answer]:
    """An analysis, imported when it is first asked for: not every process needs its libraries."""

    def answer(session: Session, query: Any) -> Answer:
        module = import_module(f"saelake.store.query.{name}")
        answered: Answer = getattr(module, name)(session, query)
        return answered

    return answer


_ANSWERS: Mapping[type[Any], Callable[[Session, Any], Answer]] = {
    ask.TokensQuery: _tokens,
    ask.FeaturesQuery: _features,
    ask.DocumentQuery: _document,
    ask.CodesQuery: _codes,
    ask.EmbeddingsQuery: _embeddings,
    ask.InfoQuery: _info,
    ask.VerifyQuery: _verify,
    ask.SimilarQuery: _analysis("similar"),
    ask.RetrieveQuery: _analysis("retrieve"),
    ask.SelectQuery: _analysis("select"),
    ask.DiffQuery: _analysis("diff"),
    ask.AssociateQuery: _analysis("associate"),
    ask.CorrelationsQuery: _analysis("correlations"),
    ask.ClustersQuery: _analysis("clusters"),
    ask.MatchQuery: _analysis("match"),
    ask.FamiliesQuery: _analysis("families"),
    ask.LabelsQuery: _analysis("labels"),
    ask.NeighborsQuery: _analysis("neighbors"),
}
