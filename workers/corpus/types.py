"""Which Arrow types a corpus stores, and what the others become.

Measured with pylance 14 in format 2.2: Lance holds every type but view types, run-end encoding,
unions, month intervals, decimals of 32 and 64 bits, fixed-size lists of anything but numbers, and
structs without fields.
"""

import json
from collections.abc import Iterator
from decimal import Decimal

import pyarrow as pa
from pyarrow import types

from saelake.store.errors import CorpusError

EXACT = 2**53  # up to here a floating-point number is one integer and no other

_PLAIN = {
    pa.large_string(): pa.string(),
    pa.string_view(): pa.string(),
    pa.large_binary(): pa.binary(),
    pa.binary_view(): pa.binary(),
}
_TEXT = {pa.string(), pa.large_string(), pa.string_view()}
_BYTES = {pa.binary(), pa.large_binary(), pa.binary_view()}


def stored_type(kind: pa.DataType) -> pa.DataType:
    """The type that a corpus has for a column of this type; the same type in most cases.

    Large and view variants become the plain type, dictionaries their values, extension types what
    they are stored as, small decimals decimal128, and fixed-size lists of other things than
    numbers lists. A column of objects without keys becomes JSON text. Raises `CorpusError` for
    unions, run-end encoding and month intervals.
    """
    return pa.string() if _has_empty_struct(kind) else _stored(kind)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type that `stored_type` gives, but for objects without keys, which are no text yet.

    So two files' columns have a type together when one has such objects and the other has keys.
    Raises `CorpusError` as `stored_type` does.
    """
    return _stored(kind)


def stored_array(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """The values as the type that `stored_type` gave; bytes become strings unchecked.

    Raises `pyarrow.ArrowException` when they cannot be converted.
    """
    if array.type == kind:
        return array
    if _has_empty_struct(array.type):
        values = array.to_pylist()
        return pa.array([v if v is None else json.dumps(v, default=str) for v in values], kind)
    return array.cast(kind, safe=not types.is_string(kind))


def is_text(kind: pa.DataType) -> bool:
    """Whether values of this type can be a text; bytes can, if they are UTF-8."""
    return (kind.value_type if types.is_dictionary(kind) else kind) in _TEXT | _BYTES


def is_id(kind: pa.DataType) -> bool:
    """Whether values of this type can be ids: texts and numbers."""
    return is_text(kind) or types.is_integer(kind) or is_odd_id(kind)


def is_odd_id(kind: pa.DataType) -> bool:
    """Whether ids of this type become text in a way that must be said: other than int64 numbers."""
    plain = kind.value_type if types.is_dictionary(kind) else kind
    return bool(types.is_floating(plain) or types.is_decimal(plain))


def id_texts(array: pa.Array) -> pa.Array:
    """Ids as text, bytes unchecked: numbers without a fraction as integers, digit for digit."""
    if types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if not is_odd_id(array.type):
        return stored_array(array, pa.string())
    texts = [None if v is None else _id_text(v) for v in array.to_pylist()]
    return pa.array(texts, pa.string())


def _id_text(value: float | Decimal) -> str | None:
    if isinstance(value, float):
        if value != value:  # pandas' way to say that there is none
            return None
        return str(int(value)) if value.is_integer() and abs(value) <= EXACT else repr(value)
    return str(int(value)) if value == int(value) else str(value)


def _stored(kind: pa.DataType) -> pa.DataType:
    if isinstance(kind, pa.BaseExtensionType):
        return _stored(kind.storage_type)
    if types.is_dictionary(kind):
        return _stored(kind.value_type)
    if types.is_decimal32(kind) or types.is_decimal64(kind):
        return pa.decimal128(kind.precision, kind.scale)
    if types.is_union(kind) or types.is_run_end_encoded(kind) or types.is_interval(kind):
        raise CorpusError(f"Columns of type {kind} cannot be stored.", type=kind)
    return _nested(kind) if types.is_nested(kind) else _PLAIN.get(kind, kind)


def _nested(kind: pa.DataType) -> pa.DataType:
    if types.is_struct(kind):
        return pa.struct([(field.name, _stored(field.type)) for field in kind])
    if types.is_map(kind):
        return pa.map_(_stored(kind.key_type), _stored(kind.item_type))
    item = _stored(kind.value_type)
    if types.is_fixed_size_list(kind) and (types.is_integer(item) or types.is_floating(item)):
        return pa.list_(item, kind.list_size)
    return pa.list_(item)


def _has_empty_struct(kind: pa.DataType) -> bool:
    if types.is_struct(kind) and kind.num_fields == 0:
        return True
    return types.is_nested(kind) and any(_has_empty_struct(child) for child in _children(kind))


def _children(kind: pa.DataType) -> Iterator[pa.DataType]:
    return (kind.field(i).type for i in range(kind.num_fields))
