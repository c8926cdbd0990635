"""Documents: like a text, with a property, like others, or by weighted features."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from saelake.aio.faces import AsyncCollection
from saelake.answers.found import FoundDocuments
from saelake.arguments import weights_in
from saelake.store.errors import InvalidInput, SaelakeError
from saelake.store.requests.checks import Method
from saelake.web.asking import AskedCollection, tried
from saelake.web.look.templates import page
from saelake.web.statuses import status_of

router = APIRouter()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What documents shall be like."""

    text: str
    phrase: str
    like: tuple[str, ...]
    weights: Mapping[str, float]

    @property
    def is_something(self) -> bool:
        """Whether anything was asked for."""
        return bool(self.text or self.phrase or self.like or self.weights)


@router.get("/c/{corpus}/{dictionary}/documents", name="documents")
async def documents(
    request: Request,
    found: AskedCollection,
    text: str = "",
    phrase: str = "",
    like: Annotated[list[str] | None, Query()] = None,
    features: str = "",
    add: str = "",
    where: str = "",
    method: Method = "sae",
    k: Annotated[int, Query(ge=1, le=200)] = 10,
) -> Response:
    """The form, and what is found."""
    examples = tuple(dict.fromkeys(filter(None, like or ())))
    rows: FoundDocuments | None = None
    error: SaelakeError | None = None
    weights: dict[str, float] = {}
    try:
        weights = _weights(features) | _weights(add)
    except InvalidInput as wrong:
        error = wrong
    wanted = Wanted(text=text, phrase=phrase, like=examples, weights=weights)
    if error is None and wanted.is_something:
        rows, error = await tried(request, _found(found, wanted, where or None, method, k))
    return page(
        request,
        "documents.html",
        status_code=status_of(error),
        collection=found.name,
        section="documents",
        rows=rows,
        error=error,
        text=text,
        phrase=phrase,
        like=examples,
        weights=weights,
        features=written(weights),
        where=where,
        method=method,
        k=k,
    )


async def _found(
    collection: AsyncCollection, wanted: Wanted, where: str | None, method: Method, k: int
) -> FoundDocuments:
    if wanted.phrase:
        if wanted.text or wanted.like or wanted.weights:
            raise InvalidInput("Ask for a property, or for likeness, not for both at once.")
        return await collection.retrieve(wanted.phrase, k, where=where, method=method)
    return await collection.similar(
        wanted.text or None,
        id=wanted.like,
        features=wanted.weights or None,
        k=k,
        where=where,
        method=method,
    )


def written(weights: Mapping[str, float]) -> str:
    """Weights as an address has them: `12:1,34:-0.5`."""
    return ",".join(f"{name}:{weight:g}" for name, weight in weights.items())


def _weights(text: str) -> dict[str, float]:
    """Weighted features, of `12:1,34:-0.5`, or of nothing. Raises `InvalidInput`."""
    return weights_in(text) if text.strip(" ,") else {}
