"""The fields of questions and commands as pydantic models, which is how OpenAPI tells of them.

A question is asked in two forms: by an address (GET), where each value is text, and by a JSON body
(POST). In an address a selection is `corpus/dictionary where PREDICATE`, features stand after
commas, and weights as `12:1.0`; names and texts, which may hold commas, are given again and again.
"""

from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model
from pydantic import Field as Described

from saelake.arguments import poles, selection_of, weights, weights_in
from saelake.store.requests.checks import Selection, Weight
from saelake.web.api.contract import field_comments

Form: TypeAlias = Literal["address", "body"]
Kind: TypeAlias = Any  # a request, a command, or a value in one: the class of a frozen dataclass

# Whole numbers that may be poles, as -12.
FEATURES = ("feature", "features", "within", "place_features")
ALL = "all"  # of k in an address; in a body it is null


def model_of(kind: Kind, form: Form, *more: "Extra") -> type[BaseModel]:
    """The model of a kind's fields in a form, and of what else may be given with them."""
    return _model(kind, form, more)


@cache
def _model(kind: Kind, form: Form, more: "tuple[Extra, ...]") -> type[BaseModel]:
    hints, said = get_type_hints(kind), field_comments(_message(kind))
    given: dict[str, Any] = {
        field.name: _field(field, hints[field.name], form, said.get(field.name, ""))
        for field in fields(kind)
    }
    given |= {one.name: (one.type, Described(one.default, description=one.about)) for one in more}
    model: type[BaseModel] = create_model(
        f"{kind.__name__}{form.title()}",
        __config__=ConfigDict(extra="forbid", protected_namespaces=()),
        __doc__=kind.__doc__,
        **given,
    )
    return model


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """What may be given beside the fields of a question."""

    name: str
    type: Any
    about: str
    default: Any = None


def value_of(kind: Kind, given: Mapping[str, Any]) -> Any:
    """The request or command of these values. Raises `InvalidInput`."""
    hints = get_type_hints(kind)
    return kind(**{f.name: _value(f.name, hints[f.name], given[f.name]) for f in fields(kind)})


def _message(kind: Kind) -> str:
    name: str = kind.__name__
    for ending in ("Query", "Command"):
        if name.endswith(ending):
            return f"{name.removesuffix(ending)}Request"
    return name


# -- What is taken.


def _field(field: Field[Any], hint: Any, form: Form, about: str) -> tuple[Any, Any]:
    needed = field.default is MISSING and field.default_factory is MISSING
    default = ... if needed else _default(field, hint)
    return _type(field.name, hint, form), Described(default, description=about or None)


def _default(field: Field[Any], hint: Any) -> Any:
    """The field's default; of several values a list, which is what JSON has."""
    default: Any = field.default
    return list(default) if get_origin(hint) is tuple else default


def _type(name: str, hint: Any, form: Form) -> Any:
    """The type that a value of a field has in a form."""
    optional = get_origin(hint) in (Union, UnionType)
    inner = next(h for h in get_args(hint) if h is not NoneType) if optional else hint
    found: Any = _one(name, inner, form)
    if not optional:
        return found
    return found | Literal["all"] if (name, form) == ("k", "address") else found | None


def _one(name: str, hint: Any, form: Form) -> Any:
    if get_origin(hint) is tuple:
        return _several(name, get_args(hint)[0], form)
    if hint is int and name in FEATURES:
        return str if form == "address" else int | str
    if hint is Selection:
        return str if form == "address" else model_of(hint, form) | str
    return model_of(hint, form) if is_dataclass(hint) else hint


def _several(name: str, item: Any, form: Form) -> Any:
    if item is Weight and form == "body":
        return list[model_of(item, form)] | dict[str, float]  # type: ignore[misc]
    return list[str] if item is Weight else list[_one(name, item, form)]  # type: ignore[misc]


# -- What is meant.


def _value(name: str, hint: Any, given: Any) -> Any:
    """The value of a field, of what was given for it in either form."""
    if get_origin(hint) in (Union, UnionType):
        if given is None or (name == "k" and given == ALL):
            return None
        hint = next(h for h in get_args(hint) if h is not NoneType)
    if get_origin(hint) is tuple:
        return _values(name, get_args(hint)[0], given)
    if hint is int and name in FEATURES:
        (number,) = poles(name, given)
        return number
    return _nested(hint, given)


def _values(name: str, item: Any, given: Any) -> tuple[Any, ...]:
    if item is int and name in FEATURES:
        return poles(name, [part for each in given for part in _parts(each)])
    if item is Weight:
        return weights(name, _weights(given))
    return tuple(_nested(item, each) for each in given)


def _parts(given: Any) -> list[Any]:
    """The features in `12,-34`, or the one that it is."""
    return [part.strip() for part in given.split(",")] if isinstance(given, str) else [given]


def _weights(given: Any) -> Mapping[Any, float]:
    if isinstance(given, Mapping):
        return given
    found: dict[Any, float] = {}
    for each in given:
        found |= weights_in(each) if isinstance(each, str) else {each["feature"]: each["weight"]}
    return found


def _nested(hint: Any, given: Any) -> Any:
    if hint is Selection and isinstance(given, str):
        return selection_of(given)
    return value_of(hint, given) if is_dataclass(hint) else given
