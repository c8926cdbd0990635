"""Calls: each has an id, passes the gate, is told of at its end, and ends when a server stops.

What a handler raises becomes the status of its call here, and nowhere else. grpc asks an
interceptor for a handler for each call, so that what stands in a handler here is of one call. Calls
of health pass as they are: those who probe have no token.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import grpc

from saelake.store.errors import SaelakeError, Unavailable
from saelake.store.service.access.gate import Gate
from saelake.store.service.arriving import in_time, only, timely
from saelake.store.service.caller import UNKNOWN, caller, set_caller
from saelake.store.service.handlers import Answer, of_stream, parts, written
from saelake.store.service.limits import Limits
from saelake.store.service.telemetry.call import REQUEST_ID, Ended, Observer, identify
from saelake.store.wire.errors import to_status
from saelake.store.wire.unreadable import reading

log = logging.getLogger("saelake.server")

SECRET = "authorization"  # which no observer is told
HEALTH = "/grpc.health.v1.Health/"
LATER = "Ask again: another server, or this one when it is back."

CODES = {code.value[0]: code.name for code in grpc.StatusCode}


class Calls(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # grpc has no types
    """Knows the calls under way, tells observers of each, and ends those that have no more time.

    The `gate` says who asks before anything is read of what he sent, which is to come in time.
    """

    def __init__(self, gate: Gate, limits: Limits, observers: Sequence[Observer] = ()) -> None:
        self._gate = gate
        self._limits = limits
        self._observers = observers
        self._running: set[asyncio.Task[Any]] = set()
        self._expecting: set[asyncio.Task[Any]] = set()  # those whose message has not come
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_closed = self._is_ending = False

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        """The method's handler, with what every call has."""
        handler = await continuation(handler_call_details)
        path: str = handler_call_details.method
        if handler is None or path.startswith(HEALTH):
            return handler if handler is None else in_time(handler, self._limits)
        metadata = dict(handler_call_details.invocation_metadata)
        return self._handler(handler, _UnderWay(path, metadata, handler))

    def _handler(self, handler: grpc.RpcMethodHandler, call: "_UnderWay") -> grpc.RpcMethodHandler:
        answer = written(parts(handler)[0])

        async def answered(sent: Any, context: Any) -> Any:
            return await self._answered(call, answer, sent, _CallContext(context, call))

        return of_stream(handler)(
            answered,
            request_deserializer=call.read if call.is_stream else None,
            response_serializer=call.serialized,
        )

    async def _answered(
        self, call: "_UnderWay", answer: Answer, sent: Any, context: "_CallContext"
    ) -> Any:
        task = asyncio.current_task()
        assert task is not None
        self._begin(call, task)
        try:
            context.set_trailing_metadata(())
            return await answer(await self._admitted(call, sent, context), context)
        except grpc.aio.AbortError:
            raise
        except SaelakeError as error:
            await context.refuse(self._gate.told(error))
        except asyncio.CancelledError:
            if not (self._is_ending or call.came_too_late):
                context.broke_off = "CANCELLED"
                raise
            task.uncancel()
            await context.refuse(_stopping() if call.came_too_late else _stopped())
        except Exception:
            log.exception("A call of %s failed", call.method)
            said = f"The server failed at this; its log says more, under {call.id}."
            await context.abort(grpc.StatusCode.INTERNAL, said)
        finally:
            self._end(call, task, context)

    async def _admitted(self, call: "_UnderWay", sent: Any, context: "_CallContext") -> Any:
        """What the handler is given: read when it is known who asks, and what he may ask of it."""
        if self._is_closed:
            raise _stopping()
        await self._gate.identify(context)
        if call.is_stream:
            self._gate.admit(call.path, None)
            return call.noting(timely(sent, self._limits))
        call.message = call.read(await self._sent(call, sent))  # noted also where it is refused
        call.message = self._gate.admit(call.path, call.message)
        return call.message

    async def _sent(self, call: "_UnderWay", messages: AsyncIterator[bytes]) -> bytes:
        """The one message of a call."""
        task = asyncio.current_task()
        assert task is not None
        self._expecting.add(task)
        try:
            return await only(messages, self._limits)
        except asyncio.CancelledError:
            call.came_too_late = self._is_closed
            raise
        finally:
            self._expecting.discard(task)

    def _begin(self, call: "_UnderWay", task: asyncio.Task[Any]) -> None:
        call.id = identify(call.metadata)
        set_caller(UNKNOWN)
        self._running.add(task)
        self._idle.clear()
        for observer in self._observers:
            observer.begins(call.method)

    def _end(self, call: "_UnderWay", task: asyncio.Task[Any], context: "_CallContext") -> None:
        self._running.discard(task)
        if not self._running:
            self._idle.set()
        ended = call.ended(context)
        for observer in self._observers:
            observer.ends(ended)

    def close(self) -> None:
        """Refuse calls from here on, and those that sent no message: clients ask elsewhere."""
        self._is_closed = True
        for task in self._expecting:
            task.cancel()

    async def finished(self, seconds: float) -> bool:
        """Wait for the calls under way, as long as that; whether all have ended."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        return not self._running

    async def end(self) -> None:
        """End the calls under way: their callers are told that the server is gone."""
        self._is_ending = True
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


class _UnderWay:
    """A call that is under way."""

    def __init__(
        self, path: str, metadata: dict[str, str | bytes], handler: grpc.RpcMethodHandler
    ) -> None:
        self.path = path
        self._service, _, self.method = path.removeprefix("/").partition("/")
        self.metadata = {name: value for name, value in metadata.items() if name != SECRET}
        self.id = ""
        self.message: Any = None
        self.came_too_late = False
        self.is_stream: bool = handler.request_streaming
        self.read = reading(handler.request_deserializer or bytes)
        self._serialize = handler.response_serializer or bytes
        self.n_bytes = 0
        self._began_ns, self._began = time.time_ns(), time.perf_counter()

    def serialized(self, message: Any) -> bytes:
        """A message as it is sent, of which the bytes are counted."""
        sent: bytes = self._serialize(message)
        self.n_bytes += len(sent)
        return sent

    async def noting(self, messages: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """The messages of a stream, of which the first is kept."""
        async for message in messages:
            if self.message is None:
                self.message = message
            yield message

    def ended(self, context: "_CallContext") -> Ended:
        return Ended(
            service=self._service,
            method=self.method,
            request_id=self.id,
            caller=caller().name or None,
            peer=context.peer(),
            message=self.message,
            code=context.code_name(),
            details=context.said,
            n_bytes=self.n_bytes,
            began_ns=self._began_ns,
            seconds=time.perf_counter() - self._began,
            metadata=self.metadata,
        )


class _CallContext:
    """A call's context, with the call's id in what is sent last; all else is grpc's own."""

    def __init__(self, context: Any, call: _UnderWay) -> None:
        self._context = context
        self._call = call
        self.said = self.broke_off = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def write(self, message: Any) -> None:
        try:
            await self._context.write(message)
        except grpc.aio.InternalError:
            raise asyncio.CancelledError from None  # grpc has not told us yet: the caller is gone

    def set_trailing_metadata(self, metadata: Sequence[tuple[str, str | bytes]]) -> None:
        self._context.set_trailing_metadata(self._with_id(metadata))

    async def abort(self, code: Any, details: str = "", trailing_metadata: Any = ()) -> None:
        self.said = details
        await self._context.abort(code, details, self._with_id(trailing_metadata))

    async def refuse(self, error: SaelakeError) -> None:
        """Abort with what says this error."""
        status = to_status(error)
        await self.abort(status.code, status.details, status.trailing_metadata)

    def code_name(self) -> str:
        """How the call ended, by grpc's name."""
        return self.broke_off or _name(self._context.code())

    def _with_id(self, metadata: Any) -> tuple[tuple[str, str | bytes], ...]:
        return (*(metadata or ()), (REQUEST_ID, self._call.id))


def _stopping() -> Unavailable:
    return Unavailable(f"The server is about to stop and does not answer any more. {LATER}")


def _stopped() -> Unavailable:
    return Unavailable(f"The server has stopped and does not answer to the end. {LATER}")


def _name(code: grpc.StatusCode | int | None) -> str:
    """What a code is called, which grpc gives as a number until it is one of a failure."""
    return str(code.name) if isinstance(code, grpc.StatusCode) else CODES.get(code or 0, "UNKNOWN")
