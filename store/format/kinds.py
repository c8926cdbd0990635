"""Kinds of metadata, by the types of columns."""

import pyarrow as pa
from pyarrow import types

_ORDERED = (
    types.is_integer,
    types.is_floating,
    types.is_decimal,
    types.is_date,
    types.is_time,
    types.is_timestamp,
)
_WORDS = (types.is_string, types.is_large_string, types.is_boolean)


def is_ordered(kind: pa.DataType) -> bool:
    """Whether a range of values means something: of numbers and times."""
    return any(test(kind) for test in _ORDERED)


def can_be_counted(kind: pa.DataType) -> bool:
    """Whether documents can be told apart by the values: also by those of texts and truths."""
    kind = kind.value_type if types.is_dictionary(kind) else kind
    return is_ordered(kind) or any(test(kind) for test in _WORDS)
