"""How a method that asks and waits is awaited: it is called again for each answer that it needs.

The methods of collections only make requests, or commands, and values of their answers. Called
first, such a method stops at its first request; called again with the answer, it goes on as if that
had been there. So the awaited faces are the others, not another copy of them.
"""

from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

import pyarrow as pa

from saelake.aio.transports import AsyncTransport
from saelake.store.reports import ServerVersion
from saelake.store.requests.commands.command import Command
from saelake.store.requests.commands.jobs import WatchJobCommand
from saelake.store.requests.request import Request
from saelake.transport import Transport

T = TypeVar("T")


class Awaited(BaseException):
    """A request or command whose answer is not there yet; no error, so that nobody takes it."""

    def __init__(self, asked: Request | Command) -> None:
        self.asked = asked


class Replay:
    """A transport that has these answers to the first requests, and raises `Awaited` then."""

    def __init__(self, answers: Sequence[Any]) -> None:
        self._answers = iter(answers)

    def ask(self, request: Request, /, *, at: str | None = None) -> pa.RecordBatchReader:  # noqa: ARG002
        """The next answer."""
        answer: pa.Table = self._next(request)
        return answer.to_reader()

    def version(self) -> ServerVersion:
        """Nothing that is replayed asks it."""
        raise NotImplementedError

    def tell(self, command: Command, rows: pa.RecordBatchReader | None = None, /) -> Any:
        """The next report."""
        if rows is not None:  # which can be read only once
            raise NotImplementedError
        return self._next(command)

    def watch(self, command: WatchJobCommand, /) -> NoReturn:
        """Nothing that is replayed waits for a job."""
        raise NotImplementedError

    @property
    def local_lake(self) -> NoReturn:
        """Nothing that is replayed asks for it."""
        raise NotImplementedError

    def close(self) -> None:
        """There is nothing to close."""

    def _next(self, asked: Request | Command) -> Any:
        answer = next(self._answers, None)
        if answer is None:
            raise Awaited(asked)
        return answer


async def replayed(transport: AsyncTransport, method: Callable[[Transport], T]) -> T:
    """What a method gives that asks one transport, awaited from another."""
    answers: list[Any] = []  # what is there is neither asked nor told again
    while True:
        try:
            return method(Replay(answers))
        except Awaited as awaited:
            asked = awaited.asked
        if isinstance(asked, Command):
            answers.append(await transport.tell(asked))
        else:
            answers.append(await transport.table(asked))
