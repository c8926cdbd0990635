"""What goes together: features that fire in the same documents, and documents alike."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from saelake.web.asking import AskedCollection, tried
from saelake.web.look.graphs import graph
from saelake.web.look.templates import page

router = APIRouter()

K = Annotated[int, Query(ge=1, le=500)]


@router.get("/c/{corpus}/{dictionary}/correlations", name="correlations")
async def correlations(
    request: Request,
    found: AskedCollection,
    where: str = "",
    min_npmi: Annotated[float, Query(ge=-1, le=1)] = 0.3,
    min_documents: Annotated[int, Query(ge=1)] = 10,
    k: K = 60,
) -> Response:
    """The form at once; the pairs come when they are computed."""
    wanted = {"where": where, "min_npmi": min_npmi, "min_documents": min_documents, "k": k}
    return page(
        request,
        "correlations.html",
        collection=found.name,
        section="correlations",
        wanted=wanted,
    )


@router.get("/c/{corpus}/{dictionary}/correlations/answer", name="correlations_answer")
async def correlated(
    request: Request,
    found: AskedCollection,
    where: str = "",
    min_npmi: Annotated[float, Query(ge=-1, le=1)] = 0.3,
    min_documents: Annotated[int, Query(ge=1)] = 10,
    k: K = 60,
) -> Response:
    """A part of the page: the pairs, as a graph and as a table."""
    selected = found.where(where) if where else found
    question = selected.correlate(min_npmi=min_npmi, min_documents=min_documents, k=k)
    pairs, error = await tried(request, question)
    return page(
        request,
        "parts/correlated.html",
        pairs=pairs,
        graph=graph(pairs) if pairs is not None else None,
        error=error,
    )


@router.get("/c/{corpus}/{dictionary}/clusters", name="clusters")
async def clusters(
    request: Request,
    found: AskedCollection,
    n: Annotated[int, Query(ge=2, le=100)] = 8,
    about: str = "",
    where: str = "",
) -> Response:
    """The form at once; the clusters come when they are computed."""
    wanted = {"n": n, "about": about, "where": where}
    return page(request, "clusters.html", collection=found.name, section="clusters", wanted=wanted)


@router.get("/c/{corpus}/{dictionary}/clusters/answer", name="clusters_answer")
async def clustered(
    request: Request,
    found: AskedCollection,
    n: Annotated[int, Query(ge=2, le=100)] = 8,
    about: str = "",
    where: str = "",
) -> Response:
    """A part of the page: each cluster, with what tells it from the others."""
    question = found.cluster(n, about=about or None, where=where or None)
    rows, error = await tried(request, question)
    return page(request, "parts/clustered.html", rows=rows, error=error)
