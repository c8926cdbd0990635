"""Feature expressions: `12`, `12 > 3.0`, `12 & 34 & !56`, `(1 | 2) & 3`.

An expression holds at a token, with a value:

- `12` where feature 12 fires; the value is the feature's.
- `12 > 3.0`, `12 >= 3.0` where it fires so strongly.
- `a & b` where both hold; the value is the smaller.
- `a | b` where either holds; the value is the larger of those that hold.
- `!a` where `a` does not hold; it has no value of its own.

The scope says what "where" means: at the same token, within `N` tokens of it, or anywhere in the
document. A hit is a token at which some feature of the expression (not under `!`) itself fires as
asked, and around which, within the scope, the expression holds.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saelake.store.errors import InvalidExpression

Values = npt.NDArray[np.float32]
NOTHING = np.float32(-np.inf)  # the value where an expression does not hold


@dataclass(frozen=True, slots=True)
class Expression(ABC):
    """A node of an expression."""

    @abstractmethod
    def evaluate(self, value_of: Callable[["FeatureTerm"], Values]) -> Values:
        """The expression's value at each place, -inf where it does not hold, float32 (n,).

        `value_of` gives a feature's value at the same places, -inf where it does not fire. An
        expression that holds without a value of its own (`!a`) has +inf.
        """

    @abstractmethod
    def bound(self, value_of: Callable[["FeatureTerm"], Values]) -> Values:
        """An upper bound of the value in each document, from the features' maxima there."""

    @abstractmethod
    def positive(self) -> Iterator["FeatureTerm"]:
        """The features that make a hit, left to right: those not under `!`."""

    @abstractmethod
    def features(self) -> Iterator["FeatureTerm"]:
        """All features, left to right."""


@dataclass(frozen=True, slots=True)
class FeatureTerm(Expression):
    """A feature that fires, by at least (or more than) a threshold where there is one."""

    number: int
    threshold: float | None = None
    strict: bool = True

    def holds(self, values: Values) -> npt.NDArray[np.bool_]:
        """Where the feature fires as strongly as asked."""
        if self.threshold is None:
            return values > NOTHING
        threshold = np.float32(self.threshold)
        return values > threshold if self.strict else values >= threshold

    def evaluate(self, value_of: Callable[["FeatureTerm"], Values]) -> Values:
        """The feature's own value."""
        values = value_of(self)
        return np.where(self.holds(values), values, NOTHING)

    def bound(self, value_of: Callable[["FeatureTerm"], Values]) -> Values:
        """The feature's maximum."""
        return self.evaluate(value_of)

    def positive(self) -> Iterator["FeatureTerm"]:
        """Itself."""
        yield self

    def features(self) -> Iterator["FeatureTerm"]:
        """Itself."""
        yield self


@dataclass(frozen=True, slots=True)
class And(Expression):
    """Both hold; the value is the smaller."""

    left: Expression
    right: Expression

    def evaluate(self, value_of: Callable[[FeatureTerm], Values]) -> Values:
        """The smaller value."""
        return np.minimum(self.left.evaluate(value_of), self.right.evaluate(value_of))

    def bound(self, value_of: Callable[[FeatureTerm], Values]) -> Values:
        """The smaller bound."""
        return np.minimum(self.left.bound(value_of), self.right.bound(value_of))

    def positive(self) -> Iterator[FeatureTerm]:
        """Those of both sides."""
        yield from self.left.positive()
        yield from self.right.positive()

    def features(self) -> Iterator[FeatureTerm]:
        """Those of both sides."""
        yield from self.left.features()
        yield from self.right.features()


@dataclass(frozen=True, slots=True)
class Or(Expression):
    """Either holds; the value is the larger."""

    left: Expression
    right: Expression

    def evaluate(self, value_of: Callable[[FeatureTerm], Values]) -> Values:
        """The larger value."""
        return np.maximum(self.left.evaluate(value_of), self.right.evaluate(value_of))

    def bound(self, value_of: Callable[[FeatureTerm], Values]) -> Values:
        """The larger bound."""
        return np.maximum(self.left.bound(value_of), self.right.bound(value_of))

    def positive(self) -> Iterator[FeatureTerm]:
        """Those of both sides."""
        yield from self.left.positive()
        yield from self.right.positive()

    def features(self) -> Iterator[FeatureTerm]:
        """Those of both sides."""
        yield from self.left.features()
        yield from self.right.features()


