"""A document: its text, and what fires in it."""

import re
from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from saelake.answers.features import Feature
from saelake.answers.lookups import Document, FeatureCodes
from saelake.answers.shaded import shaded, values_of
from saelake.answers.text import named
from saelake.web.asking import AskedCollection, asked
from saelake.web.look.templates import page

router = APIRouter()
PATH = "/c/{corpus}/{dictionary}/documents/{id:path}"
STRONGEST, ALIKE = 30, 6
APART = re.compile("[&|!(),]")  # the features of an expression, and of a list
NAME = re.compile(r"\s*([+-]?[0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """A feature that fires in the document, and how it behaves elsewhere."""

    codes: FeatureCodes
    peak: str
    usual: Feature | None

    @property
    def name(self) -> str:
        """What it is called."""
        return str(named(self.codes.feature, self.codes.pole))


@router.get("/c/{corpus}/{dictionary}/alike/{id:path}", name="document_alike")
async def alike(request: Request, found: AskedCollection, id: str) -> Response:  # noqa: A002
    """A part of the page: documents that are like it, and why."""
    rows = await asked(request, found.similar(id=[id], k=ALIKE))
    return page(request, "parts/alike.html", rows=rows)


@router.get(PATH, name="document")
async def document(
    request: Request,
    found: AskedCollection,
    id: str,  # noqa: A002
    features: str = "",
) -> Response:
    """The text, shaded by one feature or by all of its strongest, and these in a table."""
    whole = await asked(request, found.document(id))
    strongest = whole.strongest(STRONGEST)
    names = [named(codes.feature, codes.pole) for codes in strongest]
    usual = await asked(request, found.features([str(name) for name in names])) if names else ()
    known = {named(row.feature, row.pole): row for row in usual}
    rows = [
        Firing(codes=codes, peak=whole.peak(codes), usual=known.get(name))
        for codes, name in zip(strongest, names, strict=True)
    ]
    chosen = _chosen(whole, features)
    values = values_of(chosen or strongest[:1])
    largest = max(map(abs, values.values()), default=0.0)
    return page(
        request,
        "document.html",
        collection=found.name,
        section="documents",
        document=whole,
        rows=rows,
        features=features,
        shown=[str(named(codes.feature, codes.pole)) for codes in chosen or strongest[:1]],
        is_chosen=bool(chosen),
        text=shaded(whole, values, largest),
    )


def _chosen(document: Document, features: str) -> list[FeatureCodes]:
    """The codes of the features that are asked for, of those that fire."""
    wanted = {found[1] for part in APART.split(features) if (found := NAME.match(part))}
    names = {str(named(c.feature, c.pole)): c for c in document.strongest(len(document.features))}
    return [
        codes
        for name, codes in names.items()
        if any(one in (name, name.lstrip("+-")) for one in wanted)
    ]
