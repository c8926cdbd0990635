"""Filters over columns that are in memory, where their meaning is exactly the tables' engine's.

Comparisons, IN, BETWEEN, IS, LIKE without wildcards inside, starts_with, AND, OR and NOT over
columns of texts, whole and floating numbers, truths, days and moments, with literals. All else is
left to the engine, errors included: then there is no answer here.

Logic is of three values, as SQL has it. Floating numbers are in the total order of IEEE 754, but
for -0, which equals 0: NaN equals itself and is above all, below all with a sign, as in the engine.
Texts are in the order of their bytes.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from saelake.store.predicates.literals import Number, number_of
from saelake.store.predicates.moments import Unfit
from saelake.store.predicates.names import UnknownName, resolved
from saelake.store.predicates.tree import (
    Between,
    FunctionCall,
    In,
    Is,
    Junction,
    Like,
    Name,
    Negation,
    Node,
    Ordering,
    Value,
)
from saelake.store.requests.waited.stopping import look

Columns: TypeAlias = Callable[[str], pa.Array | None]
Mask: TypeAlias = npt.NDArray[np.bool_]

_FLIPPED = {"=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_ORDERS: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TEXT_ORDERS: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": pc.equal,
    "<>": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
FEW_WORDS = 8  # that are looked for one by one, in less time than all are looked up
_WILD = frozenset("%_\\")


class _Left(Exception):
    """Something that is left to the engine."""


def evaluated(node: Node, schema: pa.Schema, columns: Columns) -> Mask | None:
    """Which rows fulfil a filter, bool (n_rows,); None where only the engine can tell.

    `columns` gives the values of a column, or None where they are not in memory; those of texts may
    be encoded by a dictionary. A null is a no.
    """
    try:
        return _Evaluation(schema, columns).truth(node).certain
    except (_Left, Unfit, UnknownName):
        return None


@dataclass(frozen=True, slots=True)
class _Truth:
    """Which rows are true, and which are known to be true or false (None: all)."""

    true: Mask
    known: Mask | None

    @property
    def certain(self) -> Mask:
        return self.true if self.known is None else self.true & self.known

    def __invert__(self) -> "_Truth":
        return _Truth(~self.true, self.known)

    def __and__(self, other: "_Truth") -> "_Truth":
        if self.known is None and other.known is None:
            return _Truth(self.true & other.true, None)
        false = (~self).certain | (~other).certain
        true = self.certain & other.certain
        return _Truth(true, true | false)

    def __or__(self, other: "_Truth") -> "_Truth":
        return ~(~self & ~other)


class _Evaluation:
    def __init__(self, schema: pa.Schema, columns: Columns) -> None:
        self._schema = schema
        self._columns = columns

    def truth(self, node: Node) -> _Truth:
        """What a condition says of each row. Raises `Stopped` where nobody waits for it."""
        look()
        written = _CONDITIONS.get(type(node))
        if written is None:
            raise _Left
        return written(self, node)

    def _flag(self, node: Name) -> _Truth:
        column = self._column(node)
        if not types.is_boolean(column.type):
            raise _Left
        return _of_arrow(column)

    def _joined(self, node: Junction) -> _Truth:
        parts = map(self.truth, node.conditions)
        return reduce(operator.and_ if node.how == "AND" else operator.or_, parts)

    def _not(self, node: Negation) -> _Truth:
        return ~self.truth(node.of)

    def _is(self, node: Is) -> _Truth:
        if node.what != "NULL":
            of = self.truth(node.of)
            found = (of if node.what == "TRUE" else ~of).certain
        elif isinstance(node.of, Name):
            column = self._column(node.of)
            if not _is_answered(column.type):
                raise _Left
            found = np.asarray(column.is_null())
        else:
            raise _Left
        return _Truth(~found if node.negated else found, None)

    def _comparison(self, node: Ordering) -> _Truth:
        if isinstance(node.left, Value) and isinstance(node.right, Name):
            return self._compared(node.right, _FLIPPED[node.order], node.left)
        return self._compared(node.left, node.order, node.right)

    def _between(self, node: Between) -> _Truth:
        within = self._compared(node.of, ">=", node.low) & self._compared(node.of, "<=", node.high)
        return ~within if node.negated else within

    def _in(self, node: In) -> _Truth:
        column = self._column(node.of)
        if _is_texts(column.type):
            texts = pa.array([_text(each) for each in node.values])
            found = _of_texts(column, lambda values: pc.is_in(values, texts))
        else:
            values = _Numbers.of(column)
            wanted = [values.literal(each) for each in node.values]
            exact = [each.floor for each in wanted if each.is_exact]
            found = _Truth(
                np.isin(values.values, np.array(exact, values.values.dtype)), values.known
            )
        return ~found if node.negated else found

    def _compared(self, of: Node, order: str, literal: Node) -> _Truth:
        column = self._column(of)
        if _is_texts(column.type):
            text = pa.scalar(_text(literal))
            return _of_texts(column, lambda values: _TEXT_ORDERS[order](values, text))
        if types.is_boolean(column.type):
            return self._of_flags(column, order, literal)
        values = _Numbers.of(column)
        number = values.literal(literal)
        return _Truth(_against(values.values, order, number), values.known)

    def _of_flags(self, column: pa.Array, order: str, literal: Node) -> _Truth:
        if not isinstance(literal, Value) or literal.kind != "truth" or order not in ("=", "<>"):
            raise _Left
        found = _of_arrow(column)
        return found if (literal.text == "true") == (order == "=") else ~found

    def _like(self, node: Like) -> _Truth:
        column, pattern = self._column(node.of), _text(node.pattern)
        inner = pattern.removeprefix("%").removesuffix("%")
        if node.how != "LIKE" or not _is_texts(column.type) or _WILD & set(inner):
            raise _Left
        ends = (pattern.startswith("%"), len(pattern) > 1 and pattern.endswith("%"))
        found = _of_texts(column, lambda values: _LIKE[ends](values, inner))
        return ~found if node.negated else found

    def _called(self, node: FunctionCall) -> _Truth:
        if node.name != "starts_with" or len(node.values) != 2:  # the column, and how it starts
            raise _Left
        column = self._column(node.values[0])
        if not _is_texts(column.type):
            raise _Left
        start = _text(node.values[1])
        return _of_texts(column, lambda values: pc.starts_with(values, start))

    def _column(self, node: Node) -> pa.Array:
        """The values of a column that is in memory."""
        if not isinstance(node, Name):
            raise _Left
        name = resolved(node, self._schema.names)
        if "`" in name or types.is_dictionary(self._schema.field(name).type):
            raise _Left
        column = self._columns(name)
        if column is None:
            raise _Left
        return column


_LIKE: Mapping[tuple[bool, bool], Callable[[pa.Array, str], pa.Array]] = {
    (False, False): lambda column, text: pc.equal(column, pa.scalar(text)),
    (False, True): pc.starts_with,
    (True, False): pc.ends_with,
    (True, True): pc.match_substring,
}


@dataclass(frozen=True, slots=True)
class _Numbers:
    """A column as numbers in an order, and which are known (None: all)."""

    type: pa.DataType
    values: npt.NDArray[Any]
    known: Mask | None

    @classmethod
    def of(cls, column: pa.Array) -> "_Numbers":
        if not _is_numbers(column.type) or column.buffers()[1] is None:
            raise _Left
        width = column.type.bit_width
        sign = "u" if types.is_unsigned_integer(column.type) else "i"
        data = np.frombuffer(column.buffers()[1], f"{sign}{width // 8}")
        values = data[column.offset : column.offset + len(column)]
        if types.is_floating(column.type):
            values = _ordered(values)
        known = np.asarray(column.is_valid()) if column.null_count else None
        return cls(column.type, values, known)

    def literal(self, node: Node) -> Number:
        """A literal among these numbers."""
        if not isinstance(node, Value):
            raise _Left
        number = number_of(node, self.type)
        if number is None:
            raise _Left
        if not types.is_floating(self.type):
            return number
        exact = np.array([number.floor], self.type.to_pandas_dtype())
        bits = exact.view(self.values.dtype)
        return Number(int(_ordered(bits)[0]))


def _ordered(bits: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The bits of floating numbers, as whole numbers in their order; 0 and -0 are 0."""
    n_bits = bits.itemsize * 8
    total: npt.NDArray[Any] = bits ^ ((bits >> (n_bits - 1)) & np.iinfo(bits.dtype).max)
    return total + (total < 0)


