"""The questions and changes as a page lists them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from saelake.answers.lookups import CollectionInfo
from saelake.web.api.changes import CHANGES
from saelake.web.api.examples import example, is_whole
from saelake.web.api.fields import model_of
from saelake.web.api.questions import QUESTIONS, about, form_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedField:
    """A field: which values it has, what it is by itself, and what it means."""

    name: str
    values: str
    default: str
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A question or change: its address, what it is, its fields, and an example."""

    name: str
    about: str
    fields: tuple[ListedField, ...]
    example: str = ""
    works: bool = False


def listed_questions(of: CollectionInfo | None) -> list[Listed]:
    """Each question, with an example of this collection."""
    return [
        Listed(
            name=question,
            about=_first(about(question)),
            fields=tuple(_fields(form_of(question, "address"))),
            example=example(question, of),
            works=of is not None and is_whole(question),
        )
        for question in QUESTIONS
    ]


def listed_changes() -> list[Listed]:
    """Each change that a server may take."""
    return [
        Listed(
            name=name,
            about=_first(kind.__doc__ or ""),
            fields=tuple(_fields(model_of(kind, "body"))),
        )
        for name, kind in CHANGES.items()
    ]


def _fields(model: type[BaseModel]) -> Iterator[ListedField]:
    schema = model.model_json_schema()["properties"]
    for name, field in model.model_fields.items():
        yield ListedField(
            name=name,
            values=_values(schema[name]),
            default=_default(field.default),
            about=field.description or "",
        )


def _values(schema: dict[str, Any]) -> str:
    """The values that a field has, in a word or as choices."""
    if "anyOf" in schema:
        kinds = (_values(each) for each in schema["anyOf"] if each.get("type") != "null")
        return " | ".join(kinds)
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "$ref" in schema:
        return "object"
    if schema.get("type") == "array":
        return f"{_values(schema['items'])} …"
    return str(schema.get("const", schema.get("type", "")))


def _default(default: Any) -> str:
    if default is PydanticUndefined:
        return "needed"
    return "" if default in (None, []) else str(default).lower()


def _first(text: str) -> str:
    """The first paragraph, on one line."""
    return " ".join(text.partition("\n\n")[0].split())
