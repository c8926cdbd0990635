"""Work on many items, with a bound on what is under way."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")
Source = Iterable[T] | AsyncIterable[T]
_END: Any = object()


async def awaited(source: Source[T]) -> AsyncGenerator[T, None]:
    """The items, each made when it is asked for; an iterator that waits does so in a thread."""
    if isinstance(source, AsyncIterable):
        async for item in source:
            yield item
    elif isinstance(source, Sequence):
        for item in source:
            yield item
    else:
        iterator = iter(source)
        while (made := await asyncio.to_thread(next, iterator, _END)) is not _END:
            yield made


class Flow(Generic[T, R]):
    """Work on the items of a source: `at_most` are under way, or done and not yet taken.

    One item more is made meanwhile. Where work raises, what is under way is cancelled and the error
    raised; but with an error of `ends_with` nothing more is begun, and what is under way is done
    and given before that is raised.
    """

    def __init__(
        self,
        source: Source[T],
        work: Callable[[T], Coroutine[Any, Any, R]],
        at_most: int,
        ends_with: tuple[type[Exception], ...] = (),
    ) -> None:
        self._items = awaited(source)
        self._work, self._at_most, self._ends_with = work, at_most, ends_with
        self._under_way: set[asyncio.Task[R]] = set()
        self._following: asyncio.Task[T] | None = None
        self._is_ended = False
        self._ended_by: BaseException | None = None

    async def results(self) -> AsyncGenerator[R, None]:
        """What the work gives, as it is done. Raises what the work or the source does."""
        try:
            while await self._goes_on():
                for result in self._done():
                    yield result
            if self._ended_by is not None:
                raise self._ended_by
        finally:
            await self._cancel()

    async def _goes_on(self) -> bool:
        """Wait until something is done, and begin what there is room for; False at the end."""
        if self._following is None and not self._is_ended:
            self._following = asyncio.create_task(self._next())
        waited: set[asyncio.Task[Any]] = {*self._under_way}
        has_room = len(self._under_way) < self._at_most and not self._is_ended
        if self._following is not None and has_room:
            waited.add(self._following)
        if waited:
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if self._following in waited and self._following is not None and self._following.done():
            self._begin(self._following)
        return bool(waited)

    async def _next(self) -> T:
        return await anext(self._items, _END)

    def _begin(self, following: "asyncio.Task[T]") -> None:
        self._following = None
        if (item := following.result()) is _END:
            self._is_ended = True
        else:
            self._under_way.add(asyncio.create_task(self._work(item)))

    def _done(self) -> list[R]:
        """What was done since. Raises what ends all at once."""
        done = [task for task in self._under_way if task.done()]
        self._under_way.difference_update(done)
        for error in [error for task in done if (error := task.exception()) is not None]:
            if not isinstance(error, self._ends_with):
                raise error
            self._is_ended, self._ended_by = True, self._ended_by or error
        return [task.result() for task in done if task.exception() is None]

    async def _cancel(self) -> None:
        following = [] if self._following is None else [self._following]
        left: list[asyncio.Task[Any]] = [*self._under_way, *following]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._items.aclose()
