"""Poles: what is counted of a dictionary's features, each by a number of its own.

A feature of a signed dictionary (AbsTopK, ITDA) fires in two ways, above 0 and below it, that mean
different things: it has two poles. Pole f is the positive side of feature f, pole d_sae + f its
negative side, and a pole's strength is the magnitude of the value. Of any other dictionary each
feature has one pole, of its own number.

A question names a feature by a whole number: n is feature n, with all its poles; -n its negative
pole; `POSITIVE` + n only the positive one; and `NEGATIVE` + n the negative one again, for there is
no -0. As texts these are `243`, `-243`, `+243` and `-0`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

from saelake.store.errors import InvalidInput, NotFound
from saelake.store.format.lists import Array

POSITIVE, NEGATIVE = 1 << 32, 1 << 33  # beyond every number of a feature, which are uint32
_NAMED = re.compile(r"\s*([+-]?)\s*(\d+)\s*")


@dataclass(frozen=True, slots=True)
class Poles:
    """The poles of a dictionary of `d_sae` features."""

    d_sae: int
    signed: bool

    @property
    def width(self) -> int:
        """How many there are."""
        return 2 * self.d_sae if self.signed else self.d_sae

    def of(self, number: int, whose: str) -> tuple[int, ...]:
        """The poles that a question's number means.

        Raises `NotFound` for what `whose` dictionary or collection does not have.
        """
        feature, sign = parted(number)
        beyond = not 0 <= feature < self.d_sae
        if beyond or (sign == "-" and not self.signed):
            why = "" if beyond or self.signed else ", and its values are never negative"
            raise NotFound(
                f"{whose} has no feature {said(number)}: its features are 0 to {self.d_sae - 1}"
                f"{why}.",
                feature=number,
            )
        both = (feature, self.d_sae + feature) if self.signed else (feature,)
        return {"": both, "+": both[:1], "-": both[1:]}[sign]

    def features(self, poles: Array) -> Array:
        """The feature that each pole is of, in [0, d_sae)."""
        return poles % poles.dtype.type(self.d_sae) if self.signed else poles

    def signs(self, poles: Array) -> Array:
        """1 or -1 for each pole, float32."""
        positive = (poles < self.d_sae) | (not self.signed)
        return np.where(positive, np.float32(1), np.float32(-1))

    def marks(self, poles: Array) -> pa.Array:
        """`+` or `-` for each pole, an Arrow column of text."""
        return pa.array(["+", "-"]).take(pa.array((poles >= self.d_sae).astype(np.int8)))

    def name(self, pole: int) -> str:
        """What a question calls this pole alone."""
        if not self.signed:
            return str(pole)
        return f"+{pole}" if pole < self.d_sae else f"-{pole - self.d_sae}"


@lru_cache(4096)  # a question may name one at each of its places
def numbered(text: str) -> int:
    """The number of a question that `243`, `-243`, `+243` or `-0` is. Raises `InvalidInput`."""
    found = _NAMED.fullmatch(text)
    if found is None:
        raise InvalidInput(
            f"{text!r} is no feature: write its number, as 243, or of a signed dictionary also "
            "-243 and +243, for one of its poles."
        )
    feature = int(found[2])
    if feature >= POSITIVE:
        raise InvalidInput(f"There is no feature {text.strip()}: no dictionary has as many.")
    if found[1] == "-":
        return -feature if feature else NEGATIVE
    return POSITIVE + feature if found[1] else feature


def said(number: int) -> str:
    """The text of a question's number, as `numbered` takes it."""
    feature, sign = parted(number)
    return f"{sign}{feature}"


def parted(number: int) -> tuple[int, str]:
    """The feature that a question's number means, and which of its poles."""
    if number < 0:
        return -number, "-"
    for beyond, sign in ((POSITIVE, "+"), (NEGATIVE, "-")):
        if beyond <= number < beyond + POSITIVE:
            return number - beyond, sign
    return number, ""


def every(numbers: Sequence[int], poles: Poles, whose: str) -> tuple[int, ...]:
    """The poles that a question's numbers mean, in their order."""
    return tuple(pole for number in numbers for pole in poles.of(number, whose))
