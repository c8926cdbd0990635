"""Questions of a browser: with its token, and for as long as it waits."""

import asyncio
from collections.abc import Awaitable
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from saelake.aio.faces import AsyncCollection
from saelake.aio.lake import AsyncLake
from saelake.store.errors import AccessDenied, InvalidInput, PermissionDenied, SaelakeError
from saelake.web.security import token_of

T = TypeVar("T")


class BrowserLeft(Exception):
    """Nobody waits for the answer any more."""


async def asked(request: Request, question: Awaitable[T]) -> T:
    """The answer. A browser that leaves ends the question, and with it what the server computes.

    Raises `BrowserLeft`, which needs no answer.
    """
    answer = asyncio.ensure_future(question)
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait((answer, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise BrowserLeft
        return answer.result()
    finally:
        answer.cancel()
        leaving.cancel()


Tried = tuple[T, None] | tuple[None, SaelakeError]


async def tried(request: Request, question: Awaitable[T]) -> Tried[T]:
    """The answer, or why there is none, for who tells it beside a form.

    Raises `AccessDenied` of a caller who must sign in, and `BrowserLeft`.
    """
    return await asked(request, attempted(question))


async def attempted(question: Awaitable[T]) -> Tried[T]:
    """What `tried` gives, of one of several questions that are asked at once."""
    try:
        return await question, None
    except PermissionDenied as error:
        return None, error
    except AccessDenied:
        raise
    except SaelakeError as error:
        return None, error


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def lake(request: Request) -> AsyncLake:
    """The lake, as whoever asks may see it."""
    found: AsyncLake = await request.app.state.lakes.of(token_of(request))
    return found


AskedLake = Annotated[AsyncLake, Depends(lake)]


async def collection(corpus: str, dictionary: str, found: AskedLake) -> AsyncCollection:
    """The collection that the address names."""
    return found[f"{corpus}/{dictionary}"]


def other_collection(lake: AsyncLake, name: str) -> AsyncCollection:
    """The collection that a field of a form names. Raises `InvalidInput`."""
    if name.count("/") != 1:
        raise InvalidInput(f"{name!r} is no collection: write corpus/dictionary.")
    return lake[name]


AskedCollection = Annotated[AsyncCollection, Depends(collection)]
