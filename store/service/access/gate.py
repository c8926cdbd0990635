"""What every call goes through: who asks, how often, what he may ask; and it is noted."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeAlias

import grpc

from saelake.store.errors import AccessDenied, PermissionDenied, SaelakeError
from saelake.store.service.access.audit import AuditLog
from saelake.store.service.access.call import RpcCall
from saelake.store.service.access.callers import Callers
from saelake.store.service.access.grants import check_right, granted
from saelake.store.service.access.protection import Access
from saelake.store.service.access.rates import Rates
from saelake.store.service.access.unlogged import keep_headers_unlogged
from saelake.store.service.caller import ANYONE, Caller, set_caller
from saelake.store.service.handlers import Behaviour, parts, written
from saelake.store.service.limits import Limits
from saelake.store.wire import requests
from saelake.store.wire.errors import to_status

HEALTH = "/grpc.health.v1.Health/"  # open to all: those who probe have no token

Context: TypeAlias = Any  # grpc.aio.ServicerContext: grpc has no types


class Gate(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # grpc has no types
    """Lets calls through to their handlers, or refuses them; then `caller()` says who asks."""

    def __init__(self, access: Access, limits: Limits) -> None:
        keep_headers_unlogged()
        self._callers = Callers(access)
        self._rates = Rates(limits)
        self._audit = None
        if access.audit is not None:
            self._audit = AuditLog(access.audit, questions=access.audit_questions)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        """The method's handler behind this gate; that of health is before it."""
        handler = await continuation(handler_call_details)
        method: str = handler_call_details.method
        if handler is None or method.startswith(HEALTH):
            return handler
        return self._guarded(handler, method)

    def close(self) -> None:
        """Close the audit file."""
        if self._audit is not None:
            self._audit.close()

    def _guarded(self, handler: grpc.RpcMethodHandler, method: str) -> grpc.RpcMethodHandler:
        """It, and what it is asked is read only when it is known who asks, but for streams."""
        behaviour, kind = parts(handler)
        reads = handler.request_deserializer
        at_once, later = (reads, None) if handler.request_streaming else (None, reads)

        async def answer(request: Any, context: Context) -> Any:
            return await self._answer(RpcCall(method, request, context, later), behaviour)

        return kind(
            answer,
            request_deserializer=at_once,
            response_serializer=handler.response_serializer,
        )

    async def _answer(self, call: RpcCall, behaviour: Behaviour) -> Any:
        try:
            try:
                await self._admit(call)
            except SaelakeError as error:
                status = to_status(error)
                await call.context.abort(status.code, status.details, status.trailing_metadata)
            return await written(behaviour)(call.message, call.context)
        except BaseException as error:
            call.ended_by = error
            raise
        finally:
            self._note(call)

    async def _admit(self, call: RpcCall) -> None:
        """Raises `AccessDenied`, `PermissionDenied`, `LimitExceeded` and `InvalidInput`."""
        caller = await self._caller(call)
        call.caller = caller
        set_caller(caller)
        self._rates.take(call.peer if caller.name == ANYONE.name else caller.name)
        call.read()
        check_right(caller, call.declared.right)
        if caller.corpora is not None:
            _narrow(caller, call)

    async def _caller(self, call: RpcCall) -> Caller:
        """Who asks. A machine that is refused too often is asked to wait."""
        context = call.context
        try:
            return await self._callers.caller(context.invocation_metadata(), context.auth_context())
        except AccessDenied:
            self._rates.take(call.peer)
            raise

    def _note(self, call: RpcCall) -> None:
        if self._audit is None:
            return
        request = None
        with suppress(SaelakeError):  # which the handler has said
            request = call.request()
        self._audit.write(call.line(), request)


def _narrow(caller: Caller, call: RpcCall) -> None:
    """Let a call ask of granted corpora alone. Raises `PermissionDenied`."""
    if call.declared.of_all:
        raise PermissionDenied(f"{caller.name} may use some corpora only, and ask questions of it.")
    if (request := call.request()) is not None:
        call.message = requests.to_message(granted(caller, request))
