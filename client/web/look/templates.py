"""Templates, filled; the only file that speaks Jinja.

Text is somebody else's: it is escaped, and characters that would move or hide what stands beside
them are drawn as marks.
"""

from typing import Any

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response
from starlette.templating import Jinja2Templates

from saelake.web.look import numbers, texts

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
    "size": numbers.size,
    "plain": texts.plain,
    "marks": texts.marks,
}
_templates = Jinja2Templates(env=_environment)


def page(request: Request, name: str, *, status_code: int = 200, **given: Any) -> Response:
    """A whole page, or a part of one, from the template of this name."""
    given.setdefault("collection", None)  # of which the head of the page shows the sections
    answer: HTMLResponse = _templates.TemplateResponse(
        request, name, given, status_code=status_code
    )
    return answer
