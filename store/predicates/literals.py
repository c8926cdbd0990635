"""Literals compared with values of a known type.

A literal need not be a value of that type: of whole numbers one may ask which are below 1.5, of
dates which are before an hour. So a literal becomes the greatest value of the type that is not
above it, and whether it is that value itself; comparisons follow from these two, exactly.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import pyarrow as pa
from pyarrow import types

from saelake.store.predicates.kinds import engine_name, is_bytes, is_text
from saelake.store.predicates.moments import (
    DAY_NS,
    EPOCH,
    NS_IN,
    Unfit,
    instant,
    read_moment,
    read_time,
)
from saelake.store.predicates.tree import Value

LARGEST_WHOLE = 2**53  # of those that are floating numbers, with all below
BEYOND = 100  # powers of ten that are beyond every whole and every decimal number


@dataclass(frozen=True, slots=True)
class Floor:
    """The greatest value of a type that is not above a literal, as the engine's SQL.

    `sql` is None where all values are above the literal; `is_exact` tells whether the value is
    the literal itself.
    """

    sql: str | None
    is_exact: bool = True


def floor_of(value: Value, type: pa.DataType) -> Floor:  # noqa: A002  # as Arrow calls it
    """A literal among the values of a type. Raises `Unfit` for one of another kind."""
    if value.kind == "number":
        return _number(value.text, type)
    if value.kind == "truth" and types.is_boolean(type):
        return Floor(value.text)
    if value.kind == "bytes" and is_bytes(type):
        return Floor(plain(value))
    if value.kind == "text" and is_text(type):
        return Floor(plain(value))
    if value.kind in ("text", "date", "time", "timestamp"):
        return _moment(value.text, type)
    raise Unfit("")


@dataclass(frozen=True, slots=True)
class Number:
    """What `Floor` is, as the number that a column keeps: days, or units of time since 1970."""

    floor: float | None
    is_exact: bool = True


def number_of(value: Value, type: pa.DataType) -> Number | None:  # noqa: A002
    """A literal among the numbers of a type; None where only the engine knows.

    Raises `Unfit` for one of another kind.
    """
    if types.is_date32(type) and value.kind in ("text", "date", "timestamp"):
        moment = read_moment(value.text)
        if moment.offset is not None:
            return None
        day, rest = divmod(moment.ns, DAY_NS)
        return Number(day, is_exact=rest == 0)
    if types.is_timestamp(type) and value.kind in ("text", "date", "timestamp"):
        units, rest = divmod(instant(read_moment(value.text), type.tz), NS_IN[type.unit])
        return _clamped(units, rest == 0, (-(2**63) + 1, 2**63 - 1))
    if value.kind != "number":
        return None
    if types.is_integer(type):
        units, is_exact = _scaled(value.text, 0)
        return _clamped(units, is_exact, _limits(type))
    if not types.is_floating(type):
        return None
    exact = float(value.text)  # a larger whole number the engine rounds otherwise
    is_whole = value.text.removeprefix("-").isdecimal()  # of which there is no -0
    return Number(exact + 0.0 if is_whole else exact) if abs(exact) < LARGEST_WHOLE else None


def _clamped(n: int, is_exact: bool, limits: tuple[int, int]) -> Number:
    least, greatest = limits
    if n < least:
        return Number(None, is_exact=False)
    return Number(min(n, greatest), is_exact=is_exact and n <= greatest)


def _limits(type: pa.DataType) -> tuple[int, int]:  # noqa: A002
    """The least and the greatest whole number of a type."""
    least = 0 if types.is_unsigned_integer(type) else -(2 ** (type.bit_width - 1))
    return least, least + 2**type.bit_width - 1


def plain(value: Value) -> str:
    """A literal as the engine's SQL, where nothing is known of what it is compared with."""
    if value.kind in ("text", "bytes"):
        quoted = "'" + value.text.replace("'", "''") + "'"
        return quoted if value.kind == "text" else f"X{quoted}"
    if value.kind == "number":
        return _plain_number(value.text)
    if value.kind in ("null", "truth"):
        return value.text
    if value.kind == "date":
        return _days(read_moment(value.text).ns // DAY_NS)
    if value.kind == "time":
        return _cast(_clock_text(read_time(value.text)), pa.time64("ns"))
    moment = read_moment(value.text)
    zone = None if moment.offset is None else "UTC"
    return _cast(str(instant(moment, zone) // 1000), pa.timestamp("us", zone))


def _plain_number(text: str) -> str:
    digits = text.removeprefix("-")
    if digits.isdecimal() and int(digits) < 2**63:
        return text
    if float(text) in (float("inf"), float("-inf")):
        raise Unfit(f"{text} is too large")
    return repr(float(text))


def _number(text: str, type: pa.DataType) -> Floor:  # noqa: A002
    if types.is_floating(type):
        return Floor(f"arrow_cast({_plain_number(text)}, '{engine_name(type)}')")
    if types.is_integer(type):
        units, is_exact = _scaled(text, 0)
        return _within(units, is_exact, _limits(type), lambda n: _whole(n, type))
    if types.is_decimal(type):
        greatest = 10**type.precision - 1
        units, is_exact = _scaled(text, type.scale)
        return _within(
            units, is_exact, (-greatest, greatest), lambda n: _cast(_point(n, type.scale), type)
        )
    raise Unfit("")


def _whole(n: int, type: pa.DataType) -> str:  # noqa: A002
    return str(n) if -(2**63) < n < 2**63 else _cast(str(n), type)


def _scaled(text: str, scale: int) -> tuple[int, bool]:
    """The greatest whole number of 10^-scale not above a number, and whether it is that number."""
    sign, digits, exponent = Decimal(text).as_tuple()
    assert isinstance(exponent, int)
    n = int("".join(map(str, digits))) * (-1 if sign else 1)
    power = min(exponent + scale, BEYOND)
    if power >= 0:
        return n * 10**power, True
    whole, rest = divmod(n, 10 ** min(-power, BEYOND + len(digits)))
    return whole, rest == 0


def _point(n: int, scale: int) -> str:
    """A whole number of 10^-scale, as digits."""
    if scale <= 0:
        return f"{n * 10**-scale}"
    digits = f"{abs(n):0{scale + 1}d}"
    return f"{'-' if n < 0 else ''}{digits[:-scale]}.{digits[-scale:]}"


def _within(
    n: int, is_exact: bool, limits: tuple[int, int], written: Callable[[int], str]
) -> Floor:
    """A number as `written`, or the greatest of those that a type has."""
    least, greatest = limits
    if n < least:
        return Floor(None, is_exact=False)
    return Floor(written(min(n, greatest)), is_exact=is_exact and n <= greatest)


def _moment(text: str, type: pa.DataType) -> Floor:  # noqa: A002
    if types.is_date(type):
        moment = read_moment(text)
        if moment.offset is not None:
            raise Unfit("a date has no time zone")
        day, rest = divmod(moment.ns, DAY_NS)
        return Floor(_days(day), is_exact=rest == 0)
    if types.is_timestamp(type):
        units, rest = divmod(instant(read_moment(text), type.tz), NS_IN[type.unit])
        limits = (-(2**63) + 1, 2**63 - 1)
        return _within(units, rest == 0, limits, lambda n: _cast(str(n), type))
    if types.is_time(type):
        ns = read_time(text)
        rest = ns % NS_IN[type.unit]
        return Floor(_cast(_clock_text(ns - rest), type), is_exact=rest == 0)
    raise Unfit("")


def _days(day: int) -> str:
    return f"date '{date.fromordinal(day + EPOCH).isoformat()}'"


def _clock_text(ns: int) -> str:
    seconds, rest = divmod(ns, 1_000_000_000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:09}"


def _cast(text: str, type: pa.DataType) -> str:  # noqa: A002
    value = text if types.is_timestamp(type) else f"'{text}'"
    return f"arrow_cast({value}, '{engine_name(type)}')"
