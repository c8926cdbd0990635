"""What questions are made of, and what must hold of every one."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from saelake.store.errors import InvalidInput

Pooling = Literal["max", "mean", "sum", "binary"]
Method = Literal["sae", "dense", "hybrid"]

LARGEST_NUMBER = 2**63 - 1  # of an int64, as numbers are stored and sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A collection, or the documents of it that an SQL predicate over the metadata keeps."""

    collection: str
    where: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Selection":
        """The selection in `corpus/dictionary` or `corpus/dictionary where PREDICATE`."""
        collection, *rest = text.strip().split(maxsplit=2)
        if not rest:
            return cls(collection=collection)
        if rest[0].lower() != "where" or len(rest) == 1:
            raise InvalidInput(
                f'{text!r} is not a selection: write corpus/dictionary, or "corpus/dictionary '
                "where label = 'pos'\".",
                selection=text,
            )
        return cls(collection=collection, where=rest[1])

    def __str__(self) -> str:
        return f"{self.collection} where {self.where}" if self.where else self.collection


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """A feature, and how much it counts."""

    feature: int
    weight: float = 1.0


def admit(request: Any, hints: Mapping[str, Any]) -> None:
    """Check the fields of a frozen value against their types, and let numbers be plain ones.

    Raises `InvalidInput` for a value of another type, and for what no face can carry.
    """
    for field in fields(request):
        given = getattr(request, field.name)
        admitted = _admitted(field.name, hints[field.name], given)
        if admitted is not given:
            object.__setattr__(request, field.name, admitted)


def _admitted(name: str, hint: Any, value: Any) -> Any:
    if get_origin(hint) in (Union, UnionType):
        (hint,) = (kind for kind in get_args(hint) if kind is not NoneType)
        return None if value is None else _admitted(name, hint, value)
    if get_origin(hint) is tuple:
        if isinstance(value, str) or not isinstance(value, Iterable):
            raise InvalidInput(f"{name} must be several values, not {value!r}.")
        return tuple(_admitted(name, get_args(hint)[0], item) for item in value)
    if get_origin(hint) is Literal:
        check_choice(name, value, get_args(hint))
        return value
    if is_dataclass(hint):
        return _nested(name, hint, value)
    return _PLAIN[hint](name, value)


def _nested(name: str, kind: Any, value: Any) -> Any:
    if not isinstance(value, kind):
        raise InvalidInput(f"{name} must be a {kind.__name__}, not {value!r}.")
    admit(value, get_type_hints(kind))
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{name} must be text, not {value!r}.")
    _check_text(name, value)
    return value


def _whole(name: str, value: Any) -> int:
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise InvalidInput(f"{name} must be a whole number, not {value!r}.")
    number = value if isinstance(value, int) else int(value)
    if abs(number) > LARGEST_NUMBER:
        raise InvalidInput(f"{name} cannot be {value}: that is more than 64 bits.")
    return number


def _real(name: str, value: Any) -> float:
    if not isinstance(value, Real) or isinstance(value, bool):
        raise InvalidInput(f"{name} must be a number, not {value!r}.")
    if not math.isfinite(value):
        raise InvalidInput(f"{name} cannot be {value}: it must be a finite number.")
    return value if isinstance(value, float) else float(value)


def _truth(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidInput(f"{name} must be True or False, not {value!r}.")
    return value


_PLAIN: Mapping[Any, Callable[[str, Any], Any]] = {
    str: _text,
    int: _whole,
    float: _real,
    bool: _truth,
}


def _check_text(name: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:  # a lone surrogate: how Python keeps undecodable bytes
        raise InvalidInput(f"{name} is not text: {text!a} has bytes that are not UTF-8.") from error


def check_choice(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    """Raise `InvalidInput` for a value that is none of those."""
    if value not in allowed:
        raise InvalidInput(f"{name} cannot be {value!r}; choose one of {', '.join(allowed)}.")


def check_k(k: int | None) -> None:
    """Raise `InvalidInput` for a number of results that cannot be meant."""
    if k is not None and k < 1:
        raise InvalidInput(f"k must be at least 1, or left out for all, not {k}.", k=k)


def check_share(name: str, value: float | None) -> None:
    """Raise `InvalidInput` unless the value is None or in [0, 1]."""
    if value is not None and not 0 <= value <= 1:
        raise InvalidInput(f"{name} is a share, from 0 to 1, not {value}.")


def check_positive(name: str, value: float) -> None:
    """Raise `InvalidInput` unless the value is more than 0."""
    if not value > 0:
        raise InvalidInput(f"{name} must be more than 0, not {value}.")
