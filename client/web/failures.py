"""Errors as answers over HTTP: a page for those who look, JSON for programs."""

from collections.abc import Mapping

from fastapi import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from saelake.store import errors
from saelake.store.errors import SaelakeError
from saelake.web.look.templates import page

# A class that is not named has the status of its nearest base.
STATUSES: Mapping[type[SaelakeError], int] = {
    errors.InvalidInput: 400,
    errors.CorpusError: 400,
    errors.ModelError: 400,
    errors.DictionaryError: 400,
    errors.ValueOverflow: 400,
    errors.PermissionDenied: 403,
    errors.AccessDenied: 401,
    errors.NotFound: 404,
    errors.AlreadyExists: 409,
    errors.Conflict: 409,
    errors.LimitExceeded: 429,
    errors.MissingExtra: 501,
    errors.Unavailable: 503,
    errors.DeadlineExceeded: 504,
    errors.OutOfSpace: 507,
}


def status_of(error: SaelakeError) -> int:
    """The HTTP status that tells of an error."""
    return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 500)


def failed(request: Request, error: SaelakeError) -> Response:
    """The answer to a question that failed."""
    status = status_of(error)
    if request.url.path.startswith("/api/"):
        said = {"error": type(error).__name__, "message": error.message, "data": dict(error.data)}
        return JSONResponse(said, status, headers=_headers(error))
    if status == 401:
        return RedirectResponse(request.url_for("sign_in").include_query_params(to=_here(request)))
    return page(request, "failure.html", status_code=status, error=error, status=status)


def _headers(error: SaelakeError) -> dict[str, str]:
    wait = error.data.get("retry_after_s")
    return {} if wait is None else {"Retry-After": str(max(1, round(float(wait))))}


def _here(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")
