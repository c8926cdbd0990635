"""Where one begins with a collection."""

import asyncio

from fastapi import APIRouter, Request
from starlette.responses import Response

from saelake.answers.text import named
from saelake.web.asking import AskedCollection, asked
from saelake.web.look.templates import page

router = APIRouter()
SHOWN = 12


@router.get("/c/{corpus}/{dictionary}", name="collection")
async def collection(request: Request, found: AskedCollection) -> Response:
    """What it is made of, where to search, and the features whose labels predict best."""
    info, labels = await asked(request, asyncio.gather(found.info(), found.labels(k=None)))
    best = [str(named(label.feature, label.pole)) for label in labels.best(SHOWN)]
    features = await asked(request, found.features(best or None, k=SHOWN))
    return page(
        request,
        "collection.html",
        collection=found.name,
        section="collection",
        info=info,
        features=features,
        is_labelled=bool(best),
    )
