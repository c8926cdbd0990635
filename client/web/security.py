"""What keeps other pages, and text that is somebody else's, from acting here."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from saelake.store.wire.hosts import is_loopback
from saelake.web.settings import WebSettings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# What is answered is somebody's: no cache between keeps it, and a browser asks again.
UNCACHED: Mapping[str, str] = {"Cache-Control": "private, no-cache", "Vary": "Cookie"}
ANY_HOST = frozenset({"0.0.0.0", "::", ""})
FROM_HERE = frozenset({"same-origin", "none"})


def token_of(request: Request) -> str | None:
    """The token that a caller brings: as a header, or in the cookie of who signed in."""
    token = bearer_of(request.headers)
    if token is not None:
        return token
    return unquote(request.cookies.get(request.app.state.settings.cookie, "")) or None


def bearer_of(headers: Headers) -> str | None:
    """The token in a header, which programs bring."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token else None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call goes no further."""

    status: int
    message: str

    def answer(self, path: str) -> Response:
        """What is answered in place of what was asked for."""
        if not path.startswith("/api/"):
            return PlainTextResponse(self.message, self.status)
        name = "LimitExceeded" if self.status == 413 else "PermissionDenied"
        return JSONResponse({"error": name, "message": self.message, "data": {}}, self.status)


class Guard:
    """Refuses calls by a foreign name, changes that another page asks for, and long requests; adds
    the headers.

    Another page may link here, but may not ask in the background: it would not be told the answer,
    and this lake would compute it.
    """

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        self._app = app
        self._hosts = {name.lower() for name in (settings.address.host, *settings.hosts)}
        self._any_address = settings.address.host in ANY_HOST
        self._most = settings.body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._guarded(scope, receive, _with_headers(scope["path"], send))

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope["method"], Headers(scope=scope))
        if refusal is not None:
            await refusal.answer(scope["path"])(scope, receive, send)
            return
        await self._app(scope, self._bounded(receive), send)

    def _refusal(self, method: str, headers: Headers) -> Refusal | None:
        host = _host(headers)
        if not self._is_ours(host):
            said = (
                f"Nothing here is called {host!r}. If it should be, name it with --http-host of "
                "`saelake serve`."
            )
            return Refusal(403, said)
        if method in SAFE_METHODS:
            return _background(headers)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._most:
            return self._too_long()
        return (
            None if _is_from_here(headers) else Refusal(403, "A change must come from this page.")
        )

    def _is_ours(self, host: str) -> bool:
        """Whether a browser that goes by this name was meant to come here.

        A foreign page that has its own name lead here (DNS rebinding) goes by that name, and never
        by an address.
        """
        if host in self._hosts or is_loopback(host):
            return True
        return self._any_address and _is_address(host)

    def _too_long(self) -> Refusal:
        return Refusal(413, f"A request has at most {self._most} bytes here.")

    def _bounded(self, receive: Receive) -> Receive:
        """What comes, as long as it is not too much: also where its length is not said before."""
        n_bytes = 0

        async def received() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > self._most:
                raise HTTPException(413, self._too_long().message.removesuffix("."))
            return message

        return received


def _with_headers(path: str, send: Send) -> Send:
    more = HEADERS if path.startswith("/static/") else {**HEADERS, **UNCACHED}

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in more.items():
                headers.setdefault(name, value)
        await send(message)

    return sent


def _host(headers: Headers) -> str:
    """The name that the page is called by; empty where it is called by none, or by several."""
    named = headers.getlist("host")
    try:
        return (urlsplit(f"//{named[0]}").hostname or "") if len(named) == 1 else ""
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _background(headers: Headers) -> Refusal | None:
    """Refuse what another page fetches; a link from there that is followed is no such thing."""
    site, mode = headers.get("sec-fetch-site", "none"), headers.get("sec-fetch-mode", "navigate")
    whole = mode == "navigate" and headers.get("sec-fetch-dest", "document") == "document"
    if site in FROM_HERE or whole:
        return None
    return Refusal(403, "Another page may link to this one, but not ask it.")


def _is_from_here(headers: Headers) -> bool:
    """Whether a change is of this page, or of a program, which names no page."""
    origin = headers.get("origin")
    if headers.get("sec-fetch-site", "none") not in FROM_HERE:
        return False
    return origin is None or urlsplit(origin).netloc == headers.get("host")
