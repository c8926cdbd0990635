"""Who answers the questions of the query benchmark: each gives the same rows."""

from typing import Any, Protocol, TypeAlias

import pyarrow as pa

import saelake
from saelake.store.engine import Engine
from saelake.store.requests.tokens import TokensQuery
from saelake.transport import Transport

EMBEDDED = "saelake embedded"

Hit = dict[str, Any]
Answer: TypeAlias = pa.Table | list[Hit]  # whichever is at hand first


class Contender(Protocol):
    """Something that can be asked for the strongest documents of a feature."""

    @property
    def name(self) -> str:
        """What its rows are called."""

    def top(self, feature: int, k: int, context: int, where: str | None) -> Answer:
        """The k strongest documents, ties by document: the columns of `query.hits.hits_schema`."""


def hits(answer: Answer) -> list[Hit]:
    """An answer's rows."""
    return answer if isinstance(answer, list) else answer.to_pylist()


class Saelake:
    """saelake: its engine in this process, or a server of it."""

    def __init__(self, name: str, transport: Transport, collection: str) -> None:
        self.name = name
        self._transport = transport
        self._collection = collection

    @classmethod
    def embedded(cls, uri: str, collection: str) -> "Saelake":
        """The engine in this process."""
        return cls(EMBEDDED, Engine(uri), collection)

    @classmethod
    def served(cls, target: str, collection: str) -> "Saelake":
        """A server, asked by gRPC."""
        return cls("saelake server", saelake.connect(target).transport, collection)

    def top(self, feature: int, k: int, context: int, where: str | None) -> pa.Table:
        """All hits, read to the end."""
        query = TokensQuery(
            collection=self._collection,
            expression=str(feature),
            k=k,
            context=context,
            where=where,
        )
        return self._transport.ask(query).read_all()
