"""Calls of our services: each has an id, is told of at its end, and ends when a server stops.

grpc asks an interceptor for a handler for each call, so that what stands in a handler here is of
one call. Calls of health and reflection pass as they are.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any

import grpc

from saelake.store.errors import InvalidInput, SaelakeError, Unavailable
from saelake.store.service.caller import caller
from saelake.store.service.handlers import Answer, parts, written
from saelake.store.service.telemetry.call import REQUEST_ID, Ended, Observer, identify
from saelake.store.wire.errors import to_status
from saelake.store.wire.requests import SERVICE
from saelake.store.wire.unreadable import reading

SECRET = "authorization"  # which no observer is told
OURS = f"/{SERVICE.partition('.')[0]}."  # of any version
LATER = "Ask again: another server, or this one when it is back."

CODES = {code.value[0]: code.name for code in grpc.StatusCode}


class Calls(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # grpc has no types
    """Knows the calls under way, tells observers of each, and ends those that have no more time."""

    def __init__(self, observers: Sequence[Observer] = ()) -> None:
        self._observers = observers
        self._running: set[asyncio.Task[Any]] = set()
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
        if handler is None or not path.startswith(OURS):
            return handler
        metadata = dict(handler_call_details.invocation_metadata)
        return self._handler(handler, _UnderWay(path, metadata))

    def _handler(self, handler: grpc.RpcMethodHandler, call: "_UnderWay") -> grpc.RpcMethodHandler:
        behaviour, kind = parts(handler)
        answer = written(behaviour)
        read = handler.request_deserializer

        async def answered(message: Any, context: Any) -> Any:
            return await self._answered(call, answer, message, _CallContext(context, call))

        return kind(
            answered,
            request_deserializer=reading(read or bytes),
            response_serializer=call.counting(handler.response_serializer or bytes),
        )

    async def _answered(self, call: "_UnderWay", answer: Answer, message: Any, context: Any) -> Any:
        task = asyncio.current_task()
        assert task is not None
        self._begin(call, task)
        try:
            context.set_trailing_metadata(())
            self._admit(message)
            return await answer(message, context)
        except grpc.aio.AbortError:
            raise
        except SaelakeError as error:
            await context.refuse(error)
        except asyncio.CancelledError:
            if not self._is_ending:
                context.broke_off = "CANCELLED"
                raise
            task.uncancel()
            await context.refuse(
                Unavailable(f"The server has stopped and does not answer to the end. {LATER}")
            )
        except Exception:
            context.broke_off = "UNKNOWN"  # what grpc makes of it
            raise
        finally:
            self._end(call, task, message, context)

    def _admit(self, message: Any) -> None:
        if self._is_closed:
            raise Unavailable(f"The server is about to stop and does not answer any more. {LATER}")
        if isinstance(message, InvalidInput):  # see `reading`
            raise message

    def _begin(self, call: "_UnderWay", task: asyncio.Task[Any]) -> None:
        call.id = identify(call.metadata)
        self._running.add(task)
        self._idle.clear()
        for observer in self._observers:
            observer.begins(call.method)

    def _end(self, call: "_UnderWay", task: asyncio.Task[Any], message: Any, context: Any) -> None:
        self._running.discard(task)
        if not self._running:
            self._idle.set()
        ended = call.ended(message, context)
        for observer in self._observers:
            observer.ends(ended)

    def close(self) -> None:
        """Refuse calls from here on, so that clients ask again elsewhere."""
        self._is_closed = True

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

    def __init__(self, path: str, metadata: dict[str, str | bytes]) -> None:
        self._service, _, self.method = path.removeprefix("/").partition("/")
        self.metadata = {name: value for name, value in metadata.items() if name != SECRET}
        self.id = ""
        self.n_bytes = 0
        self._began_ns, self._began = time.time_ns(), time.perf_counter()

    def counting(self, serialize: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
        """Serializes what is sent, and counts its bytes."""

        def serialized(message: Any) -> bytes:
            sent = serialize(message)
            self.n_bytes += len(sent)
            return sent

        return serialized

    def ended(self, message: object, context: "_CallContext") -> Ended:
        return Ended(
            service=self._service,
            method=self.method,
            request_id=self.id,
            caller=caller().name,
            peer=context.peer(),
            message=message,
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
        self.write = context.write
        self.said = self.broke_off = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

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


def _name(code: grpc.StatusCode | int | None) -> str:
    """What a code is called, which grpc gives as a number until it is one of a failure."""
    return str(code.name) if isinstance(code, grpc.StatusCode) else CODES.get(code or 0, "UNKNOWN")
