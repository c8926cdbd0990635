"""Arguments as people give them: one thing or several, and what is said of neither."""

import re
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from typing import Any

from saelake.store.errors import InvalidInput
from saelake.store.format.poles import POSITIVE, numbered, said
from saelake.store.requests.checks import LARGEST_NUMBER, Selection, Weight

COMMA = re.compile(r',(?=(?:[^"]*"[^"]*")*[^"]*$)')  # outside of double quotes


def numbers(name: str, given: Any, hint: str = "") -> tuple[int, ...]:
    """One whole number or several as a tuple. Raises `InvalidInput`, with the hint."""
    several = (given,) if isinstance(given, Integral) else given
    if isinstance(several, str) or not isinstance(several, Iterable):
        raise InvalidInput(f"{name} must be a number or several, not {given!r}.{hint}")
    found = tuple(several)
    if all(type(n) is int for n in found):  # as nearly always; there may be thousands
        return found
    wrong = next((n for n in found if not isinstance(n, Integral) or isinstance(n, bool)), None)
    if wrong is not None:
        raise InvalidInput(f"{name} must be whole numbers, not {wrong!r}.{hint}")
    return tuple(map(int, found))


def poles(name: str, given: Any, hint: str = "") -> tuple[int, ...]:
    """Features, each a number or the text of a pole, as "-0", for a question.

    Raises `InvalidInput`, with the hint.
    """
    several = (given,) if isinstance(given, str | Integral) else given
    if not isinstance(several, Iterable):
        raise InvalidInput(f"{name} must be a number or several, not {given!r}.{hint}")
    return numbers(name, [_pole(item, hint) for item in several], hint)


def _pole(given: Any, hint: str = "") -> Any:
    """The number of a question that a number or text is; what is neither stays what it is."""
    if not isinstance(given, str):
        if not isinstance(given, Integral) or not POSITIVE <= int(given) <= LARGEST_NUMBER:
            return given
        given = str(given)
    try:
        return numbered(given)
    except InvalidInput as error:
        raise InvalidInput(f"{error.message}{hint}") from None


def documents(given: Any) -> tuple[int, ...]:
    """Numbers of documents, as a tuple. Raises `InvalidInput`."""
    return numbers("doc", given, " A document's id is text: give it as id=.")


def ids(given: Any) -> tuple[str, ...]:
    """Ids of documents, as a tuple. Raises `InvalidInput`."""
    several = (given,) if isinstance(given, str) else given
    found = tuple(several) if isinstance(several, Iterable) else (several,)
    wrong = next((item for item in found if not isinstance(item, str)), None)
    if wrong is not None:
        raise InvalidInput(f"id must be text, not {wrong!r}. A document's number is given as doc=.")
    return found


def texts_of(given: Any) -> tuple[str, ...]:
    """One text or several as a tuple. Raises `InvalidInput`."""
    several = (given,) if isinstance(given, str) else given
    if isinstance(several, bytes) or not isinstance(several, Iterable):
        raise InvalidInput(f"texts must be a text or several, not {given!r}.")
    return tuple(several)


def names(name: str, given: Any) -> tuple[str, ...]:
    """One name or several as a tuple. Raises `InvalidInput`."""
    several = (given,) if isinstance(given, str) else given
    if not isinstance(several, Iterable):
        raise InvalidInput(f"{name} must be a name or several, not {given!r}.")
    return tuple(several)


def names_in(text: str) -> list[str]:
    """The names in `length,source`; a comma in double quotes is part of a name."""
    return [name.strip() for name in COMMA.split(text)]


def weights(name: str, given: Mapping[Any, float] | None) -> tuple[Weight, ...]:
    """Features and numbers, as in `{12: 1.0}` or `{"-12": 1.0}`. Raises `InvalidInput`."""
    if given is None:
        return ()
    if not isinstance(given, Mapping):
        raise InvalidInput(f"{name} must have a number for each feature, as {{12: 1.0}} has.")
    return tuple(Weight(feature=_pole(name), weight=weight) for name, weight in given.items())


def weights_in(text: str) -> dict[str, float]:
    """The features and numbers in `12:1.0,-30:0.5`. Raises `InvalidInput`."""
    try:
        pairs = (item.partition(":") for item in text.split(","))
        return {
            feature_in(feature): float(weight) if colon else 1.0 for feature, colon, weight in pairs
        }
    except ValueError:
        raise InvalidInput(f"{text!r} is not features with numbers: write 12:1.0,30:0.5.") from None


def features_in(text: str) -> list[str]:
    """The features in `12,-34`. Raises `InvalidInput`."""
    try:
        return [feature_in(number) for number in text.split(",")]
    except ValueError:
        raise InvalidInput(f"{text!r} is not a list of features: write 12,34.") from None


def feature_in(text: str) -> str:
    """A feature, or a pole of it, as it is named. Raises `InvalidInput`."""
    return said(numbered(text))


def selection_of(text: str) -> Selection:
    """The selection in `corpus/dictionary where PREDICATE`. Raises `InvalidInput`."""
    if not text.strip():
        raise InvalidInput("A selection is a collection: write corpus/dictionary.")
    return Selection.parse(text)


def of_kind(question: str, kind: type[Any], given: Sequence[Any]) -> None:
    """Raise `InvalidInput` unless all are collections (or dictionaries, for a match of those)."""
    wrong = next((item for item in given if not isinstance(item, kind)), None)
    if wrong is not None:
        raise InvalidInput(
            f"{question} takes another {kind.__name__.lower()} of the lake, not {wrong!r}: "
            "lake['corpus/dictionary'], or a selection of it, .where(…)."
        )
