"""What may be asked over HTTP."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from saelake.store.errors import SaelakeError
from saelake.web.api.listed import listed_changes, listed_questions
from saelake.web.asking import AskedLake, asked
from saelake.web.look.templates import page

router = APIRouter()


@router.get("/api", name="api")
async def api(request: Request, found: AskedLake) -> Response:
    """Each question with its fields and an example, and each change."""
    try:
        encoded = [row for row in await asked(request, found.info()) if row.dictionary]
    except SaelakeError:
        encoded = []  # what may be asked is no secret
    return page(
        request,
        "api.html",
        questions=listed_questions(encoded[0] if encoded else None),
        changes=listed_changes(),
    )
