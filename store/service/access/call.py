"""A call on its way to its handler, and what is noted of it."""

import time
from collections.abc import Callable
from typing import Any

import grpc

from saelake.store.errors import InvalidInput
from saelake.store.requests.request import Request
from saelake.store.service.access.declared import declared
from saelake.store.service.access.shown import shown_name
from saelake.store.service.caller import Caller
from saelake.store.wire import requests
from saelake.store.wire.unreadable import reading

REQUEST_ID = "x-request-id"


class RpcCall:
    """A call. The message is as it was sent until it is `read`, and may become a narrower one.

    `ended_by` is what its handler raised.
    """

    def __init__(
        self, method: str, message: Any, context: Any, reads: Callable[[bytes], Any] | None
    ) -> None:
        self.message = message
        self.is_read = False
        self._reads = reads
        self.context = context
        self.caller: Caller | None = None
        self.ended_by: BaseException | None = None
        self._begun = time.monotonic()
        self._method = method
        self.declared = declared(method)

    @property
    def peer(self) -> str:
        """The machine that calls."""
        peer: str = self.context.peer()
        return peer.rpartition(":")[0] or peer

    def read(self) -> None:
        """Make a message of what was sent. Raises `InvalidInput`."""
        message = reading(self._reads)(self.message) if self._reads else self.message
        if isinstance(message, InvalidInput):
            raise message
        self.message, self.is_read = message, True

    def request(self) -> Request | None:
        """The question, if it is one and was read. Raises `InvalidInput`."""
        if self.declared.question is None or not self.is_read:
            return None
        return requests.to_request(self.declared.question, self.message)

    def line(self) -> dict[str, Any]:
        """What is noted of it, when it has ended."""
        return {
            "caller": None if self.caller is None else self.caller.name,
            "method": self._method,
            "status": self._status(),
            "ms": round((time.monotonic() - self._begun) * 1000, 1),
            "peer": self.context.peer(),
            **self._request_id(),
        }

    def _status(self) -> str:
        code = self.context.code()
        if code or self.ended_by is None:
            return _code_name(code)
        return "UNKNOWN" if isinstance(self.ended_by, Exception) else "CANCELLED"

    def _request_id(self) -> dict[str, str]:
        sent = dict(self.context.invocation_metadata()).get(REQUEST_ID)
        return {} if sent is None else {"request_id": shown_name(str(sent))}


def _code_name(code: Any) -> str:
    """The name of a status that a grpc context has: none is OK."""
    if code is None:
        return "OK"
    if isinstance(code, grpc.StatusCode):
        return str(code.name)
    return next((str(known.name) for known in grpc.StatusCode if known.value[0] == code), str(code))
