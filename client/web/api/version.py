"""Which program answers."""

from dataclasses import asdict

from fastapi import APIRouter, Request
from starlette.responses import Response

from saelake.web.api.questions import json_answer
from saelake.web.api.schemas import failures
from saelake.web.asking import AskedLake, asked

router = APIRouter(prefix="/api/v1", tags=["quick"])


@router.get(
    "/version",
    operation_id="version",
    responses={200: {"description": "The answer."}, **failures()},
    response_class=Response,
)
async def version(request: Request, found: AskedLake) -> Response:
    """Which program answers, and the state that the lake is in now."""
    return json_answer(asdict(await asked(request, found.version())))
