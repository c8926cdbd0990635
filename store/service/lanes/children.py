"""The lane of long answers: processes of their own, one for each that is computed."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Hashable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from saelake.store.service.lanes.asking import Asking
from saelake.store.service.lanes.child import Child
from saelake.store.service.lanes.parcels import ChildSettings
from saelake.store.wire.progress import Part

log = logging.getLogger("saelake.server")

SPARES = 1  # processes that wait, so that an answer need not wait for one to start


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildRoom:
    """What processes are given.

    `n_kept` wait for the next answer, those that have at most `kept_bytes` of memory. One that
    computes has at most `most_bytes`, and `stop_s` to stop when nobody waits for its answer.
    """

    n_kept: int
    kept_bytes: int
    most_bytes: int
    stop_s: float


class ChildLane:
    """Answers in processes of their own, as many as there are answers, and a spare.

    An answer that nobody waits for ends its computing: the process is told, and is killed where it
    has not stopped in time. One that dies costs its own answer only. For one event loop.
    """

    def __init__(self, settings: ChildSettings, room: ChildRoom) -> None:
        self._settings, self._room = settings, room
        self._idle: deque[Child] = deque()
        self._children: set[Child] = set()
        self._starting: set[asyncio.Task[None]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    @property
    def pids(self) -> frozenset[int]:
        """The numbers of the processes that there are."""
        return frozenset(child.pid for child in self._children)

    def prepare(self) -> None:
        """Start spares, where there are too few."""
        for _ in range(SPARES - len(self._idle) - len(self._starting)):
            task = self._later(self._add_spare())
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def answer(
        self,
        asked: Callable[[], Asking],
        caller: str,
        *,
        tells: bool = False,
        kind: Hashable | None = None,
    ) -> AsyncGenerator[Part, None]:
        """See `Lane`."""
        del caller, kind  # who has a place already, and of whom none is quick
        question = await asyncio.get_running_loop().run_in_executor(None, asked)
        child = await self._take()
        self.prepare()
        watching = self._later(child.keep_to(self._room.most_bytes))
        try:
            async with aclosing(child.answer(question, tells=tells)) as parts:
                async for part in parts:
                    yield part
        finally:
            watching.cancel()
            await asyncio.shield(self._later(self._put_back(child)))

    @property
    def is_computing(self) -> bool:
        """No: processes can be ended."""
        return False

    async def close(self) -> None:
        """End all processes."""
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        children = list(self._children)
        for child in children:
            child.kill()
        await asyncio.gather(*map(self._forget, children))

    async def _take(self) -> Child:
        """A process that waits, the last one used first, which has read most; or a new one."""
        while not self._idle and self._starting:
            await asyncio.wait(self._starting, return_when=asyncio.FIRST_COMPLETED)
        while self._idle:
            child = self._idle.pop()
            if child.is_idle:
                return child
            self._later(self._forget(child))
        return await self._started()

    async def _started(self) -> Child:
        child = await Child.start(self._settings)
        self._children.add(child)
        return child

    async def _add_spare(self) -> None:
        try:
            self._idle.appendleft(await self._started())
        except Exception as error:  # an answer that needs one starts it, and is told
            log.warning("A process for analyses did not start: %s", error)

    async def _put_back(self, child: Child) -> None:
        """Let a process wait for the next question, where it can and is one of few."""
        room = self._room
        stopped = child.is_idle or await child.stop(room.stop_s)
        if stopped and len(self._idle) < room.n_kept and child.rss_bytes <= room.kept_bytes:
            self._idle.append(child)
        else:
            child.kill()
            await self._forget(child)
        if not self._is_closed:
            self.prepare()

    async def _forget(self, child: Child) -> None:
        child.kill()
        self._children.discard(child)
        await child.gone()

    def _later(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
