"""JSON schemas of answers: objects of which every field is there and no other, and lists."""

from collections.abc import Mapping
from typing import Any

TEXT: Mapping[str, Any] = {"type": "string"}


def object_of(**fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """An object with just these fields."""
    return {
        "type": "object",
        "properties": fields,
        "required": list(fields),
        "additionalProperties": False,
    }


def list_of(each: Mapping[str, Any], most: int | None = None) -> Mapping[str, Any]:
    """A list of these, of at most so many."""
    bound = {} if most is None else {"maxItems": most}
    return {"type": "array", "items": each, **bound}
