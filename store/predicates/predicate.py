"""A filter over the columns of a table, as the SQL that the tables' engine is given for it.

Every name is resolved, every literal is one of its column's type, and every bracket is written, so
that nothing is left for the engine to guess: it drops what it does not expect, takes names in
double quotes as texts, and literals of times in zones as other times (measured in decision 013).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyarrow import types

from saelake.store.errors import InvalidFilter
from saelake.store.predicates.grammar import parse
from saelake.store.predicates.kinds import described, is_text
from saelake.store.predicates.literals import Floor, floor_of, plain
from saelake.store.predicates.mistakes import mistake, refusal, shortened
from saelake.store.predicates.moments import Unfit
from saelake.store.predicates.names import UnknownName, resolved, typed, typed_list
from saelake.store.predicates.placed import WITHIN_MAP, unplaced
from saelake.store.predicates.tree import (
    CONDITIONS,
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

# Functions whose answer is another one next time.
_UNSTABLE = frozenset(
    ["now", "current_date", "current_time", "current_timestamp", "today", "random"]
)
_BARE = frozenset(["current_date", "current_time", "current_timestamp"])
MAX_SQL = 16_000_000  # characters: values are written thrice to compare them
MAX_WIDER = 40  # of a filter: comparisons of comparisons are written 3, 9, 27, … times
SHORT_SQL = 20_000  # characters that any filter may become
_FLIPPED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True, slots=True)
class Predicate:
    """A filter that can be answered; `is_stable` unless it is another one at another time.

    It `makes_values`, of each document, where it has functions or joins texts.
    """

    sql: str
    is_stable: bool
    makes_values: bool


@dataclass(frozen=True, slots=True)
class _Clause:
    """A part of a filter as SQL; its type where that is known, and what a message calls it."""

    sql: str
    type: pa.DataType | None = None
    has_column: bool = False
    shown: str = ""


def predicate(where: str, schema: pa.Schema, node: Node | None = None) -> Predicate:
    """A filter over these columns, or the part of it that a node is. Raises `InvalidFilter`.

    Also for one of which a condition uses no column: it keeps all documents, or none.
    """
    writer = _Writer(where, schema)
    sql = writer.condition(parse(where) if node is None else node).sql
    return Predicate(sql, writer.is_stable, writer.makes_values)


class _Writer:
    def __init__(self, where: str, schema: pa.Schema) -> None:
        self._where = where
        self._schema = schema
        self.is_stable = True
        self.makes_values = False

    # Conditions.

    def condition(self, node: Node) -> _Clause:
        """What must be true or false, and of something. Raises `InvalidFilter`."""
        written = self._write(node)
        if not written.has_column:
            raise refusal(
                self._where,
                f"{_said(written)} uses no column, so it says the same of every document. Compare "
                f"a column; to keep all documents, leave the filter away. "
                f"Columns: {typed_list(self._schema.names)}.",
            )
        is_known = written.type is not None and not isinstance(node, CONDITIONS)
        if is_known and not types.is_boolean(written.type):
            kind, example = described(written.type)
            raise refusal(
                self._where,
                f"{_said(written)} is {kind}, not a condition. Compare it with "
                f"something: {example}.",
            )
        return written

    def _joined(self, node: Junction) -> _Clause:
        """Conditions in pairs of pairs, so that thousands are not thousands deep."""
        parts = [self.condition(part).sql for part in node.conditions]
        while len(parts) > 1:
            pairs = [parts[i : i + 2] for i in range(0, len(parts), 2)]
            parts = [f"({f' {node.how} '.join(p)})" if len(p) > 1 else p[0] for p in pairs]
        return self._truth(parts[0])

    def _not(self, node: Negation) -> _Clause:
        return self._truth(f"(NOT {self.condition(node.of).sql})")

    def _is(self, node: Is) -> _Clause:
        of = self._write(node.of) if node.what == "NULL" else self.condition(node.of)
        return self._truth(f"({of.sql} IS {_not(node.negated)}{node.what})", of)

    def _like(self, node: Like) -> _Clause:
        of, pattern = self._write(node.of), self._write(node.pattern)
        if of.type is not None and not is_text(of.type):
            kind, example = described(of.type)
            raise refusal(
                self._where,
                f"{of.shown or 'what stands before LIKE'} is {kind}, and {node.how} compares "
                f"texts: {example}, or CAST(… AS string) first.",
            )
        return self._truth(f"({of.sql} {_not(node.negated)}{node.how} {pattern.sql})", of, pattern)

    def _distinct(self, node: Distinct) -> _Clause:
        left, right = self._write(node.left), self._write(node.right)
        floor = self._floor(left, node.right)
        if floor is not None and not floor.is_exact:
            raise refusal(self._where, f"{_said(left)} can never be {right.sql}.")
        sql = right.sql if floor is None else floor.sql
        return self._truth(f"({left.sql} IS {_not(node.negated)}DISTINCT FROM {sql})", left, right)

    def _comparison(self, node: Ordering) -> _Clause:
        left, right, order = node.left, node.right, node.order
        if isinstance(left, Value) and not isinstance(right, Value):
            left, right, order = right, left, _FLIPPED[order]  # type: ignore[assignment]
        return self._compared(self._write(left), order, right)

    def _compared(self, left: _Clause, order: str, right: Node) -> _Clause:
        self._check_not_null(right)
        floor = self._floor(left, right)
        if floor is None:
            other = self._write(right)
            sql = f"{left.sql} {order} {other.sql}"
            is_literal = isinstance(right, Value) and left.has_column
            return self._truth(
                _or_null(left.sql, sql, order) if is_literal else f"({sql})", left, other
            )
        return self._truth(_against(left.sql, order, floor), left)

    def _between(self, node: Between) -> _Clause:
        of = self._write(node.of)
        low = self._compared(of, ">=", node.low)
        high = self._compared(of, "<=", node.high)
        sql = f"({low.sql} AND {high.sql})"
        return self._truth(f"(NOT {sql})" if node.negated else sql, low, high)

    def _in(self, node: In) -> _Clause:
        of = self._write(node.of)
        for each in node.values:
            self._check_not_null(each)
        floors = [(self._floor(of, each), each) for each in node.values]
        others = [self._write(each) for floor, each in floors if floor is None]
        found = [floor.sql for floor, _ in floors if floor is not None and floor.is_exact]
        values = [sql for sql in found if sql is not None] + [other.sql for other in others]
        if not values:  # of none of them there can be a value
            return self._truth(f"({of.sql} {'=' if node.negated else '<>'} {of.sql})", of)
        listed = f"{of.sql} {_not(node.negated)}IN ({', '.join(values)})"
        return self._truth(_or_null(of.sql, listed, "<>" if node.negated else "="), of, *others)

    def _check_not_null(self, node: Node) -> None:
        if isinstance(node, Value) and node.kind == "null":
            raise mistake(
                self._where, node.at, "nothing is equal to NULL. Write IS NULL or IS NOT NULL."
            )

    def _floor(self, of: _Clause, node: Node) -> Floor | None:
        """A literal among the values that it is compared with; None where they are not known."""
        if not isinstance(node, Value) or node.kind == "null" or of.type is None:
            return None
        try:
            return floor_of(node, of.type)
        except Unfit as error:
            kind, example = described(of.type)
            what = of.shown or "what it is compared with"
            said = f"{what} is {kind}: {str(error) or example}."
            raise mistake(self._where, node.at, said) from None

    def _truth(self, sql: str, *of: _Clause) -> _Clause:
        if len(sql) > min(MAX_SQL, SHORT_SQL + MAX_WIDER * len(self._where)):
            raise refusal(
                self._where, "it is too long, or compares comparisons of comparisons: use IS TRUE."
            )
        return _Clause(sql, pa.bool_(), not of or any(part.has_column for part in of))

    # Values.

    def _write(self, node: Node) -> _Clause:
        return _WRITERS[type(node)](self, node)

    def _value(self, node: Value) -> _Clause:
        try:
            return _Clause(plain(node))
        except Unfit as error:
            raise mistake(self._where, node.at, f"{error or 'this is no such literal'}.") from None

    def _name(self, node: Name) -> _Clause:
        names = self._schema.names
        bare = node.text.lower()
        if bare in _BARE and not node.is_quoted and bare not in map(str.lower, names):
            return self._call(FunctionCall(bare, (), node.at))
        name = self._resolved(node, names, "column")
        if "`" in name:
            raise mistake(
                self._where, node.at, "a column with a back-tick in its name cannot be asked about."
            )
        shown = typed(name)
        return _Clause(f"`{name}`", self._schema.field(name).type, True, shown)  # noqa: FBT003

    def _resolved(self, node: Name, names: Sequence[str], what: str) -> str:
        try:
            return resolved(node, names, what)
        except UnknownName as error:
            raise InvalidFilter(
                f"The filter {shortened(self._where)} does not work on this corpus: {error}",
                where=self._where,
            ) from None

    def _field(self, node: Field) -> _Clause:
        return self._field_of(self._write(node.of), node.name)

    def _field_of(self, of: _Clause, name: Name) -> _Clause:
        if of.type is None or not types.is_struct(of.type):
            raise mistake(
                self._where,
                name.at,
                f"{of.shown or 'what stands before it'} has no fields"
                + (f"; columns: {typed_list(self._schema.names)}." if of.shown else "."),
            )
        fields = [field.name for field in of.type]
        found = self._resolved(name, fields, f"field of {of.shown}")
        quoted = found.replace("'", "''")
        sql = f"get_field({of.sql}, '{quoted}')"
        return _Clause(sql, of.type.field(found).type, True, f"{of.shown}.{typed(found)}")  # noqa: FBT003

    def _item(self, node: Item) -> _Clause:
        of = self._write(node.of)
        if isinstance(node.index, Value) and node.index.kind == "text":
            return self._field_of(of, Name(node.index.text, is_quoted=True, at=node.index.at))
        index = self._write(node.index)
        is_list = of.type is not None and (types.is_list(of.type) or types.is_large_list(of.type))
        inner = of.type.value_type if is_list and of.type is not None else None
        shown = f"an item of {of.shown}" if of.shown else ""
        return _Clause(f"array_element({of.sql}, {index.sql})", inner, of.has_column, shown)

    def _call(self, node: FunctionCall) -> _Clause:
        if node.name == WITHIN_MAP:
            raise unplaced(self._where, node.at)
        self.makes_values = True
        self.is_stable = self.is_stable and node.name not in _UNSTABLE
        values = [self._write(value) for value in node.values]
        sql = f"`{node.name}`({', '.join(value.sql for value in values)})"
        return _Clause(sql, None, any(value.has_column for value in values))

    def _cast(self, node: Cast) -> _Clause:
        of = self._write(node.of)
        sql = f"{'TRY_CAST' if node.or_null else 'CAST'}({of.sql} AS {node.to})"
        return _Clause(sql, None, of.has_column)

    def _negative(self, node: Negative) -> _Clause:
        of = self._write(node.of)
        return _Clause(f"(- {of.sql})", None, of.has_column)

    def _chain(self, node: Chain) -> _Clause:
        first = self._write(node.first)
        rest = [(sign, self._write(part)) for sign, part in node.rest]
        self.makes_values = self.makes_values or any(sign == "||" for sign, _ in rest)
        sql = first.sql + "".join(f" {sign} {part.sql}" for sign, part in rest)
        has_column = first.has_column or any(part.has_column for _, part in rest)
        return _Clause(f"({sql})", None, has_column)


def _said(written: _Clause) -> str:
    """A part of the filter, for a message."""
    return written.shown or written.sql.removeprefix("(").removesuffix(")")


def _not(negated: bool) -> str:
    return "NOT " if negated else ""


def _or_null(sql: str, compared: str, order: str) -> str:
    """A comparison that stays null where the value is, whatever the engine makes of it.

    It makes lists of equal values, merges those that stand side by side, and forgets that null is
    in none: `n NOT IN (1) OR n NOT IN (2)` kept documents without n.
    """
    if order not in ("=", "<>"):
        return f"({compared})"
    null = f"OR {sql} <> {sql}" if order == "=" else f"AND {sql} = {sql}"
    return f"({compared} {null})"


def _against(sql: str, order: str, floor: Floor) -> str:
    """A value compared with a literal of which the floor is known; null where the value is."""
    if floor.is_exact:
        return _or_null(sql, f"{sql} {order} {floor.sql}", order)
    if order in ("=", "<>"):
        return f"({sql} {'<>' if order == '=' else '='} {sql})"
    if floor.sql is None:  # all values are above
        return f"({sql} {'<>' if order.startswith('<') else '='} {sql})"
    return f"({sql} {'<=' if order.startswith('<') else '>'} {floor.sql})"


_WRITERS: Mapping[type, Callable[[_Writer, Any], _Clause]] = {
    Value: _Writer._value,
    Name: _Writer._name,
    Field: _Writer._field,
    Item: _Writer._item,
    FunctionCall: _Writer._call,
    Cast: _Writer._cast,
    Negative: _Writer._negative,
    Chain: _Writer._chain,
    Ordering: _Writer._comparison,
    Distinct: _Writer._distinct,
    Like: _Writer._like,
    In: _Writer._in,
    Between: _Writer._between,
    Is: _Writer._is,
    Negation: _Writer._not,
    Junction: _Writer._joined,
}
