"""What is sent in pieces, as long as they come in time."""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

from saelake.store.errors import DeadlineExceeded
from saelake.store.service.limits import Limits

T = TypeVar("T")


async def timely(pieces: AsyncIterator[T], limits: Limits) -> AsyncIterator[T]:
    """The pieces as they come. Raises `DeadlineExceeded` when the next, or all, take too long."""
    loop = asyncio.get_running_loop()
    ends = loop.time() + limits.upload_s
    coming = aiter(pieces)
    while True:
        try:
            async with asyncio.timeout_at(min(loop.time() + limits.idle_s, ends)):
                piece = await anext(coming)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise DeadlineExceeded(_too_slow(limits, whole=loop.time() >= ends)) from None
        yield piece


def _too_slow(limits: Limits, *, whole: bool) -> str:
    if whole:
        return (
            f"Not all was sent within the {limits.upload_s:g} s that this server takes for that. "
            "Send it in several parts."
        )
    return (
        f"Nothing was sent for the {limits.idle_s:g} s that this server keeps a place for what is "
        "being sent. Send it again."
    )
