"""Who asks: by the token of a call, or by the certificate of its connection."""

import asyncio
import hmac
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from saelake.store.errors import AccessDenied, extra
from saelake.store.service.access.certificates import AuthContext, subjects
from saelake.store.service.access.protection import Access
from saelake.store.service.access.register_file import check_outside, read_register
from saelake.store.service.access.shown import shown_name
from saelake.store.service.access.tokens import LONGEST_TOKEN
from saelake.store.service.access.watched import Watched
from saelake.store.service.caller import ANYONE, Caller

# One for every way in which a token is not good: which it is helps only who tries.
REFUSED = (
    "The token is missing, wrong or expired: set SAELAKE_TOKEN, or give token= or --token-file."
)
HOLDER_OF_THE_TOKEN = Caller(name="token", right="admin")  # of the one in --token-file

Metadata = Sequence[tuple[str, str | bytes]]


class Callers:
    """Everybody whom a server knows. What files say is read anew when they change.

    Raises `NotFound` and `InvalidInput` for files that are none, and for tokens in a lake.
    """

    def __init__(self, access: Access) -> None:
        if access.tokens is not None:
            check_outside(access.tokens.expanduser())
        self._access = access
        self._register = None if access.tokens is None else Watched(access.tokens, read_register)
        self._issued = None
        if access.issuer is not None:
            with extra("auth", "Tokens of an issuer"):
                from saelake.store.service.access.issued import IssuedTokens
            self._issued = IssuedTokens(access.issuer)

    async def caller(self, metadata: Metadata, context: AuthContext) -> Caller:
        """Who asks. Raises `AccessDenied`."""
        tokens = list(_tokens(metadata))
        if tokens and self._access.takes_tokens:
            return await self._by_token(tokens)
        shown = subjects(context)
        if known := self._by_certificate(shown):
            return known
        if self._access.takes_tokens:
            raise AccessDenied(REFUSED)
        if self._access.client_ca is not None:
            return Caller(name=shown_name(shown[0].removeprefix("CN=")) if shown else "certificate")
        return ANYONE

    async def _by_token(self, tokens: Sequence[str]) -> Caller:
        token, *others = tokens
        if others or len(token) > LONGEST_TOKEN:
            raise AccessDenied(REFUSED)
        known = self._by_our_token(token)
        if known is None and self._issued is not None and token.count(".") == 2:
            known = await self._by_issued(token)
        if known is None:
            raise AccessDenied(REFUSED)
        return known

    def _by_our_token(self, token: str) -> Caller | None:
        one = self._access.token
        if one is not None and hmac.compare_digest(token.encode(errors="replace"), one.encode()):
            return HOLDER_OF_THE_TOKEN
        if self._register is None:
            return None
        return self._register.value().of_token(token, datetime.now(UTC))

    async def _by_issued(self, token: str) -> Caller:
        assert self._issued is not None
        try:
            if self._access.issuer is not None and self._access.issuer.is_remote:
                return await asyncio.to_thread(self._issued.caller, token)
            return self._issued.caller(token)
        except AccessDenied as error:
            raise AccessDenied(REFUSED) from error

    def _by_certificate(self, shown: Iterable[str]) -> Caller | None:
        if self._register is None:
            return None
        return self._register.value().of_subjects(shown, datetime.now(UTC))


def _tokens(metadata: Metadata) -> Iterable[str]:
    """What is sent as a bearer token, as text."""
    for key, value in metadata:
        if key == "authorization":
            text = value if isinstance(value, str) else value.decode(errors="replace")
            scheme, _, token = text.partition(" ")
            yield token if scheme.lower() == "bearer" else ""
