"""Two selections side by side: which features fire more often in one of them."""

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from saelake.aio.faces import AsyncCollection
from saelake.aio.lake import AsyncLake
from saelake.answers.differences import Diff, Difference
from saelake.arguments import names_in
from saelake.store.requests.diff import DiffOrder, Unit
from saelake.web.asking import AskedCollection, AskedLake, other_collection, tried
from saelake.web.look.plots import points
from saelake.web.look.templates import page, part

router = APIRouter()
PATH = "/c/{corpus}/{dictionary}/compare"
Sort = Literal["asked", "frequency_a", "frequency_b", "q_value", "feature"]
LEVEL = 0.05  # of q, below which a difference is marked


class ComparedSides(BaseModel):
    """What is compared with what, and how: the fields of the form."""

    a: str = ""
    b: str = ""
    other: str = ""
    unit: Unit = "document"
    order: DiffOrder = "difference"
    align: str = ""
    cluster_by: str = ""
    control: str = ""
    k: Annotated[int, Query(ge=1, le=500)] = 40
    sort: Sort = "asked"

    @property
    def is_something(self) -> bool:
        """Whether two sides are named."""
        return bool(self.a or self.b or self.other)


Wanted = Annotated[ComparedSides, Query()]


@router.get(PATH, name="compare")
async def compare(request: Request, found: AskedCollection, wanted: Wanted) -> Response:
    """The form at once; the answer is a part that comes when it is computed."""
    return page(request, "compare.html", collection=found.name, section="compare", wanted=wanted)


@router.get(PATH + "/answer", name="compare_answer")
async def answer(
    request: Request, lake: AskedLake, found: AskedCollection, wanted: Wanted
) -> Response:
    """A part of the page: the plot, and the table."""
    diff, error = await tried(request, _diff(lake, found, wanted))
    return part(
        request,
        "parts/compared.html",
        error,
        diff=diff,
        rows=_sorted(diff, wanted.sort) if diff is not None else (),
        points=points(diff, LEVEL) if diff is not None else (),
        wanted=wanted,
        level=LEVEL,
    )


async def _diff(lake: AsyncLake, collection: AsyncCollection, wanted: ComparedSides) -> Diff:
    a = collection
    b = other_collection(lake, wanted.other) if wanted.other else collection
    a = a.where(wanted.a) if wanted.a else a
    if wanted.b:
        b = b.where(wanted.b)
    elif wanted.a and not wanted.other:
        b = a.rest()
    return await a.diff(
        b,
        k=wanted.k,
        unit=wanted.unit,
        order=wanted.order,
        align=wanted.align or None,
        cluster_by=wanted.cluster_by or None,
        control=names_in(wanted.control) if wanted.control.strip() else [],
    )


def _sorted(diff: Diff, by: Sort) -> Sequence[Difference]:
    """The rows, in another order than was asked for: largest first, but of q and of numbers."""
    if by == "asked":
        return diff
    known = [row for row in diff if getattr(row, by) is not None]
    ascending = by in ("q_value", "feature")
    return sorted(known, key=lambda row: float(getattr(row, by)), reverse=not ascending)
