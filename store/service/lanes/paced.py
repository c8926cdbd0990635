"""Answers whose progress is told a few times a second, however often it is made."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import suppress

from saelake.store.requests.waited.pace import Pace
from saelake.store.requests.waited.progress import EVERY_S, Progress
from saelake.store.wire.progress import Part


async def paced(
    parts: AsyncGenerator[Part, None], every_s: float = EVERY_S
) -> AsyncGenerator[Part, None]:
    """The parts of an answer, of what is told between them only what `Pace` lets through.

    What is held back comes when it is due, also while nothing else does, and before a frame.
    """
    pace, loop = Pace(every_s), asyncio.get_running_loop()
    coming = loop.create_task(_next(parts))
    try:
        while True:
            await asyncio.wait({coming}, timeout=pace.wait_s(time.monotonic()))
            if not coming.done():
                for progress in pace.taken(time.monotonic()):
                    yield progress
                continue
            part = coming.result()
            if isinstance(part, Progress):
                pace.hold(part)
            else:
                for progress in pace.taken(time.monotonic()):
                    yield progress
                if part is None:
                    return
                yield part
            coming = loop.create_task(_next(parts))
    finally:
        coming.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await coming
        await parts.aclose()


async def _next(parts: AsyncGenerator[Part, None]) -> Part | None:
    return await anext(parts, None)
