"""Awaited work for those who do not await: in a loop of its own, also where one runs already."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def waited(work: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, R]:
    """The function that waits for this one; at an interrupt, until the work has ended too."""

    @wraps(work)
    def wait(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(work(*args, **kwargs))
        return _elsewhere(work(*args, **kwargs))  # in a notebook, whose thread has a loop

    return wait


def _elsewhere(work: Coroutine[Any, Any, R]) -> R:
    """What the work gives, done by a thread."""
    loop, has_ended = asyncio.new_event_loop(), threading.Event()

    async def whole() -> R:
        try:
            return await work
        finally:
            has_ended.set()

    thread = threading.Thread(target=loop.run_forever, name="explaining", daemon=True)
    thread.start()
    given = asyncio.run_coroutine_threadsafe(whole(), loop)
    try:
        return given.result()
    except BaseException:
        given.cancel()
        has_ended.wait()
        raise
    finally:
        asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
