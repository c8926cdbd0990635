"""Feature expressions: `12`, `12 > 3.0`, `12 & 34 & !56`, `(1 | 2) & 3`, `-12`, `12 < -3.0`.

An expression holds at a token, with a value:

- `12` where feature 12 fires; the value is the feature's.
- `12 > 3.0`, `12 >= 3.0` where it fires so strongly.
- `-12`, `+12` of a signed dictionary: where it fires below 0, or above; the value is the
  magnitude. `12` alone is both, `12 | -12`.
- `12 < -3.0`, `12 <= -3.0`, or `-12 > 3.0`: below 0 so strongly. `12 > 3.0` is above 0.
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
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from saelake.store.errors import InvalidExpression
from saelake.store.format.poles import Poles, numbered

Values = npt.NDArray[np.float32]
ValueOf = Callable[["FeatureTerm"], Values]
P = TypeVar("P", bound="Places")
NOTHING = np.float32(-np.inf)  # the value where an expression does not hold


class Places(Protocol):
    """A set of places."""

    def __and__(self: P, other: P, /) -> P: ...

    def __or__(self: P, other: P, /) -> P: ...


@dataclass(frozen=True, slots=True)
class Expression(ABC):
    """A node of an expression."""

    @abstractmethod
    def evaluate(self, value_of: ValueOf) -> Values:
        """The expression's value at each place, -inf where it does not hold, float32 (n,).

        `value_of` gives a feature's value at the same places, -inf where it does not fire. An
        expression that holds without a value of its own (`!a`) has +inf.
        """

    @abstractmethod
    def between(self, lower_of: ValueOf, upper_of: ValueOf) -> tuple[Values, Values]:
        """Bounds of the value at each place, from bounds of the features' values there.

        A feature that may fire or not has the lower bound -inf; what is negated is bound by what
        its operand is not.
        """

    @abstractmethod
    def possible(self, can: Callable[["FeatureTerm"], P], everywhere: P) -> P:
        """Where it may hold, when features can fire as asked where `can` says; `!a` everywhere."""

    @abstractmethod
    def positive(self) -> Iterator["FeatureTerm"]:
        """The features that make a hit, left to right: those not under `!`."""

    @abstractmethod
    def features(self) -> Iterator["FeatureTerm"]:
        """All features, left to right."""


@dataclass(frozen=True, slots=True)
class FeatureTerm(Expression):
    """A pole that fires, by at least (or more than) a threshold where there is one."""

    number: int
    threshold: float | None = None
    strict: bool = True

    def holds(self, values: Values) -> npt.NDArray[np.bool_]:
        """Where the feature fires as strongly as asked."""
        if self.threshold is None:
            return values > NOTHING
        threshold = np.float32(self.threshold)
        return values > threshold if self.strict else values >= threshold

    def reaches(self, value: np.float32) -> bool:
        """Whether one value is as strong as asked."""
        return bool(self.holds(np.array([value], np.float32))[0])

    def evaluate(self, value_of: ValueOf) -> Values:
        """The feature's own value."""
        values = value_of(self)
        return np.where(self.holds(values), values, NOTHING)

    def between(self, lower_of: ValueOf, upper_of: ValueOf) -> tuple[Values, Values]:
        """Those of the feature, as far as they are as strong as asked."""
        return self.evaluate(lower_of), self.evaluate(upper_of)

    def possible(self, can: Callable[["FeatureTerm"], P], _: P) -> P:
        """Where the feature can."""
        return can(self)

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

    def evaluate(self, value_of: ValueOf) -> Values:
        """The smaller value."""
        return np.minimum(self.left.evaluate(value_of), self.right.evaluate(value_of))

    def between(self, lower_of: ValueOf, upper_of: ValueOf) -> tuple[Values, Values]:
        """The smaller bounds."""
        left = self.left.between(lower_of, upper_of)
        right = self.right.between(lower_of, upper_of)
        return np.minimum(left[0], right[0]), np.minimum(left[1], right[1])

    def possible(self, can: Callable[[FeatureTerm], P], everywhere: P) -> P:
        """Where both sides can."""
        return self.left.possible(can, everywhere) & self.right.possible(can, everywhere)

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

    def evaluate(self, value_of: ValueOf) -> Values:
        """The larger value."""
        return np.maximum(self.left.evaluate(value_of), self.right.evaluate(value_of))

    def between(self, lower_of: ValueOf, upper_of: ValueOf) -> tuple[Values, Values]:
        """The larger bounds."""
        left = self.left.between(lower_of, upper_of)
        right = self.right.between(lower_of, upper_of)
        return np.maximum(left[0], right[0]), np.maximum(left[1], right[1])

    def possible(self, can: Callable[[FeatureTerm], P], everywhere: P) -> P:
        """Where either side can."""
        return self.left.possible(can, everywhere) | self.right.possible(can, everywhere)

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

    def evaluate(self, value_of: ValueOf) -> Values:
        """+inf where the operand does not hold."""
        held = self.operand.evaluate(value_of) > NOTHING
        return np.where(held, NOTHING, -NOTHING)

    def between(self, lower_of: ValueOf, upper_of: ValueOf) -> tuple[Values, Values]:
        """+inf at least where the operand cannot hold, at most where it need not."""
        lower, upper = self.operand.between(lower_of, upper_of)
        return (
            np.where(upper > NOTHING, NOTHING, -NOTHING),
            np.where(lower > NOTHING, NOTHING, -NOTHING),
        )

    def possible(self, _: Callable[[FeatureTerm], P], everywhere: P) -> P:
        """Anywhere: at some token the operand may always fail to hold."""
        return everywhere

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


