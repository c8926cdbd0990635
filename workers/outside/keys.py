"""Keys of features in vectors: numbers, or names that are given numbers when all are known."""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from saelake.store.errors import CorpusError
from saelake.store.format.lists import Array
from saelake.store.requests.commands.labels import LONGEST_LABEL

NAMED = 1 << 31  # keys from here on are places among the names that were met
MOST_FEATURES = 1 << 24  # what rows of codes can number
_NUMBER = re.compile(r"0|[1-9][0-9]{0,8}")


class _PlacedNames(dict[str, int]):
    """Each name's place among all, which it gets when it is first asked for."""

    def __missing__(self, name: str) -> int:
        self[name] = place = len(self)
        return place


class Keys:
    """The keys that the rows of a source have: as uint32, numbers are themselves.

    Whether `12` among strings is a number or a name is settled when all are known (`resolved`).
    """

    def __init__(self) -> None:
        self._names = _PlacedNames()
        self._largest = -1  # of those that were given as numbers

    def of_names(self, names: Iterable[str]) -> Array:
        """The keys of names, uint32 (n,)."""
        found = np.fromiter(map(self._names.__getitem__, names), np.int64)
        if len(self._names) > MOST_FEATURES:
            raise CorpusError(f"There are more than {MOST_FEATURES:,} names of features.")
        return (found + NAMED).astype(np.uint32)

    def of_numbers(self, numbers: Array) -> Array:
        """The keys of numbers, uint32 (n,). Raises `CorpusError` for one that no feature has."""
        bad = (numbers < 0) | (numbers >= MOST_FEATURES)
        if bad.any():
            raise CorpusError(
                f"{numbers[bad][0]} is no number of a feature: these are 0 to "
                f"{MOST_FEATURES - 1:,}."
            )
        if len(numbers):
            self._largest = max(self._largest, int(numbers.max()))
        return numbers.astype(np.uint32)

    def said(self, key: int) -> str:
        """What people call a key."""
        return str(key) if key < NAMED else repr(list(self._names)[key - NAMED])

    @property
    def names(self) -> Sequence[str]:
        """All names, in the order in which they were met."""
        return list(self._names)

    def are_named(self, asked: bool | None) -> bool:
        """Whether features have names. `asked` is what is known of it, None: nothing.

        Raises `CorpusError` where that is not clear, or cannot be.
        """
        if (broken := next((n for n in self._names if not is_text(n)), None)) is not None:
            raise CorpusError(f"The feature {broken!r} is no text: it has half a character.")
        odd = (n for n in self._names if not n.strip() or len(n) > LONGEST_LABEL)
        if (no_name := next(odd, None)) is not None:
            raise CorpusError(
                f"{no_name[:40]!r} cannot be the name of a feature: it has 1 to {LONGEST_LABEL:,} "
                "characters that are not all white space."
            )
        numeric = next((name for name in self._names if _NUMBER.fullmatch(name)), None)
        other = next((name for name in self._names if not _NUMBER.fullmatch(name)), None)
        if asked is True and self._largest >= 0:
            raise CorpusError(
                f"Features have names here, and {self._largest} is a number. Give every feature a "
                "name, or import the numbers as another collection."
            )
        if asked is False and other is not None:
            raise CorpusError(
                f"Features have numbers here, and {other!r} is none. Give every feature a number, "
                "or import the names as another collection."
            )
        if asked is not None:
            return asked
        if other is None:
            return False
        if self._largest >= 0 or numeric is not None:
            number = repr(numeric) if self._largest < 0 else str(self._largest)
            raise CorpusError(
                f"Some features have names, as {other!r}, and some have numbers, as {number}. If "
                "all are names, say so with --keys names; else give every feature a number."
            )
        return True

    @property
    def width(self) -> int:
        """One more than the largest number; only where features have numbers."""
        largest = max(map(int, self._names), default=-1)
        return max(largest, self._largest) + 1

    def resolver(self, of_name: Mapping[str, int] | None) -> "Resolver":
        """What turns keys into numbers of features: with names as these say, or as numbers."""
        said = map(int, self._names) if of_name is None else (of_name[n] for n in self._names)
        return Resolver(np.fromiter(said, np.int64, len(self._names)))


def is_text(text: str) -> bool:
    """Whether a string is text: not with half of a pair of surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Resolver:
    """Numbers of features for keys."""

    def __init__(self, of_place: Array) -> None:
        self._of_place = of_place

    def __call__(self, key: Array) -> Array:
        """The number of each key's feature, int64 (n,)."""
        number = key.astype(np.int64)
        named = number >= NAMED
        if named.any():
            number[named] = self._of_place[number[named] - NAMED]
        return number
