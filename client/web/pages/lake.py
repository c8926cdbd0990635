"""What is in the lake."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from saelake.web.asking import AskedLake, asked
from saelake.web.look.templates import page

router = APIRouter()


@router.get("/", name="lake")
async def lake(request: Request, found: AskedLake) -> Response:
    """Its collections, how large they are, and of what."""
    return page(request, "lake.html", info=await asked(request, found.info()))
