"""Types that widen: every value is the same afterwards, or is refused."""

import datetime
import decimal
import math
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saelake.store.format.widening import converted, widened

UTC, BERLIN = "UTC", "Europe/Berlin"
ONE_TYPE: list[tuple[pa.DataType, pa.DataType, pa.DataType]] = [
    (pa.null(), pa.string(), pa.string()),
    (pa.int32(), pa.int64(), pa.int64()),
    (pa.uint8(), pa.int8(), pa.int16()),
    (pa.uint32(), pa.int32(), pa.int64()),
    (pa.uint64(), pa.int64(), pa.int64()),
    (pa.uint16(), pa.uint64(), pa.uint64()),
    (pa.int64(), pa.float64(), pa.float64()),
    (pa.int16(), pa.float32(), pa.float32()),
    (pa.int32(), pa.float32(), pa.float64()),
    (pa.int8(), pa.float16(), pa.float16()),
    (pa.float32(), pa.float64(), pa.float64()),
    (pa.decimal128(6, 2), pa.decimal128(5, 3), pa.decimal128(7, 3)),
    (pa.decimal128(6, 2), pa.int32(), pa.decimal128(12, 2)),
    (pa.decimal128(38, 0), pa.decimal128(3, 2), pa.decimal256(40, 2)),
    (pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("ns")),
    (pa.timestamp("s", BERLIN), pa.timestamp("ms", UTC), pa.timestamp("ms", BERLIN)),
    (pa.date32(), pa.date64(), pa.date32()),
    (pa.date32(), pa.timestamp("s"), pa.timestamp("s")),
    (pa.time32("s"), pa.time64("us"), pa.time64("us")),
    (pa.duration("s"), pa.duration("ms"), pa.duration("ms")),
    (pa.binary(3), pa.binary(4), pa.binary()),
    (pa.list_(pa.int32()), pa.list_(pa.null()), pa.list_(pa.int32())),
    (pa.list_(pa.float32(), 2), pa.list_(pa.float64(), 2), pa.list_(pa.float64(), 2)),
    (pa.list_(pa.float32(), 2), pa.list_(pa.float32(), 3), pa.list_(pa.float32())),
    (
        pa.struct([("a", pa.int8()), ("b", pa.null())]),
        pa.struct([("b", pa.string()), ("c", pa.bool_())]),
        pa.struct([("a", pa.int8()), ("b", pa.string()), ("c", pa.bool_())]),
    ),
    (
        pa.map_(pa.string(), pa.int8()),
        pa.map_(pa.string(), pa.int16()),
        pa.map_(pa.string(), pa.int16()),
    ),
]
NO_TYPE: list[tuple[pa.DataType, pa.DataType]] = [
    (pa.string(), pa.int64()),
    (pa.string(), pa.binary()),
    (pa.bool_(), pa.int8()),
    (pa.timestamp("s"), pa.timestamp("s", UTC)),
    (pa.date32(), pa.timestamp("s", UTC)),
    (pa.decimal128(5, 2), pa.float64()),
    (pa.decimal256(76, 0), pa.decimal128(3, 2)),
    (pa.list_(pa.string()), pa.string()),
    (pa.struct([("a", pa.int8())]), pa.struct([("a", pa.string())])),
    (pa.duration("s"), pa.int64()),
]


@pytest.mark.parametrize(("one", "other", "together"), ONE_TYPE)
def test_two_types_have_one_that_holds_both(
    one: pa.DataType, other: pa.DataType, together: pa.DataType
) -> None:
    assert widened(one, other) == together
    swapped = widened(other, one)
    assert swapped is not None
    assert widened(swapped, together) == swapped  # whichever comes first, it holds the other
    assert widened(together, one) == widened(together, other) == together


@pytest.mark.parametrize(("one", "other"), NO_TYPE)
def test_types_that_would_lose_something_have_none(one: pa.DataType, other: pa.DataType) -> None:
    assert widened(one, other) is None
    assert widened(other, one) is None


