"""A lake whose questions are awaited."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from saelake.aio.faces import AsyncCollection, AsyncDictionary
from saelake.aio.replay import replayed
from saelake.aio.transports import AsyncAsOf, AsyncTransport
from saelake.answers.jobs import Job, Jobs, job_of
from saelake.answers.lookups import Info, Verification
from saelake.lake import Lake
from saelake.store.format.moments import zoned
from saelake.store.lake.lake import CollectionName
from saelake.store.reports import ServerVersion
from saelake.store.requests.commands.jobs import WatchJobCommand
from saelake.transport import Transport

if TYPE_CHECKING:  # a name in a signature costs nothing until it is used
    from saelake.store.requests.map import MapOf
    from saelake.workers.fleet.options import DictionaryChoice, EncodeOptions


@dataclass(frozen=True, slots=True)
class AsyncLake:
    """A lake, here or behind a server, whose questions are awaited. Made by `saelake.aio.connect`.

    Use it as an asynchronous context manager, or await its `close`. Its collections and
    dictionaries write labels too, and a server's jobs are started, watched and cancelled; what else
    changes a lake is in `saelake.Lake`.
    """

    uri: str
    transport: AsyncTransport
    is_remote: bool
    at: str | None = None

    def __getitem__(self, collection: str) -> AsyncCollection:
        """The collection of this name: `corpus/dictionary`. Raises `InvalidInput`."""
        return AsyncCollection(str(CollectionName.parse(collection)), self.transport)

    def dictionary(self, name: str) -> AsyncDictionary:
        """A dictionary of the lake, by name."""
        return AsyncDictionary(name, self.transport)

    def as_of(self, at: str) -> "AsyncLake":
        """This lake as it was at a tag, a time or the `state` of an answer; see `Lake.as_of`."""
        return replace(self, transport=AsyncAsOf(self.transport, zoned(at)), at=at)

    async def info(self) -> Info:
        """What is in the lake: see `Lake.info`."""
        return await self._asked("info")  # type: ignore[no-any-return]

    async def collections(self) -> list[str]:
        """The names of the collections."""
        return await self._asked("collections")  # type: ignore[no-any-return]

    async def verify(self, collection: str | None = None) -> Verification:
        """Whether the tables of the lake, or of one collection, agree; reads all data."""
        return await self._asked("verify", collection)  # type: ignore[no-any-return]

    async def jobs(self) -> Jobs:
        """The jobs that are known, the latest first: see `Lake.jobs`."""
        return await self._asked("jobs")  # type: ignore[no-any-return]

    async def start_encode(
        self,
        corpus: str,
        *,
        model: str | None = None,
        dictionary: "str | DictionaryChoice | Sequence[str | DictionaryChoice]",
        options: "EncodeOptions | None" = None,
        job: str | None = None,
    ) -> Job:
        """Have a server encode, without waiting for it: see `Lake.start_encode`."""
        given = {"model": model, "dictionary": dictionary, "options": options, "job": job}
        return await self._asked("start_encode", corpus, **given)  # type: ignore[no-any-return]

    async def start_index(self, collection: str, *, job: str | None = None) -> Job:
        """Have a server index, without waiting for it: see `Lake.start_index`."""
        return await self._asked("start_index", collection, job=job)  # type: ignore[no-any-return]

    async def start_embed(
        self, corpus: str, *, model: str | None = None, job: str | None = None
    ) -> Job:
        """Have a server embed a corpus, without waiting for it: see `Lake.start_embed`."""
        found: Job = await self._asked("start_embed", corpus, model=model, job=job)
        return found

    async def start_label(self, collection: str, *, job: str | None = None) -> Job:
        """Have a server label a collection, without waiting for it: see `Lake.start_label`."""
        return await self._asked("start_label", collection, job=job)  # type: ignore[no-any-return]

    async def start_project(
        self,
        collection: str,
        of: "MapOf" = "documents",
        *,
        seed: int = 0,
        job: str | None = None,
    ) -> Job:
        """Have a server make a map, without waiting for it: see `Lake.start_project`."""
        found: Job = await self._asked("start_project", collection, of, seed=seed, job=job)
        return found

    async def watch_job(self, job: str) -> AsyncIterator[Job]:
        """How far a job is, again whenever that changes, until it has ended: see `Lake.watch_job`.

        Raises `NotFound`.
        """
        async for report in self.transport.watch(WatchJobCommand(job=job)):
            yield job_of(report)

    async def cancel_job(self, job: str) -> Job:
        """End a job that a server runs: see `Lake.cancel_job`."""
        return await self._asked("cancel_job", job)  # type: ignore[no-any-return]

    async def version(self) -> ServerVersion:
        """Which program answers, here or on the server, and the state that the lake is in now."""
        return await self.transport.version()

    async def close(self) -> None:
        """Let go of connections."""
        await self.transport.close()

    async def __aenter__(self) -> "AsyncLake":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<AsyncLake {self.uri}>"

    async def _asked(self, method: str, *args: Any, **given: Any) -> Any:
        def called(transport: Transport) -> Any:
            lake = Lake(self.uri, transport, self.is_remote, self.at)
            return getattr(lake, method)(*args, **given)

        return await replayed(self.transport, called)
