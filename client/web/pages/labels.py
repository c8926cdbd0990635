"""What a feature is called, and calling it something else."""

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from saelake.aio.faces import AsyncCollection
from saelake.answers.labels import Label
from saelake.store.errors import Conflict, InvalidInput, PermissionDenied, SaelakeError
from saelake.store.requests.commands.labels import BY_HAND, LONGEST_LABEL
from saelake.web.asking import AskedCollection, asked
from saelake.web.look.templates import page
from saelake.web.statuses import status_of

ADDRESS = "/c/{corpus}/{dictionary}/features/{feature}/label"
BESIDE = (Conflict, InvalidInput, PermissionDenied)  # told beside the form, which is kept

router = APIRouter()


@router.get(ADDRESS, name="feature_label")
async def shown(request: Request, found: AskedCollection, feature: str) -> Response:
    """The feature's label, and a form to change it."""
    return await _form(request, found, feature)


@router.post(ADDRESS)
async def written(
    request: Request,
    found: AskedCollection,
    feature: str,
    label: Annotated[str, Form()] = "",
    expect: Annotated[str, Form()] = "",
) -> Response:
    """Call the feature this, where what it was called by hand is still as the form showed it."""
    try:
        # Not `asked`, which listens for a browser that leaves: a change that was begun is finished.
        await found.dictionary.label(feature, _one_ending(label), expect=_one_ending(expect))
    except BESIDE as error:
        return await _form(request, found, feature, problem=error, text=label)
    return RedirectResponse(request.url.path, status_code=303)


def _one_ending(text: str) -> str:
    """The text as it was: a browser sends every line's end as two characters."""
    return text.replace("\r\n", "\n")


async def _form(
    request: Request,
    found: AsyncCollection,
    feature: str,
    *,
    problem: SaelakeError | None = None,
    text: str | None = None,
) -> Response:
    labels = await asked(request, found.dictionary.labels(features=feature))
    label = next(iter(labels), None)
    by_hand = label.label if label is not None and label.explainer == BY_HAND else ""
    return page(
        request,
        "label.html",
        status_code=200 if problem is None else status_of(problem),
        collection=found.name,
        section="features",
        feature=feature,
        label=label,
        expect=by_hand,
        text=_first(text, label),
        problem=problem,
        longest=LONGEST_LABEL,
    )


def _first(text: str | None, label: Label | None) -> str:
    """What stands in the form: what was written, else what the feature is called now."""
    if text is not None:
        return text
    return "" if label is None else label.label
