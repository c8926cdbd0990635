"""A list of features, with a note on each: its address is the list, and is sent to share it."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from saelake.aio.faces import AsyncCollection
from saelake.answers.features import Feature
from saelake.arguments import feature_in
from saelake.store.errors import InvalidInput
from saelake.web.asking import AskedCollection, tried
from saelake.web.look.templates import page
from saelake.web.statuses import status_of

router = APIRouter()
MOST = 200
LONGEST_NOTE = 300


class WantedList(BaseModel):
    """What a list is called, and a feature a line: its number, and after a space a note."""

    title: Annotated[str, Query(max_length=100)] = ""
    items: Annotated[str, Query(max_length=MOST * LONGEST_NOTE)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListItem:
    """A feature of the list."""

    feature: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRow:
    """A feature, and what is said of it; two rows of a signed dictionary, one for each pole."""

    item: ListItem
    rows: tuple[Feature, ...]


@router.get("/c/{corpus}/{dictionary}/list", name="list")
async def show(
    request: Request, found: AskedCollection, wanted: Annotated[WantedList, Query()]
) -> Response:
    """The features in the order of the list, and the form that changes it."""
    listed, error = await tried(request, _listed(found, wanted.items))
    return page(
        request,
        "list.html",
        status_code=status_of(error),
        collection=found.name,
        section="list",
        wanted=wanted,
        listed=listed or (),
        error=error,
    )


async def _listed(collection: AsyncCollection, text: str) -> list[ListRow]:
    items = items_in(text)
    if not items:
        return []
    rows = await collection.features([item.feature for item in items])
    by_number: dict[str, list[Feature]] = {}
    for row in rows:
        by_number.setdefault(str(row.feature), []).append(row)
    return [
        ListRow(item=item, rows=tuple(_of(item.feature, by_number[item.feature.lstrip("+-")])))
        for item in items
    ]


def _of(name: str, rows: list[Feature]) -> list[Feature]:
    """The rows of the pole that is named, or of both."""
    pole = name[0] if name[0] in "+-" else None
    return [row for row in rows if pole is None or row.pole == pole]


def items_in(text: str) -> list[ListItem]:
    """The items that lines are, each feature once. Raises `InvalidInput`."""
    items: dict[str, ListItem] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, note = line.partition(" ")
        if len(note) > LONGEST_NOTE:
            raise InvalidInput(
                f"The note on {name} has {len(note)} characters, and {LONGEST_NOTE} is the most."
            )
        feature = feature_in(name)
        items.setdefault(feature, ListItem(feature=feature, note=note.strip()))
    if len(items) > MOST:
        raise InvalidInput(f"A list has at most {MOST} features, and this one has {len(items)}.")
    return list(items.values())
