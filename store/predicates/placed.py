"""Areas of a map in a filter: `within_map('0 0, 0.5 0, 0.5 0.5')`.

No column says where a document lies on a map, so the tables' engine is not asked: an area stands
by itself, with NOT, or joined by AND, and what is left of the filter is answered as ever.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from saelake.store.errors import InvalidFilter, InvalidInput
from saelake.store.predicates.grammar import parse
from saelake.store.predicates.mistakes import mistake
from saelake.store.predicates.polygon import Polygon
from saelake.store.predicates.tree import FunctionCall, Junction, Negation, Node, Value, parts

WITHIN_MAP = "within_map"


@dataclass(frozen=True, slots=True)
class Area:
    """An area that documents are in, or not in."""

    polygon: Polygon
    negated: bool


@dataclass(frozen=True, slots=True)
class PlacedFilter:
    """A filter in two: the areas, and the rest (None: there is none), which all must hold."""

    areas: tuple[Area, ...]
    rest: Node | None


def may_be_placed(where: str) -> bool:
    """Whether a filter could have an area, which only parsing it tells."""
    return WITHIN_MAP in where.lower()


def rest_of(where: str | None) -> str:
    """The filter of the documents that a filter does not keep, also of those where it is unknown.

    `NOT (length > 3)` has neither the long documents nor those without a length; the rest has
    these. Raises `InvalidFilter`, and `InvalidInput` where every document is kept.
    """
    if where is None:
        raise InvalidInput("No filter is set, so that there is no rest: name a selection first.")
    found = placed(where)
    if not found.areas:
        return f"({where}) IS NOT TRUE"
    if len(found.areas) > 1 or found.rest is not None:
        raise InvalidFilter(
            f"The rest of {where!r} is no filter: it would join what is outside of an area with "
            "what is within it. Take the rest of the area alone."
        )
    return f"NOT ({where})"


def placed(where: str) -> PlacedFilter:
    """The filter in two. Raises `InvalidFilter`."""
    areas: list[Area] = []
    rest: list[Node] = []
    for node in _joined(parse(where)):
        area = _area(where, node)
        if area is None:
            _check_none(where, node)
            rest.append(node)
        else:
            areas.append(area)
    if len(rest) > 1:
        return PlacedFilter(tuple(areas), Junction("AND", tuple(rest)))
    return PlacedFilter(tuple(areas), rest[0] if rest else None)


def _joined(node: Node) -> Iterator[Node]:
    """The conditions that must all hold."""
    if isinstance(node, Junction) and node.how == "AND":
        for condition in node.conditions:
            yield from _joined(condition)
    else:
        yield node


def _area(where: str, node: Node) -> Area | None:
    """The area that a condition is, if it is one."""
    if isinstance(node, Negation):
        found = _area(where, node.of)
        return None if found is None else Area(found.polygon, not found.negated)
    if not isinstance(node, FunctionCall) or node.name != WITHIN_MAP:
        return None
    return Area(_polygon(where, node), negated=False)


def _polygon(where: str, call: FunctionCall) -> Polygon:
    match call.values:
        case (Value("text", text, at),):
            try:
                return Polygon.parse(text)
            except InvalidInput as error:
                raise mistake(where, at, error.message) from error
    raise mistake(where, call.at, f"{WITHIN_MAP} takes the corners of an area as one text.")


def _check_none(where: str, node: Node) -> None:
    if isinstance(node, FunctionCall) and node.name == WITHIN_MAP:
        raise unplaced(where, node.at)
    for part in parts(node):
        _check_none(where, part)


def unplaced(where: str, at: int) -> InvalidFilter:
    """The error of an area where none can stand."""
    return mistake(
        where,
        at,
        f"{WITHIN_MAP} stands by itself, after NOT, or joined by AND, in a filter of a collection "
        "that has a map.",
    )
