"""Labels that wait to be written: many by one commit, while others are still asked for."""

import asyncio
import time
from collections.abc import Callable, Sequence

from saelake.explaining.run.explained import ExplainedFeature
from saelake.store.requests.commands.labels import MOST_LABELS

MOST_WAITING, LONGEST_S = 100, 10.0
MOST_AT_ONCE = MOST_LABELS  # of one commit
Write = Callable[[Sequence[ExplainedFeature]], None]


class LabelBatches:
    """Gives labels to `write`, which runs in a thread, one batch after the other.

    The first is written at once, so that who may not write is told before much was asked.
    """

    def __init__(self, write: Write) -> None:
        self.n_written = 0
        self._write = write
        self._waiting: list[ExplainedFeature] = []
        self._under_way: asyncio.Task[None] | None = None
        self._due_s = 0.0

    async def add(self, explained: ExplainedFeature) -> None:
        """Take a label, and begin to write where there are enough or they wait for long.

        Raises what an earlier write did.
        """
        self._waiting.append(explained)
        if self._under_way is not None and self._under_way.done():
            await self._ended()
        is_due = len(self._waiting) >= MOST_WAITING or time.monotonic() >= self._due_s
        if is_due and self._under_way is None:
            self._begin()

    async def close(self) -> None:
        """Write all that waits. Raises what a write did."""
        await self._ended()
        while self._waiting:
            self._begin()
            await self._ended()

    def _begin(self) -> None:
        batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
        self._due_s = time.monotonic() + LONGEST_S
        self._under_way = asyncio.create_task(self._written(batch))

    async def _written(self, batch: Sequence[ExplainedFeature]) -> None:
        try:
            await asyncio.to_thread(self._write, batch)
        except BaseException:
            self._waiting.clear()  # they would be refused too
            raise
        self.n_written += len(batch)

    async def _ended(self) -> None:
        """Wait for the write under way, which goes on also where this waiting is cancelled."""
        if (under_way := self._under_way) is not None:
            await asyncio.wait({under_way})
            self._under_way = None
            under_way.result()
