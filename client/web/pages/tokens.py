"""Tokens at which an expression of features holds."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from saelake.answers.labels import Labels
from saelake.answers.lookups import Tokens
from saelake.answers.shades import shade
from saelake.store.errors import SaelakeError
from saelake.store.requests.tokens import Order, Per
from saelake.web.asking import AskedCollection, tried
from saelake.web.look.templates import page
from saelake.web.statuses import status_of

router = APIRouter()


@router.get("/c/{corpus}/{dictionary}/tokens", name="tokens")
async def tokens(
    request: Request,
    found: AskedCollection,
    expression: str = "",
    scope: str = "token",
    per: Per = "document",
    order: Order = "top",
    where: str = "",
    k: Annotated[int, Query(ge=1, le=500)] = 20,
    context: Annotated[int, Query(ge=0, le=2000)] = 120,
) -> Response:
    """The form, and the hits of what it asks."""
    hits: Tokens | None = None
    error: SaelakeError | None = None
    if expression:
        question = found.tokens(
            expression,
            k,
            per=per,
            order=order,
            scope=scope,
            where=where or None,
            context=context,
        )
        hits, error = await tried(request, question)
    largest = max((abs(hit.value) for hit in hits or ()), default=0.0)
    return page(
        request,
        "tokens.html",
        status_code=status_of(error),
        collection=found.name,
        section="tokens",
        hits=hits,
        shades=[shade(hit.value, largest) for hit in hits or ()],
        error=error,
        expression=expression,
        scope=scope,
        per=per,
        order=order,
        where=where,
        k=k,
        context=context,
    )


@router.get("/c/{corpus}/{dictionary}/completions", name="completions")
async def completions(request: Request, found: AskedCollection, about: str = "") -> Response:
    """A part of the page: features by what their labels say, for who writes an expression."""
    labels: Labels | None = None
    error: SaelakeError | None = None
    if about:
        labels, error = await tried(request, found.labels(about, 8))
    return page(request, "parts/completions.html", labels=labels, error=error)