def _against(values: npt.NDArray[Any], order: str, number: Number) -> Mask:
    """Numbers compared with one of which the floor among them is known."""
    if number.is_exact:
        found: Mask = _ORDERS[order](values, values.dtype.type(number.floor))
        return found
    if order in ("=", "<>") or number.floor is None:  # none is equal; or all are above
        is_so = order == "<>" or (number.floor is None and order in (">", ">="))
        return np.full(len(values), is_so, np.bool_)
    floor = values.dtype.type(number.floor)
    beside: Mask = values <= floor if order.startswith("<") else values > floor
    return beside


def _is_numbers(type_: pa.DataType) -> bool:
    return bool(
        types.is_integer(type_)
        or (types.is_floating(type_) and not types.is_float16(type_))
        or types.is_date32(type_)
        or types.is_timestamp(type_)
    )


def _is_texts(type_: pa.DataType) -> bool:
    value = type_.value_type if types.is_dictionary(type_) else type_
    return bool(types.is_string(value))


def _is_answered(type_: pa.DataType) -> bool:
    return bool(_is_texts(type_) or types.is_boolean(type_) or _is_numbers(type_))


def _text(node: Node) -> str:
    if not isinstance(node, Value) or node.kind != "text":
        raise _Left
    return node.text


def _of_arrow(truths: pa.Array) -> _Truth:
    """What an Arrow column of truths says."""
    if truths.null_count == 0:
        return _Truth(np.asarray(truths), None)
    return _Truth(np.asarray(truths.fill_null(False)), np.asarray(truths.is_valid()))  # noqa: FBT003


def _of_texts(column: pa.Array, test: Callable[[pa.Array], pa.Array]) -> _Truth:
    """What a test says of each text: of those in a dictionary it is asked once of each."""
    known = np.asarray(column.is_valid()) if column.null_count else None
    if not types.is_dictionary(column.type):
        return _Truth(np.asarray(test(column).fill_null(False)), known)  # noqa: FBT003
    codes = np.asarray(column.indices if known is None else column.indices.fill_null(0))
    passed = np.asarray(test(column.dictionary))
    if np.count_nonzero(passed) > FEW_WORDS:
        return _Truth(passed[codes], known)
    true = np.zeros(len(column), np.bool_)
    for code in np.flatnonzero(passed):
        true |= codes == codes.dtype.type(code)
    return _Truth(true, known)


_CONDITIONS: Mapping[type, Callable[[_Evaluation, Any], _Truth]] = {
    Name: _Evaluation._flag,
    FunctionCall: _Evaluation._called,
    Ordering: _Evaluation._comparison,
    Like: _Evaluation._like,
    In: _Evaluation._in,
    Between: _Evaluation._between,
    Is: _Evaluation._is,
    Negation: _Evaluation._not,
    Junction: _Evaluation._joined,
}
