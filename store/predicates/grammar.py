"""The grammar of filters: standard SQL predicates, as far as the tables' engine answers them.

Weakest first: OR, AND, NOT, IS, comparisons (also LIKE, IN, BETWEEN), `+ - ||`, `* / %`, sign,
and what stands behind a value (`.field`, `[item]`, `::type`). The whole text is parsed, or refused
with the place at which it stops being a predicate.
"""

from collections.abc import Callable, Mapping

from saelake.store.errors import InvalidFilter
from saelake.store.predicates.bounds import check_bounds
from saelake.store.predicates.mistakes import mistake
from saelake.store.predicates.tokens import Token, tokens_of
from saelake.store.predicates.tree import (
    Between,
    Cast,
    Chain,
    Distinct,
    Field,
    FunctionCall,
    In,
    Is,
    Item,
    Junction,
    Like,
    Name,
    Negation,
    Negative,
    Node,
    Ordering,
    Value,
)

MAX_DEPTH = 16  # of parentheses, functions and NOT within each other; the engine gives up at 50
MAX_CHAIN = 64  # operators of arithmetic, or what stands behind a value, in a row

# What is no name of a column, unless in double quotes.
RESERVED = frozenset(
    ["AND", "OR", "NOT", "IN", "IS", "LIKE", "ILIKE", "BETWEEN", "NULL", "TRUE", "FALSE"]
)
_ORDERS = {"==": "=", "!=": "<>"}
_CONSTANTS = {"NULL": "null", "TRUE": "truth", "FALSE": "truth"}
# What SQL has and filters have not: what follows such a word, and what to write.
_INSTEAD: Mapping[str, tuple[str, str]] = {
    "CASE": ("value", "write its cases with AND and OR."),
    "SELECT": ("value", "a filter has no sub-queries."),
    "EXISTS": ("(", "a filter has no sub-queries."),
    "INTERVAL": ("value", "compare with the date or time itself."),
    "EXTRACT": ("(", "write date_part('year', column)."),
    "POSITION": ("(", "write strpos(column, 'text')."),
}
_BETWEEN_VALUES = ("AND", "OR", "NOT", "IN", "IS", "LIKE", "ILIKE", "BETWEEN")
_TYPES = frozenset(
    [
        "BOOLEAN",
        "TINYINT",
        "SMALLINT",
        "INT",
        "INTEGER",
        "BIGINT",
        "FLOAT",
        "DOUBLE",
        "REAL",
        "STRING",
        "BINARY",
        "DATE",
        "TIMESTAMP",
        "DATETIME",
        "DECIMAL",
    ]
)
_TEXT_TYPES = frozenset(["VARCHAR", "TEXT", "CHAR"])
_WHOLE = frozenset(["TINYINT", "SMALLINT", "INT", "INTEGER", "BIGINT"])


def parse(where: str) -> Node:
    """What a filter says.

    Raises `InvalidFilter` for a text that is not wholly one predicate, or could cost too much.
    """
    try:
        node = _FilterParser(where).whole()
        check_bounds(where, node)
        return node
    except RecursionError:
        raise mistake(where, 0, "it is nested too deep.") from None


def both(first: str | None, second: str | None) -> str | None:
    """The filter that keeps what two keep; None keeps all.

    Each of two must be a whole predicate by itself, which `a) OR (b` is not. Raises
    `InvalidFilter`.
    """
    if first is None or second is None:
        return second if first is None else first
    parse(first)
    parse(second)
    return f"({first}) AND ({second})"


def further(first: str | None, second: str) -> str:
    """As `both`, in the words of who goes on writing: without parentheses that change nothing.

    Raises `InvalidFilter`.
    """
    if first is None:
        return second
    return " AND ".join(f"({each})" if _is_or(parse(each)) else each for each in (first, second))


def _is_or(node: Node) -> bool:
    return isinstance(node, Junction) and node.how == "OR"


