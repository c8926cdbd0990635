"""An awaited lake as one that waits: what is asked of all faces is asked of it too."""

import asyncio
from collections.abc import Coroutine
from threading import Thread
from typing import Any, NoReturn, TypeVar

import pyarrow as pa

from saelake.aio.bases import _blocking
from saelake.aio.transports import AsyncTransport
from saelake.store.reports import ServerVersion
from saelake.store.requests.commands.command import Command
from saelake.store.requests.commands.jobs import WatchJobCommand
from saelake.store.requests.request import Request

T = TypeVar("T")


class Waiting:
    """A transport that waits for an awaited one, whose event loop has a thread of its own."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="waiting", daemon=True)
        self._thread.start()

    def ask(self, request: Request, /, *, at: str | None = None) -> pa.RecordBatchReader:
        """See `Transport`."""
        if request.cost == "export":
            return _blocking(self._run(self._transport.reader(request, at=at)), self._loop)
        table: pa.Table = self._run(self._transport.table(request, at=at))
        return table.to_reader()

    def version(self) -> ServerVersion:
        """See `Transport`."""
        return self._run(self._transport.version())

    def tell(self, command: Command, rows: pa.RecordBatchReader | None = None, /) -> Any:
        """See `Transport`; rows are not sent by awaited lakes."""
        if rows is not None:
            raise NotImplementedError
        return self._run(self._transport.tell(command))

    def watch(self, command: WatchJobCommand, /) -> NoReturn:
        """Awaited lakes have no jobs."""
        raise NotImplementedError

    @property
    def local_lake(self) -> None:
        """See `Transport`."""

    def close(self) -> None:
        """See `Transport`."""
        self._run(self._transport.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, asked: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(asked, self._loop).result()