def numbers(kind: pa.DataType) -> st.SearchStrategy[Any]:
    """Numbers of a type."""
    if pa.types.is_floating(kind):
        return st.floats(width=kind.bit_width)
    if pa.types.is_decimal(kind):
        most = 10 ** (kind.precision - kind.scale) - 1
        return st.decimals(-most, most, places=kind.scale)
    if pa.types.is_signed_integer(kind):
        return st.integers(-(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1)
    return st.integers(0, 2**kind.bit_width - 1)


def moment(seconds: int, kind: pa.DataType) -> datetime.datetime:
    zoned = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return zoned if kind.tz else zoned.replace(tzinfo=None)


SECONDS = st.integers(-(2**30), 2**31)
OTHERS: dict[Callable[[pa.DataType], bool], Callable[[pa.DataType], Any]] = {
    pa.types.is_timestamp: lambda kind: SECONDS.map(lambda s: moment(s, kind)),
    pa.types.is_time: lambda _: st.times().map(lambda t: t.replace(microsecond=0)),
    pa.types.is_duration: lambda _: SECONDS.map(lambda s: datetime.timedelta(seconds=s)),
    pa.types.is_date: lambda _: st.dates(datetime.date(1900, 1, 1), datetime.date(2200, 1, 1)),
    pa.types.is_fixed_size_binary: lambda k: st.binary(
        min_size=k.byte_width, max_size=k.byte_width
    ),
    pa.types.is_boolean: lambda _: st.booleans(),
    pa.types.is_string: lambda _: st.text(max_size=4),
    pa.types.is_map: lambda kind: st.dictionaries(
        st.text(max_size=2), values(kind.item_type), max_size=2
    ).map(lambda found: list(found.items())),
    pa.types.is_struct: lambda kind: st.fixed_dictionaries({f.name: values(f.type) for f in kind}),
    pa.types.is_fixed_size_list: lambda kind: st.lists(
        values(kind.value_type), min_size=kind.list_size, max_size=kind.list_size
    ),
    pa.types.is_list: lambda kind: st.lists(values(kind.value_type), max_size=3),
}


def typed(kind: pa.DataType) -> st.SearchStrategy[Any]:
    """Values of a type, as Python has them."""
    if pa.types.is_decimal(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return numbers(kind)
    return next(make(kind) for is_kind, make in OTHERS.items() if is_kind(kind))


def values(kind: pa.DataType) -> st.SearchStrategy[Any]:
    return st.none() if pa.types.is_null(kind) else st.none() | typed(kind)


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same, exactly; a field that one object lacks is null there."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(same(one.get(key), other.get(key)) for key in {**one, **other})
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) and math.isnan(one):
        return isinstance(other, float) and math.isnan(other)
    if isinstance(other, datetime.datetime) and type(one) is datetime.date:
        return other == datetime.datetime.combine(one, datetime.time())
    if isinstance(one, float | int) and isinstance(other, float | int):
        return decimal.Decimal(one) == decimal.Decimal(other)  # not by way of a float
    return bool(one == other)


PLAIN = [
    *(pa.int8(), pa.int32(), pa.int64(), pa.uint8(), pa.uint64()),
    *(pa.float32(), pa.float64(), pa.decimal128(6, 2), pa.string(), pa.null()),
    *(pa.timestamp("s"), pa.timestamp("us"), pa.timestamp("us", UTC), pa.date32()),
]
kinds = st.recursive(
    st.sampled_from(PLAIN),
    lambda inner: st.one_of(
        inner.map(pa.list_),
        st.dictionaries(st.sampled_from("abc"), inner, min_size=1).map(
            lambda fields: pa.struct(list(fields.items()))
        ),
    ),
    max_leaves=4,
)


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_values_are_the_same_afterwards_or_refused(data: st.DataObject) -> None:
    one, other = data.draw(kinds), data.draw(kinds)
    together = widened(one, other)
    if together is None:
        return
    given_values = data.draw(st.lists(values(one), max_size=5))
    before = pa.array(given_values, one)
    try:
        after = converted(before, together)
    except pa.ArrowInvalid:
        assert any(too_large(value) for value in given_values)
        return
    assert after.type == together
    assert all(map(same, before.to_pylist(), after.to_pylist()))


def too_large(value: Any) -> bool:
    """Whether there is an integer that no float holds exactly, or int64 not at all."""
    if isinstance(value, dict):
        return any(map(too_large, value.values()))
    if isinstance(value, list):
        return any(map(too_large, value))
    return isinstance(value, int) and abs(value) > 2**53


@pytest.mark.parametrize("value", [2**53 + 1, -(2**53) - 1, 2**62])
def test_an_integer_that_no_double_holds_is_refused(value: int) -> None:
    assert converted(pa.array([2**53]), pa.float64()).to_pylist() == [2**53]
    with pytest.raises(pa.ArrowInvalid):
        converted(pa.array([value]), pa.float64())
