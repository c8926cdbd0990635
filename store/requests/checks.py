"""What questions are made of, and what must hold of every one."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Literal

from saelake.store.errors import InvalidInput

Pooling = Literal["max", "mean", "sum", "binary"]

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


def check_values(request: Any) -> None:
    """Raise `InvalidInput` for a number or text that no face can carry."""
    for name, value in _values(request):
        if isinstance(value, str):
            _check_text(name, value)
        elif isinstance(value, float) and not math.isfinite(value):
            raise InvalidInput(f"{name} cannot be {value}: it must be a finite number.")
        elif isinstance(value, int) and abs(value) > LARGEST_NUMBER:
            raise InvalidInput(f"{name} cannot be {value}: that is more than 64 bits.")


def _values(request: Any) -> Iterator[tuple[str, Any]]:
    """The name and value of each field, those of nested values and tuples too."""
    for field in fields(request):
        given = getattr(request, field.name)
        for value in given if isinstance(given, tuple) else (given,):
            if is_dataclass(value):
                yield from _values(value)
            else:
                yield field.name, value


def _check_text(name: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:  # a lone surrogate: how Python keeps undecodable bytes
        raise InvalidInput(f"{name} is not text: {text!a} has bytes that are not UTF-8.") from error


def check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
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
