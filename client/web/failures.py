"""Errors as answers over HTTP: a page for those who look, JSON for programs."""

from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from saelake.store.errors import InvalidInput, NotFound, SaelakeError
from saelake.web.look.templates import page
from saelake.web.statuses import status_of

LEFT = 499  # of a browser that does not wait any more, and sees it nowhere


def failed(request: Request, error: SaelakeError, status: int | None = None) -> Response:
    """The answer to a question that failed."""
    status = status or status_of(error)
    if is_api(request.url.path):
        return JSONResponse(said(error), status, headers=_headers(error, status))
    if status == 401:
        return _signing_in(request)
    answer = page(request, "failure.html", status_code=status, error=error, status=status)
    answer.headers.update(_headers(error, status))
    return answer


def unreadable(request: Request, error: RequestValidationError) -> Response:
    """The answer to fields that are no question."""
    problems = [_problem(found) for found in error.errors()]
    return failed(request, InvalidInput(" ".join(problems)))


def refused(request: Request, error: HTTPException) -> Response:
    """The answer where there is nothing, or not in this way."""
    if error.status_code == 404:
        return failed(request, NotFound("There is nothing at this address."))
    answer = failed(request, InvalidInput(f"{error.detail}."), error.status_code)
    answer.headers.update(error.headers or {})
    return answer


def broken(request: Request, error: Exception) -> Response:
    """The answer to what should not have happened, which the log tells."""
    del error  # the server notes it, with its way through our code
    return failed(request, SaelakeError("The page failed at this; its log says more."))


def gone(request: Request, error: Exception) -> Response:
    """What nobody waits for."""
    del request, error
    return Response(status_code=LEFT)


def is_api(path: str) -> bool:
    """Whether programs ask here, who are answered with JSON."""
    return path.startswith("/api/")


def said(error: SaelakeError) -> dict[str, object]:
    """An error as programs read it."""
    return {"error": type(error).__name__, "message": error.message, "data": dict(error.data)}


def _problem(found: Mapping[str, object]) -> str:
    """What is wrong with a field, in a sentence."""
    place = found["loc"]
    name = ".".join(map(str, place[1:])) if isinstance(place, tuple) else ""
    if found["type"] == "missing":
        return f"The field {name or 'body'} is missing."
    if found["type"] == "extra_forbidden":
        return f"There is no field {name} here: /api lists those that there are."
    return f"{name or 'The body'}: {found['msg']}."


def _signing_in(request: Request) -> Response:
    """Where one signs in, and comes back from; a part of a page has the whole of it go there."""
    path = request.url_for("sign_in").path
    if "hx-request" in request.headers:
        back = quote(_without_host(request.headers.get("hx-current-url", "")), safe="")
        return Response(status_code=401, headers={"HX-Redirect": f"{path}?to={back}"})
    back = quote(_here(request) if request.method == "GET" else "/", safe="")
    return RedirectResponse(f"{path}?to={back}", 303)


def _headers(error: SaelakeError, status: int) -> dict[str, str]:
    wait = error.data.get("retry_after_s")
    headers = {} if wait is None else {"Retry-After": str(max(1, round(float(wait))))}
    return headers | ({"WWW-Authenticate": "Bearer"} if status == 401 else {})


def _here(request: Request) -> str:
    return _without_host(str(request.url))


def _without_host(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")
