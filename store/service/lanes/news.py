"""What a thread tells while an event loop waits for its work."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from saelake.store.requests.waited.progress import Progress

T = TypeVar("T")


class News:
    """How far a thread's work is, for one event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._told: asyncio.Queue[Progress | None] = asyncio.Queue()

    def tell(self, progress: Progress) -> None:
        """Take what the thread tells."""
        with suppress(RuntimeError):  # of a loop that has ended
            self._loop.call_soon_threadsafe(self._told.put_nowait, progress)

    async def beside(self, work: Coroutine[Any, Any, T]) -> AsyncGenerator[Progress | T, None]:
        """What is told while something is awaited, and then that itself; closed, it ends it."""
        task = self._loop.create_task(work)
        task.add_done_callback(lambda _: self._told.put_nowait(None))
        try:
            while (progress := await self._told.get()) is not None:
                yield progress
            yield task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