def signs(
    expression: Expression,
    value_of: ValueOf,
    value: Values,
    poles: Poles,
) -> Values:
    """1 or -1 at each place: the sign of the pole whose strength is the value (n,).

    Of two that are equally strong, that on the left.
    """
    ones = np.ones(len(value), np.float32)
    if not poles.signed:
        return ones
    match expression:
        case FeatureTerm():
            return ones * poles.signs(np.array([expression.number]))
        case And() | Or():
            sides = expression.left, expression.right
            left, right = (side.evaluate(value_of) for side in sides)
            is_left = left <= right if isinstance(expression, And) else left >= right
            return np.where(is_left, *(signs(side, value_of, value, poles) for side in sides))
    return ones  # of what is negated, which has no value


MOST_FEATURES = 100  # in one expression
DEEPEST = 64  # brackets and ! inside each other
LONGEST_NUMBER = 40  # in characters
LARGEST = float(np.finfo(np.float32).max)
SHOWN = 100  # characters of an expression in a message
_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(>=|<=|[()&|!><])|([+-]))")


def parse(text: str, poles: Poles | None = None, whose: str = "") -> Expression:
    """The expression that `text` writes, over `whose` poles; `&` binds closer than `|`.

    Without `poles`, features are those of a dictionary that is not signed, and any may be meant.
    Raises `InvalidExpression`, also for one that holds where nothing fires, such as `!5`, and
    `NotFound` for a feature that there is not.
    """
    parser = _Parser(text, poles, whose)
    if text.isdecimal() and len(text) <= LONGEST_NUMBER:  # as most are
        return parser.firing("", text)
    expression = parser.parse()
    silent = expression.evaluate(lambda _: np.full(1, NOTHING, np.float32))
    if silent[0] > NOTHING:
        raise InvalidExpression(
            f"The expression {_shown(text)} also holds where no feature fires. Combine what is "
            "negated with a feature that must fire, as in `12 & !34`.",
            expression=text,
        )
    return expression


def _shown(text: str) -> str:
    """An expression, or a part of one, as messages quote it."""
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}…")


def _balanced(join: type[And] | type[Or], sides: list[Expression]) -> Expression:
    """All sides joined in their order, by a tree that is no deeper than it must be."""
    while len(sides) > 1:
        pairs = [join(*pair) for pair in zip(sides[::2], sides[1::2], strict=False)]
        sides = [*pairs, *sides[2 * len(pairs) :]]
    return sides[0]


