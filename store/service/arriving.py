"""What is sent, as long as it comes in time: the one message of a call, or the pieces of a stream.

grpc calls a handler of one message when that is there, and waits for it without an end. So those
handlers too are made of streams here, of which one message is read.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any, TypeVar

import grpc

from saelake.store.errors import DeadlineExceeded, InvalidInput, SaelakeError
from saelake.store.service.handlers import of_stream, parts, written
from saelake.store.service.limits import Limits
from saelake.store.wire.errors import to_status

T = TypeVar("T")


class InTime(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # grpc has no types
    """Ends calls of one message that does not come, of a server that has no `Calls`."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        """The method's handler, with an end to its patience."""
        handler = await continuation(handler_call_details)
        return None if handler is None else in_time(handler, self._limits)


def in_time(handler: grpc.RpcMethodHandler, limits: Limits) -> grpc.RpcMethodHandler:
    """The handler, which waits for its one message up to `idle_s`; one of a stream stays."""
    if handler.request_streaming:
        return handler
    answer = written(parts(handler)[0])

    async def answered(sent: AsyncIterator[Any], context: Any) -> Any:
        try:
            message = await only(sent, limits)
        except SaelakeError as error:
            status = to_status(error)
            await context.abort(status.code, status.details, status.trailing_metadata)
        return await answer(message, context)

    return of_stream(handler)(
        answered,
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )


async def only(messages: AsyncIterator[T], limits: Limits) -> T:
    """The message of a call that has one. Raises `DeadlineExceeded` where it takes too long."""
    async with aclosing(timely(messages, limits)) as coming:
        async for message in coming:
            return message
    raise InvalidInput("The call was closed without a message.")


async def timely(pieces: AsyncIterator[T], limits: Limits) -> AsyncGenerator[T, None]:
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
