"""How a method that asks and waits is awaited: it is called again for each answer that it needs.

The methods of collections only make requests, and values of their answers. Called first, such a
method stops at its first request; called again with the answer, it goes on as if that had been
there. So the awaited faces are the others, not another copy of them.
"""

from collections.abc import Callable, Sequence
from typing import NoReturn, TypeVar

import pyarrow as pa

from saelake.aio.transports import AsyncTransport
from saelake.store.reports import ServerVersion
from saelake.store.requests.commands.command import Command
from saelake.store.requests.commands.jobs import WatchJobCommand
from saelake.store.requests.request import Request
from saelake.transport import Transport

T = TypeVar("T")


class Awaited(BaseException):
    """A request whose answer is not there yet; no error, so that nobody takes it for one."""

    def __init__(self, request: Request) -> None:
        self.request = request


class Replay:
    """A transport that has these answers to the first requests, and raises `Awaited` then."""

    def __init__(self, answers: Sequence[pa.Table]) -> None:
        self._answers = iter(answers)

    def ask(self, request: Request, /, *, at: str | None = None) -> pa.RecordBatchReader:  # noqa: ARG002
        """The next answer."""
        answer = next(self._answers, None)
        if answer is None:
            raise Awaited(request)
        return answer.to_reader()

    def version(self) -> ServerVersion:
        """Nothing that is replayed asks it."""
        raise NotImplementedError

    def tell(self, command: Command, rows: pa.RecordBatchReader | None = None, /) -> NoReturn:
        """Nothing that is replayed changes anything."""
        raise NotImplementedError

    def watch(self, command: WatchJobCommand, /) -> NoReturn:
        """Nothing that is replayed waits for a job."""
        raise NotImplementedError

    @property
    def local_lake(self) -> NoReturn:
        """Nothing that is replayed asks for it."""
        raise NotImplementedError

    def close(self) -> None:
        """There is nothing to close."""


async def replayed(transport: AsyncTransport, method: Callable[[Transport], T]) -> T:
    """What a method gives that asks one transport, awaited from another."""
    answers: list[pa.Table] = []
    while True:
        try:
            return method(Replay(answers))
        except Awaited as awaited:
            request = awaited.request
        answers.append(await transport.table(request))