class _Parser:
    """Recursive descent over `or := and ('|' and)*`, `and := unary ('&' unary)*`."""

    def __init__(self, text: str, poles: Poles | None, whose: str) -> None:
        self._text = text
        self._shown = _shown(text)
        self._poles = poles
        self._whose = whose
        self._position = 0
        self._depth = 0
        self._n_features = 0

    def parse(self) -> Expression:
        self._check_size()
        expression = self._or()
        if self._peek():
            raise self._error("an operator (&, |) or the end")
        return expression

    def _check_size(self) -> None:
        """Refuse what would take more than a question may, before anything is made of it."""
        digits = max(map(len, re.findall(r"[\d.]+", self._text)), default=0)
        if digits > LONGEST_NUMBER:
            raise InvalidExpression(
                f"The expression {self._shown} has a number of {digits:,} characters: write at "
                f"most {LONGEST_NUMBER}.",
                expression=self._text,
            )

    def _or(self) -> Expression:
        sides = [self._and()]
        while self._accept("|"):
            sides.append(self._and())
        return _balanced(Or, sides)

    def _and(self) -> Expression:
        sides = [self._unary()]
        while self._accept("&"):
            sides.append(self._unary())
        return _balanced(And, sides)

    def _unary(self) -> Expression:
        if self._accept("!"):
            with self._one_deeper():
                return negated(self._unary())
        if self._accept("("):
            with self._one_deeper():
                inner = self._or()
            if not self._accept(")"):
                raise self._error("')'")
            return inner
        return self._feature()

    @contextmanager
    def _one_deeper(self) -> Iterator[None]:
        self._depth += 1
        if self._depth > DEEPEST:
            raise InvalidExpression(
                f"The expression {self._shown} has more than {DEEPEST} brackets or ! inside each "
                "other: leave out those that change nothing, or ask several questions.",
                expression=self._text,
            )
        yield
        self._depth -= 1

    def _feature(self) -> Expression:
        begun = self._position
        sign = "-" if self._accept("-") else "+" if self._accept("+") else ""
        number = self._peek()
        if not number.isdecimal():
            raise self._error("a feature number")
        self._accept(number)
        self._count()
        operator = next((o for o in (">=", "<=", ">", "<") if self._accept(o)), None)
        if operator is None:
            return self.firing(sign, number)
        threshold = self._number()
        asked = self._text[begun : self._position].strip()
        return self._reaching(sign, number, operator, threshold, asked)

    def _count(self) -> None:
        self._n_features += 1
        if self._n_features > MOST_FEATURES:
            raise InvalidExpression(
                f"The expression {self._shown} has more than {MOST_FEATURES} features: ask "
                "several questions.",
                expression=self._text,
            )

    def firing(self, sign: str, number: str) -> Expression:
        """Where the feature fires: on this pole, or on any."""
        terms = [FeatureTerm(pole) for pole in self._of(sign, number)]
        return terms[0] if len(terms) == 1 else Or(*terms)

    def _reaching(
        self, sign: str, number: str, operator: str, threshold: float, asked: str
    ) -> FeatureTerm:
        """Where the feature's value is beyond a threshold, which is on one side of 0."""
        signed, is_less = self._is_signed, operator.startswith("<")
        if is_less and not signed:
            raise InvalidExpression(
                f"{asked!r} asks for values that no feature of {self._whose or 'this dictionary'} "
                "has: it is not signed, so a feature fires above 0 or not at all. Write > or >=.",
                expression=self._text,
            )
        if signed and ((threshold > 0) if is_less else (threshold < 0)):
            raise InvalidExpression(
                f"{asked!r} holds on both sides of 0, and a signed feature fires on either for "
                f"its own reasons. Write {number} > N for above 0, {number} < -N for below, or "
                "both with | between.",
                expression=self._text,
            )
        if sign == "+" and is_less:
            raise InvalidExpression(
                f"{asked!r} asks the positive pole for values under 0. Write {number} {operator} "
                f"{threshold:g}, or -{number}.",
                expression=self._text,
            )
        (pole,) = self._of("-" if is_less else sign or "+", number)
        return FeatureTerm(
            pole, abs(threshold) if signed else threshold, strict=operator in (">", "<")
        )

    @property
    def _is_signed(self) -> bool:
        return self._poles is not None and self._poles.signed

    def _of(self, sign: str, number: str) -> tuple[int, ...]:
        """The poles that are meant."""
        if sign == "-" and not self._is_signed:
            raise InvalidExpression(
                f"The expression {self._shown} asks for the negative pole of feature {number}, "
                f"but {self._whose or 'this dictionary'} is not signed: its features have none.",
                expression=self._text,
            )
        if self._poles is None:
            return (int(number),)
        return self._poles.of(numbered(f"{sign}{number}"), self._whose)

    def _number(self) -> float:
        sign = -1.0 if self._accept("-") else 1.0
        text = self._peek()
        if not text[:1].isdecimal():
            raise self._error("a number")
        self._accept(text)
        number = sign * float(text)
        if abs(number) > LARGEST:
            raise InvalidExpression(
                f"The expression {self._shown} asks for {text}, which is more than any value can "
                f"be: at most {LARGEST:.3g}.",
                expression=self._text,
            )
        return number

    def _peek(self) -> str:
        match = _TOKEN.match(self._text, self._position)
        if match:
            return match.group().strip()
        rest = self._text[self._position :].strip()
        if rest:
            raise self._error("a feature number, &, |, !, >, >=, < or a parenthesis")
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
            f"The expression {self._shown} has {_shown(rest)} where {expected} should be. "
            "Examples: 12, 12 > 3.0, 12 & 34 & !56.",
            expression=self._text,
        )
