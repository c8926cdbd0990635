"""What goes together: features that fire in the same documents, and documents alike."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from saelake.web.asking import AskedCollection, tried
from saelake.web.look.graphs import graph
from saelake.web.look.templates import page, part

router = APIRouter()


class Correlating(BaseModel):
    """Which pairs of features are asked for: the fields of the form."""

    where: str = ""
    min_npmi: Annotated[float, Query(ge=-1, le=1)] = 0.3
    min_documents: Annotated[int, Query(ge=1)] = 10
    k: Annotated[int, Query(ge=1, le=500)] = 60


class Clustering(BaseModel):
    """Into how many clusters, and of what: the fields of the form."""

    n: Annotated[int, Query(ge=2, le=100)] = 8
    about: str = ""
    where: str = ""


@router.get("/c/{corpus}/{dictionary}/correlations", name="correlations")
async def correlations(
    request: Request, found: AskedCollection, wanted: Annotated[Correlating, Query()]
) -> Response:
    """The form at once; the pairs come when they are computed."""
    return page(
        request,
        "correlations.html",
        collection=found.name,
        section="correlations",
        wanted=wanted,
    )


@router.get("/c/{corpus}/{dictionary}/correlations/answer", name="correlations_answer")
async def correlated(
    request: Request, found: AskedCollection, wanted: Annotated[Correlating, Query()]
) -> Response:
    """A part of the page: the pairs, as a graph and as a table."""
    selected = found.where(wanted.where) if wanted.where else found
    question = selected.correlate(
        min_npmi=wanted.min_npmi, min_documents=wanted.min_documents, k=wanted.k
    )
    pairs, error = await tried(request, question)
    drawn = graph(pairs) if pairs is not None else None
    return part(request, "parts/correlated.html", error, pairs=pairs, graph=drawn)


@router.get("/c/{corpus}/{dictionary}/clusters", name="clusters")
async def clusters(
    request: Request, found: AskedCollection, wanted: Annotated[Clustering, Query()]
) -> Response:
    """The form at once; the clusters come when they are computed."""
    return page(request, "clusters.html", collection=found.name, section="clusters", wanted=wanted)


@router.get("/c/{corpus}/{dictionary}/clusters/answer", name="clusters_answer")
async def clustered(
    request: Request, found: AskedCollection, wanted: Annotated[Clustering, Query()]
) -> Response:
    """A part of the page: each cluster, with what tells it from the others."""
    question = found.cluster(wanted.n, about=wanted.about or None, where=wanted.where or None)
    rows, error = await tried(request, question)
    return part(request, "parts/clustered.html", error, rows=rows)
