"""What a column holds, in words, and a literal that compares with it."""

from collections.abc import Callable

import pyarrow as pa
from pyarrow import types

_KINDS: list[tuple[Callable[[pa.DataType], bool], str, str]] = [
    (types.is_boolean, "true or false", "write TRUE or FALSE"),
    (types.is_integer, "a whole number", "write it without quotes, as 8"),
    (types.is_floating, "a number", "write it without quotes, as 3.5"),
    (types.is_decimal, "a decimal number", "write it without quotes, as 3.5"),
    (types.is_date, "a date", "write '2024-01-31'"),
    (types.is_timestamp, "a date and time", "write '2024-01-31' or '2024-01-31 10:00:00'"),
    (types.is_time, "a time of day", "write '10:00:00'"),
    (types.is_list, "a list", "write array_has(column, value)"),
    (types.is_large_list, "a list", "write array_has(column, value)"),
    (types.is_struct, "a structure", "name a field of it, as column.field"),
]


def is_text(type: pa.DataType) -> bool:  # noqa: A002  # as Arrow calls it
    """Whether these are texts, also those of a dictionary."""
    value = type.value_type if types.is_dictionary(type) else type
    return bool(types.is_string(value) or types.is_large_string(value) or value == pa.string_view())


def is_bytes(type: pa.DataType) -> bool:  # noqa: A002
    """Whether these are bytes."""
    return bool(
        types.is_binary(type) or types.is_large_binary(type) or types.is_fixed_size_binary(type)
    )


def described(type: pa.DataType) -> tuple[str, str]:  # noqa: A002
    """What values of a type are, and what to write to compare with them."""
    if is_text(type):
        return "text", "write it in single quotes, as 'pos'"
    if is_bytes(type):
        return "bytes", "write X'616263'"
    if types.is_duration(type):
        unit = _UNITS[type.unit]
        return "a duration", f"write arrow_cast(60, 'Duration({unit})'), with the number of {unit}s"
    said, example = next(
        ((kind, example) for is_it, kind, example in _KINDS if is_it(type)),
        (f"of the type {type}", "compare it with another column"),
    )
    zone = f" with the zone {type.tz}" if types.is_timestamp(type) and type.tz else ""
    return said + zone, example


_UNITS = {"s": "Second", "ms": "Millisecond", "us": "Microsecond", "ns": "Nanosecond"}


def engine_name(type: pa.DataType) -> str:  # noqa: A002
    """What the tables' engine calls a type of numbers, dates or times."""
    if types.is_timestamp(type):
        zone = f'Some("{type.tz}")' if type.tz else "None"
        return f"Timestamp({_UNITS[type.unit]}, {zone})"
    if types.is_time(type):
        return f"Time{type.bit_width}({_UNITS[type.unit]})"
    if types.is_decimal(type):
        return f"Decimal{type.bit_width}({type.precision}, {type.scale})"
    if types.is_floating(type):
        return f"Float{type.bit_width}"
    sign = "U" if types.is_unsigned_integer(type) else ""
    return f"{sign}Int{type.bit_width}"
