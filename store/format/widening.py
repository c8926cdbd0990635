"""Types that widen without loss: what holds the values of two types, and how they get there.

A value is the same afterwards: an instant, a number, a text. Where that depends on the value
(64-bit integers among floating-point numbers, of which those up to 2^53 are exact) the type is
given, and `converted` refuses a value that is not exact.
"""

import pyarrow as pa
from pyarrow import types

_UNITS = ("s", "ms", "us", "ns")
_LONGEST_DECIMAL = 76
_DIGITS = {8: 3, 16: 5, 32: 10, 64: 20}  # of the largest integer of so many bits


def widened(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The type that holds the values of both, or None where there is none.

    Nothing (null) fits into any type; integers, floating-point numbers, decimals and units of time
    into larger ones; dates into times without a zone; lists and objects as their items and fields
    do, where a field may be missing on one side. Instants of two zones keep the zone of `one`.
    Both must be types that a corpus stores: no dictionaries, views or large variants.
    """
    if one.equals(other) or types.is_null(other):
        return one
    if types.is_null(one):
        return other
    for rule in (_numbers, _decimals, _moments, _bytes, _lists, _structs, _maps):
        if (wider := rule(one, other)) is not None:
            return wider
    return None


def converted(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """The values as a wider type. Raises `pyarrow.ArrowInvalid` where one would not be the same.

    Bytes become strings unchecked: an import looks at them row by row.
    """
    if array.type.equals(kind):
        return array
    if types.is_null(array.type):
        return pa.nulls(len(array), kind)
    return array.cast(kind, safe=not types.is_string(kind))


def _numbers(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if types.is_integer(one) and types.is_integer(other):
        return _integers(one, other)
    if types.is_floating(one) and types.is_floating(other):
        return max(one, other, key=lambda kind: kind.bit_width)
    for whole, floating in ((one, other), (other, one)):
        if types.is_integer(whole) and types.is_floating(floating):
            exact = {8: 16, 16: 32}.get(whole.bit_width, 64)
            return {16: pa.float16(), 32: pa.float32(), 64: pa.float64()}[
                max(exact, floating.bit_width)
            ]
    return None


def _integers(one: pa.DataType, other: pa.DataType) -> pa.DataType:
    width = max(one.bit_width, other.bit_width)
    signed = [types.is_signed_integer(kind) for kind in (one, other)]
    if signed[0] == signed[1]:
        return one if one.bit_width == width else other
    unsigned = max(k.bit_width for k, s in zip((one, other), signed, strict=True) if not s)
    width = min(max(width, 2 * unsigned), 64)
    return {16: pa.int16(), 32: pa.int32(), 64: pa.int64()}[width]


def _decimals(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    sizes = [_decimal_size(kind) for kind in (one, other)]
    if not any(map(types.is_decimal, (one, other))) or None in sizes:
        return None
    whole = max(size[0] for size in sizes if size)
    scale = max(size[1] for size in sizes if size)
    if whole + scale > _LONGEST_DECIMAL:
        return None
    small = whole + scale <= 38 and not any(map(types.is_decimal256, (one, other)))
    return (pa.decimal128 if small else pa.decimal256)(whole + scale, scale)


def _decimal_size(kind: pa.DataType) -> tuple[int, int] | None:
    """The digits before and after the point."""
    if types.is_decimal(kind):
        return kind.precision - kind.scale, kind.scale
    return (_DIGITS[kind.bit_width], 0) if types.is_integer(kind) else None


def _moments(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if types.is_date(one) and types.is_date(other):
        return pa.date32()
    for day, moment in ((one, other), (other, one)):
        if types.is_date(day) and types.is_timestamp(moment) and moment.tz is None:
            return moment
    if types.is_timestamp(one) and types.is_timestamp(other):
        same = (one.tz is None) == (other.tz is None)
        return pa.timestamp(_unit(one, other), one.tz) if same else None
    if types.is_duration(one) and types.is_duration(other):
        return pa.duration(_unit(one, other))
    if types.is_time(one) and types.is_time(other):
        unit = _unit(one, other)
        return pa.time32(unit) if unit in ("s", "ms") else pa.time64(unit)
    return None


def _unit(one: pa.DataType, other: pa.DataType) -> str:
    return _UNITS[max(_UNITS.index(kind.unit) for kind in (one, other))]


def _bytes(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    binary = (types.is_binary, types.is_fixed_size_binary)
    both = all(any(is_kind(kind) for is_kind in binary) for kind in (one, other))
    return pa.binary() if both else None


def _lists(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if not all(types.is_list(k) or types.is_fixed_size_list(k) for k in (one, other)):
        return None
    item = widened(one.value_type, other.value_type)
    if item is None:
        return None
    sizes = {getattr(kind, "list_size", None) for kind in (one, other)}
    if len(sizes) == 1 and None not in sizes:
        return pa.list_(item, sizes.pop())
    return pa.list_(item)


def _structs(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if not (types.is_struct(one) and types.is_struct(other)):
        return None
    fields = [{field.name: field.type for field in kind} for kind in (one, other)]
    if [len(known) for known in fields] != [one.num_fields, other.num_fields]:
        return None  # a name twice
    wider = {
        name: widened(fields[0].get(name, pa.null()), fields[1].get(name, pa.null()))
        for name in {**fields[0], **fields[1]}
    }
    return None if None in wider.values() else pa.struct(list(wider.items()))


def _maps(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    if not (types.is_map(one) and types.is_map(other)):
        return None
    key, item = widened(one.key_type, other.key_type), widened(one.item_type, other.item_type)
    return None if key is None or item is None else pa.map_(key, item)
