"""What questions are made of, and what must hold of every one."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, is_dataclass
from datetime import UTC, datetime
from functools import partial
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import (
    Any,
    ClassVar,
    Literal,
    TypeAlias,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from saelake.store.errors import InvalidInput

Pooling = Literal["max", "mean", "sum", "binary"]
Method = Literal["sae", "dense", "hybrid"]

LARGEST_NUMBER = 2**63 - 1  # of an int64, as numbers are stored and sent
MOST_BINS = 1000


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
    """A feature, and how much it counts (see `format.poles` for those of signed dictionaries)."""

    feature: int
    weight: float = 1.0


Check: TypeAlias = Callable[[str, Any], Any]  # the value of a field of this name, as it is kept


def checks(hints: Mapping[str, Any]) -> dict[str, Check]:
    """What each field of a frozen value must go through, by its type.

    A check raises `InvalidInput` for a value of another type, and for what no face can carry;
    numbers of any library become plain ones.
    """
    return {name: _check(hint) for name, hint in hints.items() if get_origin(hint) is not ClassVar}


def admit(value: Any, checked: Mapping[str, Check]) -> None:
    """Put the fields of a frozen value through their checks."""
    for name, check in checked.items():
        given = getattr(value, name)
        kept = check(name, given)
        if kept is not given:
            object.__setattr__(value, name, kept)


def _check(hint: Any) -> Check:
    if get_origin(hint) in (Union, UnionType):
        (some,) = (kind for kind in get_args(hint) if kind is not NoneType)
        return partial(_optional, _check(some))
    if get_origin(hint) is tuple:
        return partial(_several, _check(get_args(hint)[0]))
    if get_origin(hint) is Literal:
        return partial(_choice, get_args(hint))
    if is_dataclass(hint):
        return partial(_nested, hint, checks(get_type_hints(hint)))
    return _PLAIN[hint]


def _optional(check: Check, name: str, value: Any) -> Any:
    return None if value is None else check(name, value)


def _several(check: Check, name: str, value: Any) -> tuple[Any, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InvalidInput(f"{name} must be several values, not {value!r}.")
    return tuple(check(name, item) for item in value)


def _choice(allowed: tuple[str, ...], name: str, value: Any) -> Any:
    if value not in allowed:
        raise InvalidInput(f"{name} cannot be {value!r}; choose one of {', '.join(allowed)}.")
    return value


def _nested(kind: Any, checked: Mapping[str, Check], name: str, value: Any) -> Any:
    if not isinstance(value, kind):
        raise InvalidInput(f"{name} must be a {kind.__name__}, not {value!r}.")
    admit(value, checked)
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"{name} must be text, not {value!r}.")
    _check_text(name, value)
    return value


def _whole(name: str, value: Any) -> int:
    is_plain = type(value) is int  # as nearly all are, of which there may be many thousands
    if not is_plain and (not isinstance(value, Integral) or isinstance(value, bool)):
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


def _moment(name: str, value: Any) -> datetime:
    if not isinstance(value, datetime):
        raise InvalidInput(f"{name} must be a moment, not {value!r}.")
    try:  # whatever a number of seconds since 1970 can be; without a zone it is taken for UTC
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise InvalidInput(f"{name} cannot be {value}.") from error


_PLAIN: Mapping[Any, Check] = {
    str: _text,
    int: _whole,
    float: _real,
    bool: _truth,
    datetime: _moment,
}


def _check_text(name: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:  # a lone surrogate: how Python keeps undecodable bytes
        raise InvalidInput(f"{name} is not text: {text!a} has bytes that are not UTF-8.") from error


def check_k(k: int | None) -> None:
    """Raise `InvalidInput` for a number of results that cannot be meant."""
    if k is not None and k < 1:
        raise InvalidInput(f"k must be at least 1, or left out for all, not {k}.", k=k)


def check_share(name: str, value: float | None) -> None:
    """Raise `InvalidInput` unless the value is None or in [0, 1]."""
    if value is not None and not 0 <= value <= 1:
        raise InvalidInput(f"{name} is a share, from 0 to 1, not {value}.")


def check_inside(name: str, value: float) -> None:
    """Raise `InvalidInput` unless the value is between 0 and 1."""
    if not 0 < value < 1:
        raise InvalidInput(f"{name} is a share between 0 and 1, not {value}.")


def check_bins(bins: int | None) -> None:
    """Raise `InvalidInput` for a number of bins that is none."""
    if bins is not None and not 2 <= bins <= MOST_BINS:
        raise InvalidInput(
            f"bins must be from 2 to {MOST_BINS}, or left out, not {bins}.", bins=bins
        )


def check_positive(name: str, value: float) -> None:
    """Raise `InvalidInput` unless the value is more than 0."""
    if not value > 0:
        raise InvalidInput(f"{name} must be more than 0, not {value}.")
