"""The map of a collection: its points, what they are, and the area that a lasso chose."""

from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from saelake.aio.faces import AsyncCollection
from saelake.answers.maps import MapPoints
from saelake.store.errors import InvalidInput, NotFound
from saelake.store.predicates.polygon import Polygon
from saelake.store.requests.map import MapOf, MapQuery
from saelake.web.asking import AskedCollection, asked
from saelake.web.look.templates import page

router = APIRouter(prefix="/c/{corpus}/{dictionary}/map")
DRAWN = 20_000  # points that a browser is sent
STILL = 1500  # points of the picture that needs no script
IN_AREA = 8  # documents, or features, that are named of an area


@dataclass(frozen=True, slots=True)
class MapAddress:
    """What the address asks for; `colour` is a metadata column, or nothing: clusters."""

    of: MapOf = MapQuery.of
    colour: str = ""
    features: str = ""
    where: str = ""
    area: str = ""

    def documents(self, found: AsyncCollection) -> AsyncCollection:
        """The documents that are shown."""
        return found.where(self.where) if self.where else found

    def points(self, k: int) -> dict[str, Any]:
        """The arguments of the question for the points."""
        features = [each for each in self.features.replace(",", " ").split() if each]
        if self.of == "features":
            return {"of": self.of, "k": k, "texts": False}
        column = None if features or not self.colour else self.colour
        return {"of": self.of, "k": k, "texts": False, "features": features, "column": column}

    @property
    def polygon(self) -> Polygon | None:
        """The area. Raises `InvalidInput`."""
        return Polygon.parse(self.area) if self.area.strip() else None


AskedMap = Annotated[MapAddress, Depends(MapAddress)]


@router.get("", name="map")
async def show(request: Request, found: AskedCollection, given: AskedMap) -> Response:
    """The map, and what is in the area that was chosen."""
    shown: dict[str, Any] = {
        "collection": found.name,
        "section": "map",
        "asked": given,
        "base": _base(request),
    }
    try:
        polygon = given.polygon
        points = await asked(request, _questioned(found, given, DRAWN))
        area = None if polygon is None else await _area(request, found, given, polygon)
    except (InvalidInput, NotFound) as error:
        nothing = {"points": None, "area": None, "polygon": None, "error": error}
        return page(
            request,
            "map.html",
            status_code=404 if isinstance(error, NotFound) else 400,
            **shown,
            **nothing,
        )
    return page(
        request,
        "map.html",
        **shown,
        points=points,
        still=_still(points),
        area=area,
        polygon=polygon,
        error=None,
    )


@router.get("/points", name="map_points")
async def drawn(request: Request, found: AskedCollection, given: AskedMap) -> Response:
    """The points as the plot reads them: coordinates in 1/10,000, and of each its colour."""
    points = await asked(request, _questioned(found, given, DRAWN))
    table = points.to_arrow()
    return JSONResponse(
        {
            "rows": table["row"].to_pylist(),
            "x": [round(x * 10_000) for x in table["x"].to_pylist()],
            "y": [round(y * 10_000) for y in table["y"].to_pylist()],
            "colours": points.colours.index,
            "are_shades": points.colours.are_shades,
        }
    )


@router.get("/at/{row}", name="map_at")
async def at(request: Request, found: AskedCollection, row: int, given: AskedMap) -> Response:
    """What a point is, for whoever hovers over it."""
    points = await asked(request, found.map(given.of, rows=[row], k=1))
    return page(request, "map-point.html", points=points, of=given.of)


@router.get("/open/{row}", name="map_open")
async def opened(request: Request, found: AskedCollection, row: int, given: AskedMap) -> Response:
    """The page of a point's document or feature."""
    points = await asked(request, found.map(given.of, rows=[row], k=1))
    if not len(points):
        raise NotFound(f"The map of {found.name} has no point {row}.", row=row)
    return RedirectResponse(_base(request) + place_of(given.of, points[0].row, points[0].id), 303)


def place_of(of: MapOf, row: int, id: str | None) -> str:  # noqa: A002  # what the column is called
    """Where a point's document or feature has its page, below its collection's."""
    return f"/features/{row}" if of == "features" else f"/documents/{quote(id or '', safe='')}"


def _questioned(found: AsyncCollection, given: MapAddress, k: int) -> Any:
    return given.documents(found).map(**given.points(k))


async def _area(
    request: Request, found: AsyncCollection, given: MapAddress, polygon: Polygon
) -> dict[str, Any]:
    """How much is in the area, some of it, and, of documents, the filters of both sides."""
    inside = f"within_map('{polygon}')"
    narrowed = given.documents(found)
    points = await asked(request, narrowed.map(given.of, inside=str(polygon), k=IN_AREA))
    sides = (narrowed.where(inside).filter, narrowed.where(f"not {inside}").filter)
    return {"points": points, "sides": sides if given.of == "documents" else None}


def _still(points: MapPoints) -> list[tuple[float, float, int]]:
    """Every so many of the points, for the picture: x, y and colour."""
    step = max(-(-len(points) // STILL), 1)
    table = points.to_arrow()
    columns = (table["x"].to_pylist(), table["y"].to_pylist(), points.colours.index)
    return list(zip(*columns, strict=True))[::step]


def _base(request: Request) -> str:
    """Where the pages of the collection are."""
    named = {name: request.path_params[name] for name in ("corpus", "dictionary")}
    return request.url_for("map", **named).path.removesuffix("/map")
