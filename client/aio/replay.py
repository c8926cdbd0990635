"""How a method that asks and waits is awaited: it is called again for each answer that it needs.

The methods of collections only make requests, or commands, and values of their answers. Called
first, such a method stops at its first request; called again with the answer, it goes on as if that
had been there. So the awaited faces are the others, not another copy of them.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import pyarrow as pa

from saelake.aio.transports import AsyncTransport
from saelake.store.requests.commands.command import Command
from saelake.store.requests.request import Request
from saelake.transport import Transport

T = TypeVar("T")


class Awaited(BaseException):
    """A request or command whose answer is not there yet; no error, so that nobody takes it."""

    def __init__(self, asked: Request | Command) -> None:
        self.asked = asked


class Replay:
    """What of a `Transport` asks and tells: it has the first answers, and raises `Awaited` then."""

    def __init__(self, answers: Sequence[Any]) -> None:
        self._answers = iter(answers)

    def ask(self, request: Request, /, *, at: str | None = None) -> pa.RecordBatchReader:  # noqa: ARG002
        """The next answer."""
        answer: pa.Table = self._next(request)
        return answer.to_reader()

    def tell(self, command: Command, /) -> Any:
        """The next report."""
        return self._next(command)

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
            return method(cast("Transport", Replay(answers)))  # of which methods use no more
        except Awaited as awaited:
            asked = awaited.asked
        if isinstance(asked, Command):
            answers.append(await transport.tell(asked))
        else:
            answers.append(await transport.table(asked))
