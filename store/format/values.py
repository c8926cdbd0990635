"""Value codecs: feature values as small integers that keep the values' order.

A stored value is an integer code, and `code_a < code_b` exactly when `value_a < value_b`, so
sorting and comparing need no decoding. No code stands for an infinity or a NaN: a value that is
not finite, or too large, is a `ValueOverflow` when it is written. A value too small to hold
becomes the smallest one, never zero: a feature that fired stays a feature that fired.

Float16 overflows at 65,504, which JumpReLU dictionaries exceed; a float32 column compressed back
to two bytes was 3 times slower to read (docs/decisions/002-values.md).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from saelake.store.errors import InvalidInput, ValueOverflow

Floats = npt.NDArray[np.float32]
Codes = npt.NDArray[Any]

MIN_EXPONENT = -32  # of the 16-bit codec: values from 2^-32 to 2^32
MIN_LOG2 = -12  # of the 8-bit codec: values from 2^-12 to about 2^19.7


@dataclass(frozen=True, slots=True)
class ValueCodec(ABC):
    """A mapping between float32 values and integer codes; `signed` where values may be negative."""

    signed: bool

    name: ClassVar[str]  # what a table's metadata calls it

    @property
    @abstractmethod
    def dtype(self) -> np.dtype[Any]:
        """The integer type of a code."""

    @abstractmethod
    def _magnitudes(self) -> Floats:
        """The value of each magnitude code, ascending; code 0 is 0."""

    @abstractmethod
    def _nearest(self, magnitudes: Floats) -> npt.NDArray[np.int32]:
        """The code of the nearest representable magnitude, before it is clipped."""

    @property
    def arrow_type(self) -> pa.DataType:
        """The Arrow type of a code."""
        return pa.from_numpy_dtype(self.dtype)

    @property
    def largest(self) -> float:
        """The largest magnitude that can be stored."""
        return float(self._magnitudes()[-1])

    def encode(self, values: Floats) -> Codes:
        """Codes (n,) of float32 values (n,), each the nearest one that can be stored.

        Raises `ValueOverflow` for a value that is not finite, is larger than `largest`, or is
        negative in an unsigned codec.
        """
        magnitudes = np.abs(values)
        bad = ~(magnitudes <= self.largest)
        if not self.signed:
            bad |= values < 0
        if bad.any():
            self._refuse(values, int(np.flatnonzero(bad)[0]))
        codes = np.clip(self._nearest(magnitudes), 1, len(self._magnitudes()) - 1)
        signed = np.where(values < 0, -codes, codes) if self.signed else codes
        return signed.astype(self.dtype)

    def decode(self, codes: Codes) -> Floats:
        """Float32 values (n,) of codes (n,)."""
        index = np.ascontiguousarray(codes).view(_pattern_type(self.dtype))
        return _decoding_table(self).take(index)

    def _refuse(self, values: Floats, index: int) -> None:
        raise ValueOverflow(
            f"The value {values[index]} cannot be stored in the {self.name} codec, which holds "
            f"finite values up to {self.largest:.4g}{'' if self.signed else ', none negative'}. "
            "Check the model's dtype (float16 overflows: try float32 or bfloat16).",
            index=index,
            value=values[index],
        )


@dataclass(frozen=True, slots=True)
class Float16Bits(ValueCodec):
    """16 bits: a 6-bit exponent and a 10-bit mantissa (9 bits and a sign where signed).

    It is a float32 with the low bits of its mantissa rounded off (to nearest, ties to even) and
    its exponent limited to [-32, 32), so the relative error is at most 2^-11 (2^-10 signed).
    """

    name: ClassVar[str] = "16-bit"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The integer type of a code."""
        return np.dtype(np.int16 if self.signed else np.uint16)

    @property
    def _mantissa(self) -> int:
        return 9 if self.signed else 10

    @property
    def _offset(self) -> int:
        return (127 + MIN_EXPONENT) << self._mantissa

    def _magnitudes(self) -> Floats:
        codes = np.arange(1 << (6 + self._mantissa), dtype=np.uint32) + self._offset
        values = (codes << (23 - self._mantissa)).view(np.float32).copy()
        values[0] = 0
        return values

    def _nearest(self, magnitudes: Floats) -> npt.NDArray[np.int32]:
        dropped = 23 - self._mantissa
        bits = magnitudes.view(np.int32)  # of finite values: no sum below leaves the type
        half = (1 << (dropped - 1)) - 1
        return ((bits + half + ((bits >> dropped) & 1)) >> dropped) - self._offset


@dataclass(frozen=True, slots=True)
class Log8(ValueCodec):
    """8 bits on a log scale: 8 steps an octave (4 where signed).

    The relative error is at most 2^(1/16) - 1 = 4.4 % (9.1 % signed).
    """

    name: ClassVar[str] = "8-bit"

    @property
    def dtype(self) -> np.dtype[Any]:
        """The integer type of a code."""
        return np.dtype(np.int8 if self.signed else np.uint8)

    @property
    def _steps(self) -> int:
        return 4 if self.signed else 8

    def _magnitudes(self) -> Floats:
        codes = np.arange(128 if self.signed else 256)
        values = np.exp2((codes - 1) / self._steps + MIN_LOG2).astype(np.float32)
        values[0] = 0
        return values

    def _nearest(self, magnitudes: Floats) -> npt.NDArray[np.int32]:
        logs = np.log2(np.maximum(magnitudes, np.float32(2.0**MIN_LOG2)))
        steps: Floats = np.rint((logs - MIN_LOG2) * self._steps)
        return steps.astype(np.int32) + 1


CODECS: tuple[type[ValueCodec], ...] = (Float16Bits, Log8)


def value_codec(name: str, *, signed: bool) -> ValueCodec:
    """The codec of that name. Raises `InvalidInput`."""
    for codec in CODECS:
        if codec.name == name:
            return codec(signed)
    names = ", ".join(codec.name for codec in CODECS)
    raise InvalidInput(f"There is no value codec {name!r}; choose one of {names}.", codec=name)


def _pattern_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The unsigned type of the same width: a code's bits as a table index."""
    return np.dtype(f"u{dtype.itemsize}")


@cache
def _decoding_table(codec: ValueCodec) -> Floats:
    """The float32 value of each bit pattern of a code, (256,) or (65536,)."""
    magnitudes = codec._magnitudes()
    if not codec.signed:
        return magnitudes
    patterns = np.arange(2 * len(magnitudes)).astype(_pattern_type(codec.dtype))
    codes = patterns.view(codec.dtype).astype(np.int64)
    magnitude = magnitudes[np.minimum(np.abs(codes), len(magnitudes) - 1)]
    return np.where(codes < 0, -magnitude, magnitude)
