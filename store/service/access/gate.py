"""What every call goes through: who asks, how often, and what he may ask."""

from typing import Any, TypeAlias

from saelake.store.errors import AccessDenied, PermissionDenied, SaelakeError
from saelake.store.service.access.callers import Callers
from saelake.store.service.access.declared import declared
from saelake.store.service.access.grants import check_right, granted
from saelake.store.service.access.protection import Access
from saelake.store.service.access.rates import Rates
from saelake.store.service.access.unlogged import keep_headers_unlogged
from saelake.store.service.access.withheld import withheld
from saelake.store.service.caller import asker_of, caller, machine_of, set_caller
from saelake.store.service.limits import Limits
from saelake.store.wire import requests

Context: TypeAlias = Any  # grpc.aio.ServicerContext: grpc has no types


class Gate:
    """Lets calls through to their handlers, or refuses them."""

    def __init__(self, access: Access, limits: Limits, uri: str = "") -> None:
        keep_headers_unlogged()
        self._callers = Callers(access)
        self._rates = Rates(limits)
        self._uri = uri

    async def identify(self, context: Context) -> None:
        """Find who asks, which `caller()` says from here on.

        A machine that is refused too often is asked to wait. Raises `AccessDenied` and
        `LimitExceeded`.
        """
        sent, shown = context.invocation_metadata(), context.auth_context()
        try:
            set_caller(await self._callers.caller(sent, shown))
        except AccessDenied:
            self._rates.take(machine_of(context))
            raise
        self._rates.take(asker_of(context))

    def admit(self, path: str, message: Any) -> Any:
        """The message of a call of this method, as who asks may send it.

        Raises `PermissionDenied` and, for a question that is none, `InvalidInput`.
        """
        known, of = caller(), declared(path)
        check_right(known, of.right)
        if known.corpora is None:
            return message
        if of.of_all:
            raise PermissionDenied(
                f"{known.name} may use some corpora only, and ask questions of it."
            )
        if of.question is None:
            return message
        return requests.to_message(granted(known, requests.to_request(of.question, message)))

    def told(self, error: SaelakeError) -> SaelakeError:
        """The error, as who asks may be told of it."""
        return withheld(error, caller(), self._uri)
