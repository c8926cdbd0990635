"""Values of columns, for who writes a filter."""

from collections.abc import Sequence
from typing import Annotated, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from saelake.aio.faces import AsyncCollection
from saelake.aio.lake import AsyncLake
from saelake.answers.columns import counted_columns
from saelake.web.asking import AskedCollection, AskedLake, other_collection, tried
from saelake.web.look.templates import page, part
from saelake.web.look.values import choices
from saelake.web.statuses import status_of

router = APIRouter()
PATH = "/c/{corpus}/{dictionary}/values"
SHOWN = 30


class WantedValues(BaseModel):
    """Which column's values are shown, and for which field of which page.

    `where`, `a` and `b` are what the fields of these names say; `other` is of whose documents `b`
    is, if it is another collection. `back` is the address of the page.
    """

    by: str = ""
    field: Literal["where", "a", "b"] = "where"
    where: str = ""
    a: str = ""
    b: str = ""
    other: str = ""
    back: str = ""

    @property
    def given(self) -> str | None:
        """What the field says already."""
        said: str = getattr(self, self.field)
        return said.strip() or None


Wanted = Annotated[WantedValues, Query()]


@router.get(PATH, name="values")
async def values(
    request: Request, lake: AskedLake, found: AskedCollection, wanted: Wanted
) -> Response:
    """The columns, and the values of one with the filter that each is; a part of a page, or one."""
    columns, error = await tried(request, _columns(lake, found, wanted))
    by = wanted.by or next(iter(columns or ()), "")
    counted = None
    if by and error is None:
        question = _collection(lake, found, wanted).values(by, where=wanted.given, k=SHOWN)
        counted, error = await tried(request, question)
    back = _back(request, wanted)
    shown = choices(counted, wanted.given, wanted.field, back) if counted is not None else ()
    given = {"wanted": wanted, "by": by, "columns": columns or (), "values": counted}
    if "hx-request" in request.headers:
        return part(request, "parts/values.html", error, is_part=True, choices=shown, **given)
    return page(
        request,
        "values.html",
        status_code=status_of(error),
        collection=found.name,
        error=error,
        is_part=False,
        choices=shown,
        back=back,
        **given,
    )


async def _columns(lake: AsyncLake, found: AsyncCollection, wanted: WantedValues) -> Sequence[str]:
    """Those by which documents can be counted: as any hit has them, or none."""
    hits = await _collection(lake, found, wanted).tokens(0, 1, context=0)
    return counted_columns(hits.to_arrow())


def _collection(lake: AsyncLake, found: AsyncCollection, wanted: WantedValues) -> AsyncCollection:
    return other_collection(lake, wanted.other) if wanted.field == "b" and wanted.other else found


def _back(request: Request, wanted: WantedValues) -> str:
    """The page to go back to: one of this collection, whatever the address says."""
    whole = request.url_for("collection", **request.path_params).path
    said = urlsplit(wanted.back)
    if not (said.scheme or said.netloc) and said.path.startswith(f"{whole}/"):
        return wanted.back
    name = "documents" if wanted.field == "where" else "compare"
    return request.url_for(name, **request.path_params).path
