"""A feature: where it fires, how strongly, and what it is like."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from saelake.aio.faces import AsyncCollection
from saelake.answers.columns import counted_columns
from saelake.answers.features import Features
from saelake.answers.lookups import Document, Hit, Tokens
from saelake.answers.shaded import Shaded, shaded, values_of
from saelake.answers.shares import Shares
from saelake.store.errors import SaelakeError
from saelake.store.requests.tokens import Order
from saelake.web.asking import AskedCollection, asked, attempted, tried
from saelake.web.look.shares import ShareChart, chart
from saelake.web.look.templates import page, part
from saelake.web.statuses import status_of

router = APIRouter()
PATH = "/c/{corpus}/{dictionary}/features/{feature}"
STRONGEST, SPREAD, NEAR, TOGETHER, VALUES = 10, 10, 10, 12, 15
CHOOSING = "share-by"  # the form in which a column is chosen
MOST_CONTEXT = 2000

Context = Annotated[int, Query(ge=0, le=MOST_CONTEXT)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A hit, and the text around it in which every token is shaded at which the feature fires."""

    hit: Hit
    text: Shaded


@dataclass(frozen=True, slots=True, kw_only=True)
class FiredHits:
    """Where a feature fires: hits, their documents by number, and how much is shown around each."""

    hits: Tokens
    documents: Mapping[int, Document]
    context: int

    def shown(self, largest: float) -> list[Shown]:
        """The hits with their texts, shaded by shares of the `largest` value."""
        return [Shown(hit=hit, text=self._text(hit, largest)) for hit in self.hits]

    def _text(self, hit: Hit, largest: float) -> Shaded:
        document = self.documents[hit.doc]
        values = values_of(document.strongest(2))  # both poles, where there are two
        return shaded(document, values, largest, around=hit.position, context=self.context)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedShares:
    """How often the feature fires by a column, as a chart; or why that is not known."""

    answer: Shares | None = None
    chart: ShareChart | None = None
    error: SaelakeError | None = None


NO_SHARES = CountedShares()


@router.get(PATH, name="feature")
async def feature(
    request: Request,
    found: AskedCollection,
    feature: str,
    where: str = "",
    context: Context = 120,
    by: str = "",
) -> Response:
    """Statistics, the strongest documents, and documents from strong to weak."""
    rows, labels, (strongest, error) = await asked(
        request,
        asyncio.gather(
            found.features([feature]),
            found.dictionary.labels(features=[feature], k=None),
            attempted(_firing(found, feature, STRONGEST, "top", where or None, context)),
        ),
    )
    columns = counted_columns(strongest.hits.to_arrow()) if strongest is not None else ()
    shares = await _shares(request, found, feature, where, by) if by and not error else NO_SHARES
    return page(
        request,
        "feature.html",
        status_code=status_of(error or shares.error),
        collection=found.name,
        section="features",
        feature=feature,
        rows=rows,
        labels=labels,
        strongest=strongest.shown(_largest(rows)) if strongest is not None else (),
        error=error,
        where=where,
        context=context,
        columns=columns or ((by,) if by else ()),
        by=by,
        shares=shares.answer,
        chart=shares.chart,
        shares_error=shares.error,
    )


@router.get(PATH + "/shares", name="feature_shares")
async def shares(
    request: Request,
    found: AskedCollection,
    feature: str,
    by: str,
    where: str = "",
    context: Context = 120,
) -> Response:
    """A part of the page: how often the feature fires by the values of a column."""
    counted = await _shares(request, found, feature, where, by)
    answer = part(
        request,
        "parts/shares.html",
        counted.error,
        shares=counted.answer,
        chart=counted.chart,
        feature=feature,
        context=context,
        by=by,
    )
    if request.headers.get("hx-trigger") == CHOOSING:  # so that the address says what is shown
        asked_for = request.url_for("feature", **request.path_params)
        answer.headers["HX-Replace-Url"] = f"{asked_for.path}?{request.url.query}"
    return answer


@router.get(PATH + "/spread", name="feature_spread")
async def spread(
    request: Request, found: AskedCollection, feature: str, where: str = "", context: Context = 120
) -> Response:
    """A part of the page: documents from strong to weak."""
    question = _firing(found, feature, SPREAD, "quantiles", where or None, context)
    rows, firing = await asked(request, asyncio.gather(found.features([feature]), question))
    return page(request, "parts/spread.html", feature=feature, spread=firing.shown(_largest(rows)))


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


async def _shares(
    request: Request, collection: AsyncCollection, feature: str, where: str, by: str
) -> CountedShares:
    question = collection.shares(feature, by=by, k=VALUES, where=where or None)
    found, error = await tried(request, question)
    if found is None:
        return CountedShares(error=error)
    return CountedShares(answer=found, chart=chart(found, where or None))


async def _firing(
    collection: AsyncCollection,
    feature: str,
    k: int,
    order: Order,
    where: str | None,
    context: int,
) -> FiredHits:
    """Hits of the feature, and their documents."""
    hits = await collection.tokens(feature, k, where=where, context=context, order=order)
    docs = sorted({hit.doc for hit in hits})
    documents = await asyncio.gather(
        *(collection.document(doc=doc, features=[feature]) for doc in docs)
    )
    return FiredHits(hits=hits, documents=dict(zip(docs, documents, strict=True)), context=context)


def _largest(rows: Features) -> float:
    """The largest absolute value anywhere, of either pole."""
    return max((abs(row.max or 0.0) for row in rows), default=0.0)
