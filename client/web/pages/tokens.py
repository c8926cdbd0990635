"""Tokens at which an expression of features holds."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from saelake.store.errors import SaelakeError
from saelake.store.requests.tokens import Order, Per
from saelake.web.asking import AskedCollection, asked
from saelake.web.look.shades import shade
from saelake.web.look.templates import page

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
    hits, error = None, None
    if expression:
        try:
            question = found.tokens(
                expression,
                k,
                per=per,
                order=order,
                scope=scope,
                where=where or None,
                context=context,
            )
            hits = await asked(request, question)
        except SaelakeError as failure:
            error = failure
    largest = max((abs(hit.value) for hit in hits or ()), default=0.0)
    return page(
        request,
        "tokens.html",
        status_code=200 if error is None else 400,
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
    labels = await asked(request, found.labels(about, 8)) if about else ()
    return page(request, "parts/completions.html", labels=labels)
