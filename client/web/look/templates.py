"""Templates, filled; the only file that speaks Jinja.

Text is somebody else's: it is escaped, and characters that would move or hide what stands beside
them are drawn as marks.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response
from starlette.templating import Jinja2Templates

from saelake.answers.charts import bars
from saelake.answers.text import named, size
from saelake.store.errors import SaelakeError
from saelake.web.look import numbers, texts
from saelake.web.statuses import status_of


def _size(n_bytes: int | None) -> str:
    return "" if n_bytes is None else size(n_bytes)


_environment = Environment(
    loader=PackageLoader("saelake.web", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {
    "count": numbers.count,
    "number": numbers.number,
    "percent": numbers.percent,
    "size": _size,
    "plain": texts.plain,
    "marks": texts.marks,
}
_environment.globals |= {"bars": bars, "named": named}
_templates = Jinja2Templates(env=_environment)


def compile_all() -> None:
    """Compile every template, or the first who looks at a page would wait for its."""
    for name in _environment.list_templates():
        _environment.get_template(name)


def page(request: Request, name: str, *, status_code: int = 200, **given: Any) -> Response:
    """A whole page, or a part of one, from the template of this name.

    In it `to(NAME, {"where": …}, feature=12)` is the address of another page, of the same
    collection where that is of one.
    """
    given.setdefault("collection", None)  # of which the head of the page shows the sections
    given.setdefault("section", None)
    given.setdefault("to", partial(_to, request))  # but of the form that says where to go on
    answer: HTMLResponse = _templates.TemplateResponse(
        request, name, given, status_code=status_code
    )
    return answer


def part(request: Request, name: str, error: SaelakeError | None, **given: Any) -> Response:
    """A part of a page: what was asked for, or why it could not be answered.

    A script that puts it in its place wants to be told of success, or it would put nothing there.
    """
    status = 200 if "hx-request" in request.headers else status_of(error)
    return page(request, name, status_code=status, error=error, **given)


def _to(request: Request, name: str, asked: Mapping[str, Any] | None = None, **place: Any) -> str:
    """The path of a page, with what is asked of it but for what is None or empty."""
    of = {key: request.path_params[key] for key in _OF if key in request.path_params}
    path = request.app.url_path_for(name, **({} if name in _WHOLE else of), **place)
    given = {key: value for key, value in (asked or {}).items() if value not in (None, "", ())}
    return f"{path}?{urlencode(given, doseq=True)}" if given else str(path)


_OF = ("corpus", "dictionary")
_WHOLE = ("lake", "api", "sign_in", "sign_out")  # pages that are of no collection
