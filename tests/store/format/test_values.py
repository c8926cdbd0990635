"""Value codecs: the nearest code, in the order of the values, and never an infinity."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from saelake.store.errors import InvalidInput, ValueOverflow
from saelake.store.format.values import Float16Bits, Log8, ValueCodec, value_codec

CODECS = [
    Float16Bits(signed=False),
    Float16Bits(signed=True),
    Log8(signed=False),
    Log8(signed=True),
]
# The largest relative error, as the codecs' docstrings state it.
ERRORS = {
    Float16Bits(signed=False): 2.0**-11,
    Float16Bits(signed=True): 2.0**-10,
    Log8(signed=False): 2.0 ** (1 / 16) - 1,
    Log8(signed=True): 2.0 ** (1 / 8) - 1,
}
SMALLEST, LARGEST = 2.0**-11, 2.0**19  # what every codec holds


def floats(codec: ValueCodec, *, n: int = 50) -> st.SearchStrategy[np.ndarray]:
    sign = [-1.0, 1.0] if codec.signed else [1.0]
    magnitude = st.floats(SMALLEST, LARGEST, width=32)
    value = st.builds(lambda m, s: m * s, magnitude, st.sampled_from(sign))
    return arrays(np.float32, st.integers(0, n), elements=value)


@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_values_come_back_within_the_stated_error(codec: ValueCodec) -> None:
    @given(floats(codec))
    def check(values: np.ndarray) -> None:
        found = codec.decode(codec.encode(values))
        assert found.dtype == np.float32
        error = np.abs(found - values) / np.abs(values) if len(values) else np.zeros(1)
        assert error.max(initial=0) <= ERRORS[codec] * (1 + 1e-5)

    check()


@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_codes_have_the_order_of_the_values(codec: ValueCodec) -> None:
    @given(floats(codec))
    def check(values: np.ndarray) -> None:
        ordered = np.sort(values)
        codes = codec.encode(ordered).astype(np.int64)
        assert (np.diff(codes) >= 0).all()
        decoded = codec.decode(codec.encode(ordered))
        assert (np.diff(decoded) >= 0).all()
        assert ((np.diff(codes) > 0) == (np.diff(decoded) > 0)).all()

    check()


@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_every_code_is_the_code_of_its_value(codec: ValueCodec) -> None:
    info = np.iinfo(codec.dtype)
    low = -info.max if codec.signed else 1
    codes = np.array([c for c in range(low, info.max + 1) if c != 0], codec.dtype)
    values = codec.decode(codes)
    assert np.isfinite(values).all()
    np.testing.assert_array_equal(codec.encode(values), codes)


@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_a_value_that_fires_stays_one(codec: ValueCodec) -> None:
    tiny = np.array([1e-30, np.nextafter(np.float32(0), np.float32(1))], np.float32)
    assert (codec.decode(codec.encode(tiny)) > 0).all()
    if codec.signed:
        assert (codec.decode(codec.encode(-tiny)) < 0).all()


@pytest.mark.parametrize("codec", CODECS, ids=str)
@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan, 1e38])
def test_what_cannot_be_held_is_an_error_that_names_it(codec: ValueCodec, bad: float) -> None:
    with pytest.raises(ValueOverflow, match="cannot be stored") as caught:
        codec.encode(np.array([1.0, bad], np.float32))
    assert caught.value.data["index"] == "1"
    assert codec.decode(codec.encode(np.array([codec.largest], np.float32)))[0] == codec.largest


@pytest.mark.parametrize("codec", [c for c in CODECS if not c.signed], ids=str)
def test_unsigned_codecs_refuse_negative_values(codec: ValueCodec) -> None:
    with pytest.raises(ValueOverflow, match="none negative"):
        codec.encode(np.array([-1.0], np.float32))


def test_sixteen_bits_are_float32_with_a_shorter_mantissa() -> None:
    values = np.random.default_rng(0).lognormal(0, 3, 10_000).astype(np.float32)
    mantissa, exponent = np.frexp(values)
    expected = np.ldexp(np.rint(mantissa * 2**11) / 2**11, exponent).astype(np.float32)
    codec = value_codec("16-bit", signed=False)
    np.testing.assert_array_equal(codec.decode(codec.encode(values)), expected)


def test_an_unknown_codec_is_refused() -> None:
    with pytest.raises(InvalidInput, match="16-bit"):
        value_codec("4-bit", signed=False)


# The rows of the guide's table: between which powers of two, and the largest relative error.
EIGHT_BITS = {(-8, 19): None, (-12, -8): None, (-13, -12): 1.0, (-14, -13): 3.0, (-16, -14): 15.0}


@pytest.mark.parametrize(("powers", "below"), EIGHT_BITS.items(), ids=str)
@pytest.mark.parametrize(("signed", "above"), [(False, 0.044), (True, 0.091)])
def test_the_error_of_eight_bits_is_as_the_guide_and_the_help_say(
    powers: tuple[int, int], below: float | None, signed: bool, above: float
) -> None:
    codec = value_codec("8-bit", signed=signed)
    values = np.exp2(np.linspace(*powers, 20_001)).astype(np.float32)
    error = float(np.max(np.abs(codec.decode(codec.encode(values)) - values) / values))
    assert error == pytest.approx(below or above, rel=0.01)
    text = (Path(__file__).parents[3] / "docs" / "guide" / "formats.md").read_text()
    said = f"{below:.0%}".replace("%", " %") if below and below < 10 else f"{below or 0:.0f} times"
    assert (said if below else "| 4.4 % | 9.1 % |") in text


@given(st.floats(2.0**-30, 2.0**-12, width=32))
def test_eight_bits_make_all_smaller_values_one(value: float) -> None:
    codec = value_codec("8-bit", signed=False)
    assert codec.decode(codec.encode(np.array([value], np.float32))).tolist() == [2.0**-12]
