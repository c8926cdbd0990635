"""Features, found by what they are about, by a token, or in order."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from saelake.aio.faces import AsyncCollection
from saelake.answers.lookups import Features
from saelake.answers.text import named
from saelake.store.errors import SaelakeError
from saelake.store.requests.features import FeatureOrder
from saelake.web.asking import AskedCollection, asked
from saelake.web.look.templates import page

router = APIRouter()
MOST = 1000


@router.get("/c/{corpus}/{dictionary}/features", name="features")
async def features(
    request: Request,
    found: AskedCollection,
    about: str = "",
    token: str = "",
    order: FeatureOrder = "documents",
    k: Annotated[int, Query(ge=1, le=MOST)] = 50,
) -> Response:
    """A table of features, and the form that asks for it."""
    rows: Features | None = None
    similarity: dict[int | str, float] = {}
    error = None
    try:
        rows, similarity = await asked(request, _found(found, about, token, order, k))
    except SaelakeError as failure:
        error = failure
    return page(
        request,
        "features.html",
        status_code=200 if error is None else 400,
        collection=found.name,
        section="features",
        rows=rows,
        similarity=similarity,
        error=error,
        about=about,
        token=token,
        order=order,
        k=k,
    )


async def _found(
    collection: AsyncCollection, about: str, token: str, order: FeatureOrder, k: int
) -> tuple[Features | None, dict[int | str, float]]:
    """The features, and how near each one's label is to what they shall be about."""
    if about and token:
        tokens, (near, similarity) = await asyncio.gather(
            collection.features(token=token, k=None), _about(collection, about, MOST)
        )
        peaking = {named(row.feature, row.pole) for row in tokens}
        near = [name for name in near if name in peaking][:k]
    elif about:
        near, similarity = await _about(collection, about, k)
    else:
        return await collection.features(token=token or None, k=k, order=order), {}
    if not near:
        return None, {}
    return await collection.features([str(name) for name in near]), similarity


async def _about(
    collection: AsyncCollection, about: str, k: int
) -> tuple[list[int | str], dict[int | str, float]]:
    labels = await collection.labels(about, k)
    similarity = {named(row.feature, row.pole): row.similarity or 0.0 for row in labels}
    return list(similarity), similarity