class _FilterParser:
    def __init__(self, where: str) -> None:
        self._where = where
        self._tokens = tokens_of(where)
        self._next = 0
        self._depth = 0

    def whole(self) -> Node:
        """The one predicate of the text."""
        if self._token.kind == "end":
            raise mistake(self._where, 0, "it is empty. Leave it away to ask about all documents.")
        node = self._disjunction()
        if self._next < len(self._tokens) - 1:
            raise self._mistake("AND, OR or the end is expected.")
        return node

    # Tokens.

    @property
    def _token(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._token
        self._next += token.kind != "end"
        return token

    def _took_word(self, *words: str) -> str | None:
        return self._take().text.upper() if self._token.is_word(*words) else None

    def _took_sign(self, *signs: str) -> str | None:
        return self._take().text if self._token.is_sign(*signs) else None

    def _expect(self, sign: str, said: str) -> None:
        if self._took_sign(sign) is None:
            raise self._mistake(said)

    def _mistake(self, said: str) -> InvalidFilter:
        return mistake(self._where, self._token.start, said)

    def _within(self, parse: Callable[[], Node]) -> Node:
        """What stands one level deeper."""
        if self._depth == MAX_DEPTH:
            raise self._mistake(f"it is nested more than {MAX_DEPTH} deep.")
        self._depth += 1
        node = parse()
        self._depth -= 1
        return node

    # Conditions.

    def _disjunction(self) -> Node:
        return self._joined("OR", self._conjunction)

    def _conjunction(self) -> Node:
        return self._joined("AND", self._negation)

    def _joined(self, how: str, parse: Callable[[], Node]) -> Node:
        found = [parse()]
        while self._took_word(how):
            found.append(parse())
        return Junction(how, tuple(found)) if len(found) > 1 else found[0]

    def _negation(self) -> Node:
        if self._took_word("NOT"):
            return Negation(self._within(self._negation))
        return self._test()

    def _test(self) -> Node:
        node = self._comparison()
        n_tests = 0
        while self._took_word("IS"):
            n_tests = self._counted(n_tests)
            node = self._is(node)
        return node

    def _is(self, of: Node) -> Node:
        negated = self._took_word("NOT") is not None
        what = self._took_word("NULL", "TRUE", "FALSE", "DISTINCT")
        if what is None:
            raise self._mistake("NULL, TRUE, FALSE or DISTINCT FROM is expected.")
        if what != "DISTINCT":
            return Is(of, what, negated)
        if self._took_word("FROM") is None:
            raise self._mistake("FROM is expected.")
        return Distinct(of, self._sum(), negated)

    def _comparison(self) -> Node:
        left = self._sum()
        sign = self._took_sign("=", "==", "<>", "!=", "<", "<=", ">", ">=")
        if sign is not None:
            node: Node = Ordering(left, _ORDERS.get(sign, sign), self._sum())  # type: ignore[arg-type]
        else:
            negated = self._took_word("NOT") is not None
            how = self._took_word("LIKE", "ILIKE", "IN", "BETWEEN")
            if how is None:
                if negated:
                    raise self._mistake("LIKE, ILIKE, IN or BETWEEN is expected after NOT.")
                return left
            node = self._of_words(left, how, negated=negated)
        if self._token.is_sign("=", "==", "<>", "!=", "<", "<=", ">", ">="):
            raise self._mistake("comparisons do not chain. Write a < b AND b < c, or use brackets.")
        return node

    def _of_words(self, left: Node, how: str, *, negated: bool) -> Node:
        if how == "IN":
            self._expect("(", "a list in brackets is expected: IN (8, 9).")
            values = self._values(")")
            if not values:
                raise mistake(self._where, self._tokens[self._next - 1].start, "the list is empty.")
            return In(left, values, negated)
        if how == "BETWEEN":
            low = self._sum()
            if self._took_word("AND") is None:
                raise self._mistake("AND is expected: BETWEEN 3 AND 5.")
            return Between(left, low, self._sum(), negated)
        return Like(left, how, self._sum(), negated)

    # Values.

    def _sum(self) -> Node:
        return self._chain(("+", "-", "||"), self._product)

    def _product(self) -> Node:
        return self._chain(("*", "/", "%"), self._signed)

    def _chain(self, signs: tuple[str, ...], parse: Callable[[], Node]) -> Node:
        first = parse()
        rest: list[tuple[str, Node]] = []
        while sign := self._took_sign(*signs):
            self._counted(len(rest))
            rest.append((sign, parse()))
        return Chain(first, tuple(rest)) if rest else first

    def _signed(self) -> Node:
        at = self._token.start
        sign = self._took_sign("-", "+")
        if sign is None:
            return self._whole_value()
        of = self._within(self._signed)
        if isinstance(of, Value) and of.kind == "number" and not of.text.startswith("-"):
            return Value("number", of.text if sign == "+" else f"-{of.text}", at)
        return Negative(of) if sign == "-" else of

    def _whole_value(self) -> Node:
        """A value with the fields, items and types that stand behind it."""
        node, n_behind = self._value(), 0
        while sign := self._took_sign(".", "[", "::"):
            n_behind = self._counted(n_behind)
            if sign == ".":
                node = Field(node, self._name("the name of a field is expected."))
            elif sign == "[":
                node = Item(node, self._within(self._sum))
                self._expect("]", "] is expected.")
            else:
                node = Cast(node, self._type(), or_null=False)
        return node

    def _counted(self, n: int) -> int:
        if n == MAX_CHAIN:
            raise self._mistake(f"more than {MAX_CHAIN} operators stand in a row.")
        return n + 1

    def _value(self) -> Node:
        token = self._token
        if token.kind == "number":
            return Value("number", self._take().text, token.start)
        if token.kind == "string":
            return Value("text", self._take().text, token.start)
        if token.kind == "bytes":
            return Value("bytes", self._take().text, token.start)
        if self._took_sign("("):
            node = self._within(self._disjunction)
            self._expect(")", "AND, OR or a closing bracket is expected.")
            return node
        if self._took_sign("["):
            return FunctionCall("make_array", self._values("]"), token.start)
        if token.kind == "word":
            return self._word()
        return self._name("a column or a value is expected.")

    def _word(self) -> Node:
        token, after = self._token, self._tokens[self._next + 1]
        upper = token.text.upper()
        if upper in _CONSTANTS:
            self._take()
            return Value(_CONSTANTS[upper], upper.lower(), token.start)  # type: ignore[arg-type]
        if upper in ("DATE", "TIME", "TIMESTAMP") and after.kind == "string":
            self._take()
            return Value(upper.lower(), self._take().text, token.start)  # type: ignore[arg-type]
        if upper == "DECIMAL" and after.is_sign("("):
            return self._decimal()
        self._check_known(upper, after)
        if after.is_sign("(") and upper not in RESERVED:
            return self._call(upper)
        return self._name(
            f'a column or a value is expected. A column of this name is "{token.text}".'
        )

    def _check_known(self, upper: str, after: Token) -> None:
        """Raise `InvalidFilter` for what is standard SQL, and has no meaning in a filter."""
        follows, instead = _INSTEAD.get(upper, ("", ""))
        is_value = after.kind in ("word", "name", "string", "number")
        if (follows == "(" and after.is_sign("(")) or (
            follows == "value" and is_value and not after.is_word(*_BETWEEN_VALUES)
        ):
            raise self._mistake(f"{upper} is not known here: {instead}")

    def _decimal(self) -> Node:
        """A literal with its type before it: DECIMAL(10, 2) '3.5'."""
        to = self._type()
        if self._token.kind != "string":
            raise self._mistake("a number in quotes is expected: decimal(10, 2) '3.5'.")
        token = self._take()
        return Cast(Value("text", token.text, token.start), to, or_null=False)

    def _call(self, upper: str) -> Node:
        token = self._take()
        self._take()
        if upper not in ("CAST", "TRY_CAST"):
            return FunctionCall(token.text.lower(), self._values(")"), token.start)
        of = self._within(self._disjunction)
        if self._took_word("AS") is None:
            raise self._mistake("AS and a type are expected.")
        to = self._type()
        self._expect(")", "a closing bracket is expected.")
        return Cast(of, to, or_null=upper == "TRY_CAST")

    def _values(self, closing: str) -> tuple[Node, ...]:
        """Values with commas between them, up to the closing bracket."""
        if self._took_sign(closing):
            return ()
        found = [self._within(self._disjunction)]
        while self._took_sign(","):
            found.append(self._within(self._disjunction))
        self._expect(closing, f"a comma or {closing} is expected.")
        return tuple(found)

    def _name(self, said: str) -> Name:
        token = self._token
        is_word = token.kind == "word" and token.text.upper() not in RESERVED
        if not is_word and token.kind != "name":
            raise self._mistake(said)
        self._take()
        return Name(token.text, token.kind == "name", token.start)

    def _type(self) -> str:
        token = self._token
        upper = token.text.upper() if token.kind == "word" else ""
        if upper not in _TYPES | _TEXT_TYPES:
            raise self._mistake(f"a type is expected: {', '.join(sorted(_TYPES)).lower()}.")
        self._take()
        name = "string" if upper in _TEXT_TYPES else upper.lower()
        if upper in _WHOLE and self._took_word("UNSIGNED"):
            return f"{name} unsigned"
        if upper in ("DECIMAL", "TIMESTAMP", "DATETIME") and self._took_sign("("):
            return f"{name}({self._sizes()})"
        return name

    def _sizes(self) -> str:
        found = []
        while self._token.kind == "number" and self._token.text.isdecimal():
            found.append(self._take().text)
            if self._took_sign(","):
                continue
            break
        self._expect(")", "whole numbers in brackets are expected: decimal(10, 2).")
        return ", ".join(found)
