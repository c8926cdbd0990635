"""Signing in with a token, and out."""

from typing import Annotated
from urllib.parse import quote, urlsplit

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from saelake.store.errors import AccessDenied, InvalidInput, SaelakeError
from saelake.store.wire.tls import UNSENDABLE, is_sendable
from saelake.web.asking import asked
from saelake.web.look.templates import page
from saelake.web.statuses import status_of

router = APIRouter()

START = "/"
LONGEST = 3800  # characters of a cookie's value: browsers drop longer ones without a word


@router.get("/sign-in", name="sign_in")
async def sign_in(request: Request, to: str = START) -> Response:
    """A form for the token."""
    return page(request, "sign-in.html", to=local(to), error=None)


@router.post("/sign-in", name="signed_in")
async def signed_in(
    request: Request, token: Annotated[str, Form()] = "", to: Annotated[str, Form()] = START
) -> Response:
    """Keep the token where only this page gets it, if the server takes it."""
    try:
        kept = await _checked(request, token.strip())
    except SaelakeError as error:
        there = {"to": local(to), "error": _said(error)}
        return page(request, "sign-in.html", status_code=status_of(error), **there)
    answer = RedirectResponse(local(to), 303)
    answer.set_cookie(
        request.app.state.settings.cookie,
        kept,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
        path="/",
    )
    return answer


@router.post("/sign-out", name="sign_out")
async def sign_out(request: Request) -> Response:
    """Forget the token."""
    answer = RedirectResponse(request.url_for("sign_in").path, 303)
    answer.delete_cookie(request.app.state.settings.cookie, path="/", httponly=True)
    answer.headers["Clear-Site-Data"] = '"cache"'  # else the back button shows what was seen
    return answer


async def _checked(request: Request, token: str) -> str:
    """The token as a cookie keeps it. Raises what the server says of it."""
    if not token or not is_sendable(token):
        raise InvalidInput(UNSENDABLE)
    kept = quote(token, safe="")
    if len(kept) > LONGEST:
        raise InvalidInput("This token is longer than a browser keeps: ask for a shorter one.")
    lake = await request.app.state.lakes.of(token)
    await asked(request, lake.version())
    return kept


def _said(error: SaelakeError) -> SaelakeError:
    """The error, as it is of use to who has a form and no command line."""
    wrong = type(error) is AccessDenied
    return AccessDenied("This token is wrong, or has expired.") if wrong else error


def local(to: str) -> str:
    """Where to go after signing in: a place of this page, or its start for any other."""
    try:
        parts = urlsplit(to)
    except ValueError:
        return START
    strange = not to.startswith("/") or to[1:2] in ("/", "\\") or not to.isprintable()
    return START if strange or parts.scheme or parts.netloc or "\\" in to else to