@dataclass(frozen=True, slots=True)
class Not(Expression):
    """The feature does not fire as asked; only features are negated (see `negated`)."""

    operand: FeatureTerm

    def evaluate(self, value_of: Callable[[FeatureTerm], Values]) -> Values:
        """+inf where the operand does not hold."""
        held = self.operand.evaluate(value_of) > NOTHING
        return np.where(held, NOTHING, -NOTHING)

    def bound(self, value_of: Callable[[FeatureTerm], Values]) -> Values:
        """+inf: somewhere in a document the operand may always fail to hold."""
        return np.full_like(self.operand.bound(value_of), -NOTHING)

    def positive(self) -> Iterator[FeatureTerm]:
        """None."""
        yield from ()

    def features(self) -> Iterator[FeatureTerm]:
        """The operand."""
        yield self.operand


def negated(expression: Expression) -> Expression:
    """The negation, carried down to the features, so that `!!a` is `a` with its value."""
    match expression:
        case FeatureTerm():
            return Not(expression)
        case Not():
            return expression.operand
        case And():
            return Or(negated(expression.left), negated(expression.right))
        case Or():
            return And(negated(expression.left), negated(expression.right))
    raise TypeError(type(expression).__name__)


_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(>=|[()&|!>])|(-))")


def parse(text: str) -> Expression:
    """The expression that `text` writes; `&` binds closer than `|`.

    Raises `InvalidExpression`, also for one that holds where nothing fires, such as `!5`.
    """
    expression = _Parser(text).parse()
    silent = expression.evaluate(lambda _: np.full(1, NOTHING, np.float32))
    if silent[0] > NOTHING:
        raise InvalidExpression(
            f"The expression {text!r} also holds where no feature fires. Combine what is negated "
            "with a feature that must fire, as in `12 & !34`.",
            expression=text,
        )
    return expression


class _Parser:
    """Recursive descent over `or := and ('|' and)*`, `and := unary ('&' unary)*`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0

    def parse(self) -> Expression:
        expression = self._or()
        if self._peek():
            raise self._error("an operator (&, |) or the end")
        return expression

    def _or(self) -> Expression:
        left = self._and()
        while self._accept("|"):
            left = Or(left, self._and())
        return left

    def _and(self) -> Expression:
        left = self._unary()
        while self._accept("&"):
            left = And(left, self._unary())
        return left

    def _unary(self) -> Expression:
        if self._accept("!"):
            return negated(self._unary())
        if self._accept("("):
            inner = self._or()
            if not self._accept(")"):
                raise self._error("')'")
            return inner
        return self._feature()

    def _feature(self) -> FeatureTerm:
        number = self._peek()
        if not number.isdecimal():
            raise self._error("a feature number")
        self._accept(number)
        for operator in (">=", ">"):
            if self._accept(operator):
                return FeatureTerm(int(number), self._number(), strict=operator == ">")
        return FeatureTerm(int(number))

    def _number(self) -> float:
        sign = -1.0 if self._accept("-") else 1.0
        text = self._peek()
        if not text[:1].isdecimal():
            raise self._error("a number")
        self._accept(text)
        return sign * float(text)

    def _peek(self) -> str:
        match = _TOKEN.match(self._text, self._position)
        if match:
            return match.group().strip()
        rest = self._text[self._position :].strip()
        if rest:
            raise self._error("a feature number, &, |, !, >, >= or a parenthesis")
        return ""

    def _accept(self, token: str) -> bool:
        match = _TOKEN.match(self._text, self._position)
        if not match or match.group().strip() != token:
            return False
        self._position = match.end()
        return True

    def _error(self, expected: str) -> InvalidExpression:
        rest = self._text[self._position :].strip() or "the end"
        return InvalidExpression(
            f"The expression {self._text!r} has {rest!r} where {expected} should be. "
            "Examples: 12, 12 > 3.0, 12 & 34 & !56.",
            expression=self._text,
        )
