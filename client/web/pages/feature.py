"""A feature: where it fires, how strongly, and what it is like."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from saelake.aio.faces import AsyncCollection
from saelake.answers.lookups import Document, Hit
from saelake.answers.shaded import Shaded, shaded
from saelake.web.asking import AskedCollection, asked, tried
from saelake.web.failures import status_of
from saelake.web.look.templates import page

router = APIRouter()
PATH = "/c/{corpus}/{dictionary}/features/{feature}"
STRONGEST, SPREAD, NEAR, TOGETHER = 10, 10, 10, 12
MOST_CONTEXT = 2000

Context = Annotated[int, Query(ge=0, le=MOST_CONTEXT)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A hit, and the text around it in which every token is shaded at which the feature fires."""

    hit: Hit
    text: Shaded


@router.get(PATH, name="feature")
async def feature(
    request: Request, found: AskedCollection, feature: str, where: str = "", context: Context = 120
) -> Response:
    """Statistics, the strongest documents, and documents from strong to weak."""
    rows, labels = await asked(
        request,
        asyncio.gather(
            found.features([feature]), found.dictionary.labels(features=[feature], k=None)
        ),
    )
    largest = max((abs(row.max or 0.0) for row in rows), default=0.0)
    question = _examples(found, feature, where or None, largest, context)
    examples, error = await tried(request, question)
    strongest, spread = examples or ((), ())
    return page(
        request,
        "feature.html",
        status_code=status_of(error),
        collection=found.name,
        section="features",
        feature=feature,
        rows=rows,
        labels=labels,
        strongest=strongest,
        spread=spread,
        error=error,
        where=where,
        context=context,
    )


@router.get(PATH + "/near", name="feature_near")
async def near(request: Request, found: AskedCollection, feature: str) -> Response:
    """A part of the page: features whose decoder directions are near."""
    neighbors = await asked(request, found.dictionary.neighbors(feature, NEAR))
    return page(request, "parts/near.html", neighbors=neighbors)


@router.get(PATH + "/together", name="feature_together")
async def together(request: Request, found: AskedCollection, feature: str) -> Response:
    """A part of the page: features that fire in the same documents."""
    pairs = await asked(request, found.correlate(features=[feature], k=TOGETHER))
    return page(request, "parts/together.html", pairs=pairs, feature=feature)


async def _examples(
    collection: AsyncCollection, feature: str, where: str | None, largest: float, context: int
) -> tuple[list[Shown], list[Shown]]:
    """The strongest documents, and documents spread from strong to weak."""
    strongest, spread = await asyncio.gather(
        collection.tokens(feature, STRONGEST, where=where, context=context),
        collection.tokens(feature, SPREAD, where=where, context=context, order="quantiles"),
    )
    docs = sorted({hit.doc for hit in (*strongest, *spread)})
    documents = dict(zip(docs, await _documents(collection, feature, docs), strict=True))

    def shown(hits: Sequence[Hit]) -> list[Shown]:
        return [
            Shown(hit=hit, text=_text(documents[hit.doc], hit, largest, context)) for hit in hits
        ]

    return shown(strongest), shown(spread)


async def _documents(
    collection: AsyncCollection, feature: str, docs: Sequence[int]
) -> list[Document]:
    return await asyncio.gather(*(collection.document(doc=doc, features=[feature]) for doc in docs))


def _text(document: Document, hit: Hit, largest: float, context: int) -> Shaded:
    values = {
        position: value
        for codes in document.strongest(2)  # both poles, where there are two
        for position, value in zip(codes.positions.tolist(), codes.values.tolist(), strict=True)
    }
    return shaded(document, values, largest, around=hit.position, context=context)
