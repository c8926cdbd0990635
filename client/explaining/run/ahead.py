"""Items that are made ahead of who takes them, by a thread that nobody waits for."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _MadeAhead:
    """An item, or what was raised in its place; the end has neither."""

    item: Any = None
    error: BaseException | None = None
    is_end: bool = False


class Ahead(Generic[T]):
    """The items of an iterator, at most so many ahead; `async with` ends the thread.

    All of them are made by one thread.
    """

    def __init__(self, items: Iterator[T], at_most: int) -> None:
        self._items = items
        self._room = threading.Semaphore(at_most)
        self._made: asyncio.Queue[_MadeAhead] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._is_closed = False
        self._thread = threading.Thread(target=self._make, name="evidence", daemon=True)

    async def __aenter__(self) -> "Ahead[T]":
        self._thread.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_closed = True
        self._room.release()
        await asyncio.to_thread(self._thread.join)

    async def items(self) -> AsyncGenerator[T, None]:
        """They, in order. Raises what the iterator did."""
        while not (made := await self._made.get()).is_end:
            if made.error is not None:
                raise made.error
            yield made.item
            self._room.release()

    def _make(self) -> None:
        try:
            for item in self._with_room():
                self._give(_MadeAhead(item=item))
            self._give(_MadeAhead(is_end=True))
        except BaseException as error:
            self._give(_MadeAhead(error=error))

    def _with_room(self) -> Iterator[T]:
        while self._room.acquire() and not self._is_closed:
            item = next(self._items, self)
            if item is self:
                return
            yield item  # type: ignore[misc]  # it is no end, so it is an item

    def _give(self, made: _MadeAhead) -> None:
        with suppress(RuntimeError):  # of a loop that was closed without us
            self._loop.call_soon_threadsafe(self._made.put_nowait, made)
