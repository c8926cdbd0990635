"""What the awaited faces have beside questions: names, filters, and what is read in parts."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from typing import Any, Self

import pyarrow as pa

from saelake.aio.replay import replayed
from saelake.aio.transports import AsyncReader, AsyncTransport
from saelake.answers.asking import AsksMore
from saelake.collection import Collection, Path
from saelake.dictionary import Dictionary
from saelake.exports import LabelsForm, write_codes, write_embeddings, write_labels
from saelake.exports.vectors import FeatureKeys, document_lines, numbered_texts, write_vectors
from saelake.store.predicates.grammar import both
from saelake.store.predicates.placed import rest_of
from saelake.store.requests.checks import Pooling
from saelake.store.requests.codes import CodesQuery
from saelake.store.requests.commands.labels import NAMES
from saelake.store.requests.embeddings import EmbeddingsQuery
from saelake.store.requests.request import Request
from saelake.store.requests.texts import TextsQuery
from saelake.transport import Transport


@dataclass(frozen=True, slots=True)
class AwaitedCollection:
    """A collection whose questions are awaited; see `saelake.Collection`."""

    name: str
    transport: AsyncTransport
    filter: str | None = None

    def where(self, predicate: str) -> Self:
        """The documents of this selection that also fulfil an SQL predicate over metadata."""
        return replace(self, filter=both(self.filter, predicate))

    def rest(self) -> Self:
        """The other documents of the collection: see `Collection.rest`."""
        return replace(self, filter=rest_of(self.filter))

    def codes(self, where: str | None = None) -> AsyncIterator[pa.RecordBatch]:
        """Every code of the selection, in batches as they come: see `Collection.codes`."""
        return self._batches(CodesQuery(collection=self.name, where=both(self.filter, where)))

    def embeddings(
        self, where: str | None = None, *, pooling: Pooling = EmbeddingsQuery.pooling
    ) -> AsyncIterator[pa.RecordBatch]:
        """The SAE embedding of each document, in batches: see `Collection.embeddings`."""
        return self._batches(self._embeddings(where, pooling))

    async def export_codes(self, path: Path, *, where: str | None = None) -> int:
        """Write `codes` to a Parquet file, which appears when it is whole; how many rows it has."""
        query = CodesQuery(collection=self.name, where=both(self.filter, where))
        return await self._written(query, lambda rows: write_codes(path, rows))

    async def export_embeddings(
        self, path: Path, *, where: str | None = None, pooling: Pooling = EmbeddingsQuery.pooling
    ) -> int:
        """Write the SAE embeddings to an .npz: see `Collection.export_embeddings`."""
        d_sae = (await self._asked("info")).d_sae or 0
        query = self._embeddings(where, pooling)
        return await self._written(query, lambda rows: write_embeddings(path, rows, d_sae))

    async def export_vectors(
        self,
        path: Path,
        *,
        where: str | None = None,
        pooling: Pooling = EmbeddingsQuery.pooling,
        texts: bool = False,
    ) -> int:
        """Write vectors of documents as JSON lines: see `Collection.export_vectors`."""
        labels = await self._asked("labels", k=None, explainers=[NAMES])
        keys, query = FeatureKeys.of(labels), self._embeddings(where, pooling)
        if not texts:
            return await self._written(
                query, lambda rows: write_vectors(path, document_lines(rows, keys, None))
            )
        of_texts = TextsQuery(corpus=self.name.partition("/")[0], where=both(self.filter, where))
        reader, loop = await self.transport.reader(of_texts), asyncio.get_running_loop()

        def write(rows: pa.RecordBatchReader) -> int:
            beside = numbered_texts(_blocking(reader, loop))
            return write_vectors(path, document_lines(rows, keys, beside))

        try:
            return await self._written(query, write)
        finally:
            await reader.aclose()

    def _embeddings(self, where: str | None, pooling: Pooling) -> EmbeddingsQuery:
        filtered = both(self.filter, where)
        return EmbeddingsQuery(collection=self.name, where=filtered, pooling=pooling)

    async def _batches(self, query: Request) -> AsyncIterator[pa.RecordBatch]:
        reader = await self.transport.reader(query)
        try:
            async for batch in reader:
                yield batch
        finally:
            await reader.aclose()

    async def _written(self, query: Request, write: Callable[[pa.RecordBatchReader], int]) -> int:
        reader = await self.transport.reader(query)
        try:
            return await asyncio.to_thread(write, _blocking(reader, asyncio.get_running_loop()))
        finally:
            await reader.aclose()

    async def _asked(self, method: str, /, *args: Any, **given: Any) -> Any:
        found = await replayed(self.transport, lambda t: _called(self._of(t), method, args, given))
        return found.asking(None) if isinstance(found, AsksMore) else found

    def _of(self, transport: Transport) -> Collection:
        return Collection(self.name, transport, self.filter)


@dataclass(frozen=True, slots=True)
class AwaitedDictionary:
    """A dictionary whose questions are awaited; see `saelake.Dictionary`."""

    name: str
    transport: AsyncTransport

    @property
    def own_name(self) -> str:
        """Its name, without that of a corpus."""
        return self.name.rpartition("/")[2]

    async def export_labels(
        self,
        to: str | PathLike[str],
        *,
        form: LabelsForm = "json",
        source: str | None = None,
        features: int | str | Sequence[int | str] = (),
        explainers: str | Sequence[str] = (),
        every_explainer: bool = False,
        min_score: float | None = None,
    ) -> int:
        """Write labels to a file or a folder: see `Dictionary.export_labels`."""
        found = await self._asked(
            "labels",
            None,
            None,
            features=features,
            explainers=explainers,
            every_explainer=every_explainer,
            min_score=min_score,
        )
        rows = found.to_plain()[found.called]
        name = source or self.own_name
        return await asyncio.to_thread(write_labels, to, rows, form=form, source=name)

    async def _asked(self, method: str, /, *args: Any, **given: Any) -> Any:
        return await replayed(self.transport, lambda t: _called(self._of(t), method, args, given))

    def _of(self, transport: Transport) -> Dictionary:
        return Dictionary(self.name, transport)


def _called(face: Any, method: str, args: tuple[Any, ...], given: Mapping[str, Any]) -> Any:
    """What a method gives, with the collections among its arguments asking as this one does."""
    taken = [_taken(arg, face.transport) for arg in args]
    return getattr(face, method)(*taken, **given)


def _taken(arg: Any, transport: Transport) -> Any:
    of = isinstance(arg, AwaitedCollection | AwaitedDictionary)
    return arg._of(transport) if of else arg


def _blocking(reader: AsyncReader, loop: asyncio.AbstractEventLoop) -> pa.RecordBatchReader:
    """The batches, for a thread that waits for each."""
    batches = aiter(reader)

    async def after() -> pa.RecordBatch | None:
        return await anext(batches, None)

    def waited() -> Iterator[pa.RecordBatch]:
        while (batch := asyncio.run_coroutine_threadsafe(after(), loop).result()) is not None:
            yield batch

    return pa.RecordBatchReader.from_batches(reader.schema, waited())
