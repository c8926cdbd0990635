"""What a filter says: a tree of conditions and values, in which nothing is left out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

LiteralKind: TypeAlias = Literal[
    "text", "number", "truth", "null", "bytes", "date", "time", "timestamp"
]
Order = Literal["=", "<>", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Value:
    """A literal; `text` is what stands in its quotes, or the number with its sign."""

    kind: LiteralKind
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Name:
    """A column; one in quotes is exactly of this name, others in lower or upper case."""

    text: str
    is_quoted: bool
    at: int


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a structure."""

    of: "Node"
    name: Name


@dataclass(frozen=True, slots=True)
class Item:
    """An item of a list, counted from 1, or a field of a structure, by its name as a text."""

    of: "Node"
    index: "Node"


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function of some values."""

    name: str
    values: "tuple[Node, ...]"
    at: int


@dataclass(frozen=True, slots=True)
class Cast:
    """A value as another type; `or_null` where it does not fit."""

    of: "Node"
    to: str
    or_null: bool


@dataclass(frozen=True, slots=True)
class Negative:
    """A number with the other sign."""

    of: "Node"


@dataclass(frozen=True, slots=True)
class Chain:
    """Values with operators between them that bind alike, from left to right."""

    first: "Node"
    rest: "tuple[tuple[str, Node], ...]"


@dataclass(frozen=True, slots=True)
class Ordering:
    """Two values compared by their order."""

    left: "Node"
    order: Order
    right: "Node"


@dataclass(frozen=True, slots=True)
class Distinct:
    """Whether two values differ, where null equals null."""

    left: "Node"
    right: "Node"
    negated: bool


@dataclass(frozen=True, slots=True)
class Like:
    """A text compared with a pattern by LIKE or ILIKE."""

    of: "Node"
    how: str
    pattern: "Node"
    negated: bool


@dataclass(frozen=True, slots=True)
class In:
    """Whether a value is one of some."""

    of: "Node"
    values: "tuple[Node, ...]"
    negated: bool


@dataclass(frozen=True, slots=True)
class Between:
    """Whether a value is neither below nor above two others."""

    of: "Node"
    low: "Node"
    high: "Node"
    negated: bool


@dataclass(frozen=True, slots=True)
class Is:
    """Whether a value is NULL, TRUE or FALSE."""

    of: "Node"
    what: str
    negated: bool


@dataclass(frozen=True, slots=True)
class Negation:
    """A condition that does not hold."""

    of: "Node"


@dataclass(frozen=True, slots=True)
class Junction:
    """Conditions joined by AND, or by OR."""

    how: str
    conditions: "tuple[Node, ...]"


Condition: TypeAlias = Ordering | Distinct | Like | In | Between | Is | Negation | Junction
Node: TypeAlias = Value | Name | Field | Item | FunctionCall | Cast | Negative | Chain | Condition
CONDITIONS = (Ordering, Distinct, Like, In, Between, Is, Negation, Junction)


def parts(node: Node) -> tuple[Node, ...]:
    """What stands directly in a node."""
    found = _PARTS.get(type(node))
    return () if found is None else found(node)


_PARTS: Mapping[type, Callable[[Any], tuple[Node, ...]]] = {
    Field: lambda node: (node.of,),
    Item: lambda node: (node.of, node.index),
    FunctionCall: lambda node: node.values,
    Cast: lambda node: (node.of,),
    Negative: lambda node: (node.of,),
    Chain: lambda node: (node.first, *(part for _, part in node.rest)),
    Ordering: lambda node: (node.left, node.right),
    Distinct: lambda node: (node.left, node.right),
    Like: lambda node: (node.of, node.pattern),
    In: lambda node: (node.of, *node.values),
    Between: lambda node: (node.of, node.low, node.high),
    Is: lambda node: (node.of,),
    Negation: lambda node: (node.of,),
    Junction: lambda node: node.conditions,
}
