"""Features, found by what they are about, by a token, or in order."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from saelake.aio.faces import AsyncCollection
from saelake.answers.features import Features
from saelake.answers.text import named
from saelake.store.requests.features import FeatureOrder
from saelake.web.asking import AskedCollection, tried
from saelake.web.look.templates import page
from saelake.web.statuses import status_of

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
    rows, error = await tried(request, _found(found, about, token, order, k))
    return page(
        request,
        "features.html",
        status_code=status_of(error),
        collection=found.name,
        section="features",
        rows=rows,
        error=error,
        about=about,
        token=token,
        order=order,
        k=k,
    )


async def _found(
    collection: AsyncCollection, about: str, token: str, order: FeatureOrder, k: int
) -> Features | None:
    """The features; None where no label is near to what they shall be about."""
    if not about:
        return await collection.features(token=token or None, k=k, order=order)
    names = await _about(collection, about, MOST if token else k)
    if token:
        peaking = await collection.features(token=token, k=None)
        kept = {named(row.feature, row.pole) for row in peaking}
        names = [name for name in names if name in kept][:k]
    return await collection.features([str(name) for name in names]) if names else None


async def _about(collection: AsyncCollection, about: str, k: int) -> list[int | str]:
    """The features whose labels are nearest to a text, the nearest first."""
    labels = await collection.labels(about, k)
    return list(dict.fromkeys(named(row.feature, row.pole) for row in labels))
