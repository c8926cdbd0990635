"""What every lane does."""

from collections.abc import AsyncGenerator, Callable, Hashable
from typing import Protocol

from saelake.store.service.lanes.asking import Asking
from saelake.store.wire.progress import Part


class Lane(Protocol):
    """Computes answers off the event loop, but for those that take no time."""

    def answer(
        self,
        asked: Callable[[], Asking],
        caller: str,
        *,
        tells: bool = False,
        kind: Hashable | None = None,
    ) -> AsyncGenerator[Part, None]:
        """The frames of an answer, each made when it is asked for.

        Where it `tells`, how far it is comes between them. `asked` is called off the loop, unless
        the question is of a `kind` that takes no time. The computing ends when the iterator is
        closed. Raises what the question raises, and `Crashed` where what computed is gone.
        """

    @property
    def is_computing(self) -> bool:
        """Whether something is computed that closing does not end."""

    def prepare(self) -> None:
        """Make ready what an answer would wait for."""

    async def close(self) -> None:
        """End what is computed."""
