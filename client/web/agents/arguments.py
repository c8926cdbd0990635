"""What a tool takes: fields of questions, which become the JSON schema that an agent is shown."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic import Field as Described
from pydantic.fields import FieldInfo

from saelake.store.errors import InvalidInput
from saelake.web.api.fields import Kind, model_of, value_of

MOST_ROWS = 50
NEEDED: Any = ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One argument of a tool; without a default it must be given."""

    name: str
    type: Any
    about: str
    default: Any = NEEDED


AT = Argument(
    name="at",
    type=str | None,
    about="The lake as it was: a tag, a time, or the `state` of an earlier answer.",
    default=None,
)


def rows(default: int, what: str) -> Argument:
    """How many rows are answered."""
    kind = Annotated[int, Described(ge=1, le=MOST_ROWS)]
    return Argument(name="k", type=kind, about=f"How many {what}.", default=default)


def fields_of(kind: Kind, *names: str, **about: str) -> tuple[Argument, ...]:
    """Fields of a question, as the API takes them in JSON.

    What they mean is said by the wire contract, or here `about` those of which it says nothing.
    """
    known = model_of(kind, "body").model_fields
    return tuple(_argument(name, known[name], about.get(name)) for name in (*names, *about))


def _argument(name: str, field: FieldInfo, about: str | None) -> Argument:
    default = NEEDED if field.is_required() else field.default
    said = about or field.description or ""
    return Argument(name=name, type=field.annotation, about=said, default=default)


def model_for(tool: str, arguments: Sequence[Argument]) -> type[BaseModel]:
    """The model of a tool's arguments. Numbers pass for text: agents write `12` for a feature."""
    given: dict[str, Any] = {
        each.name: (each.type, Described(each.default, description=each.about))
        for each in arguments
    }
    model: type[BaseModel] = create_model(
        tool,
        __config__=ConfigDict(extra="forbid", protected_namespaces=(), coerce_numbers_to_str=True),
        **given,
    )
    return model


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of the arguments, without the titles that pydantic makes of names."""
    found: dict[str, Any] = _untitled(model.model_json_schema())
    return found


def _untitled(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_untitled(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _untitled(value)
        for name, value in schema.items()
        if not (name == "title" and isinstance(value, str))
    }


def taken(model: type[BaseModel], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with their defaults. Raises `InvalidInput`, which names each that is wrong."""
    try:
        return model.model_validate(dict(given)).model_dump()
    except ValidationError as error:
        names = ", ".join(model.model_fields)
        raise InvalidInput(" ".join(_problem(each, names) for each in error.errors())) from None


def _problem(found: Mapping[str, Any], names: str) -> str:
    """What is wrong with an argument, in a sentence."""
    name = ".".join(map(str, found["loc"]))
    if found["type"] == "missing":
        return f"The argument {name} is missing."
    if found["type"] == "extra_forbidden":
        return f"There is no argument {name} here; there are {names}."
    return f"{name}: {found['msg']}."


def question_of(kind: Kind, given: Mapping[str, Any]) -> Any:
    """The question of these values, the rest of its fields as they are by themselves.

    Raises `InvalidInput`.
    """
    return value_of(kind, model_of(kind, "body")(**given).model_dump())
