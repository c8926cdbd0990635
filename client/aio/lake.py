"""A lake whose questions are awaited."""

from dataclasses import dataclass, replace
from typing import Any

from saelake.aio.faces import AsyncCollection, AsyncDictionary
from saelake.aio.replay import replayed
from saelake.aio.transports import AsyncAsOf, AsyncTransport
from saelake.answers.lookups import Info, Verification
from saelake.lake import Lake
from saelake.store.format.moments import zoned
from saelake.store.lake.lake import CollectionName
from saelake.store.reports import ServerVersion


@dataclass(frozen=True, slots=True)
class AsyncLake:
    """A lake, here or behind a server, whose questions are awaited. Made by `saelake.aio.connect`.

    Use it as an asynchronous context manager, or await its `close`. Its collections and
    dictionaries write labels too; what else changes a lake is in `saelake.Lake`.
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

    async def _asked(self, method: str, *args: Any) -> Any:
        return await replayed(
            self.transport,
            lambda t: getattr(Lake(self.uri, t, self.is_remote, self.at), method)(*args),
        )
