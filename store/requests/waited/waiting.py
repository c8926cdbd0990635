"""Whether work may wait: for storage, or for what another thread is about to have."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar


class WouldWait(BaseException):
    """What ends work that would have to wait where it may not; no answer, and no failure."""


class Waits:
    """Notes whether work waited; where it must not wait, that ends it with `WouldWait`."""

    def __init__(self, *, may: bool) -> None:
        self._may = may
        self.were = False

    def note(self) -> None:
        """Work is about to wait."""
        self.were = True
        if not self._may:
            raise WouldWait


_WAITS: ContextVar[Waits | None] = ContextVar("saelake-waits", default=None)


@contextmanager
def noting(waits: Waits) -> Iterator[None]:
    """A block whose work in this thread says before it waits."""
    token = _WAITS.set(waits)
    try:
        yield
    finally:
        _WAITS.reset(token)


def wait() -> None:
    """Say that what follows waits. Raises `WouldWait` where it may not."""
    waits = _WAITS.get()
    if waits is not None:
        waits.note()
