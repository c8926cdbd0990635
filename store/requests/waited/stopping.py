"""Work that nobody waits for any more ends where it next looks, which is between two pieces."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")

_IS_UNWANTED: ContextVar[Callable[[], bool] | None] = ContextVar("saelake-unwanted", default=None)


class Stopped(BaseException):
    """What ends work that nobody waits for; no answer, and no failure that anybody handles."""


@contextmanager
def stopping(is_unwanted: Callable[[], bool]) -> Iterator[None]:
    """A block whose work in this thread ends with `Stopped` when it looks and `is_unwanted`."""
    token = _IS_UNWANTED.set(is_unwanted)
    try:
        yield
    finally:
        _IS_UNWANTED.reset(token)


def look() -> None:
    """Raise `Stopped` when nobody waits for what this thread works at."""
    is_unwanted = _IS_UNWANTED.get()
    if is_unwanted is not None and is_unwanted():
        raise Stopped


def wanted(items: Iterable[T]) -> Iterator[T]:
    """The items, for as long as somebody waits."""
    for item in items:
        look()
        yield item
