"""The values of a metadata column: which there are, and which of them each document has."""

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from saelake.store.documents.columns import column_of, read_columns
from saelake.store.errors import InvalidInput
from saelake.store.format.kinds import can_be_counted, is_ordered
from saelake.store.format.lists import Array
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.session import Session

MISSING, NAN = -1, -2  # of documents without a value; and of those with one that is no number
_ZEROS = re.compile(r"\.0+(?=Z?$)|(?<=\.)(\d*[1-9])0+(?=Z?$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnValues:
    """The values of one column of a snapshot of documents.

    `path` is the column, and the fields within it; `distinct` has the values that there are,
    ascending, and `code` int32 (n_documents,) for each document which of these is its, `MISSING`
    or `NAN`. They `are_ordered` where a range of them means something: numbers and times.
    """

    path: tuple[str, ...]
    distinct: pa.Array
    code: Array
    are_ordered: bool

    @property
    def n_bytes(self) -> int:
        """The memory that it takes."""
        return int(self.distinct.nbytes) + int(self.code.nbytes)

    def texts(self, places: Array) -> list[str]:
        """The values at these places, as text that names each exactly."""
        return _texts(self.distinct.take(pa.array(places)))

    def called(self, low: str, high: str) -> str:
        """What values between two texts are called: of floating numbers with four digits."""
        if low == high:
            return low
        short = tuple(f"{float(each):.4g}" for each in (low, high) if self._are_floating)
        ends = short if len(set(short)) == 2 else (low, high)
        return " to ".join(ends)

    @property
    def _are_floating(self) -> bool:
        return bool(types.is_floating(self.distinct.type))


def column_values(session: Session, collection: Collection, column: str) -> ColumnValues:
    """The values of the column that is meant; read once for a snapshot, and kept.

    Raises `InvalidInput` where there is none, and for one of lists, structures, bytes and the like.
    """
    documents = collection.documents
    path = column_of(documents, column)
    return session.cache.kept(
        ("values", documents.table.key, path),
        lambda: _coded(path, read_columns(documents, [column])[column], column),
        lambda found: found.n_bytes,
    )


def _coded(path: tuple[str, ...], values: pa.ChunkedArray, column: str) -> ColumnValues:
    kind = values.type
    if types.is_dictionary(kind):
        values = values.cast(kind.value_type)
        kind = values.type
    if not can_be_counted(kind):
        raise InvalidInput(
            f"{column} has values of type {kind}: name a column of texts, truths, numbers or "
            "times, or a field of a structure, as column.field.",
            column=column,
        )
    nan = None
    if types.is_floating(kind):
        values, nan = _finite(values)
    encoded = values.combine_chunks().dictionary_encode()
    order = np.asarray(pc.sort_indices(encoded.dictionary))
    place = np.empty(len(order), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    known = np.asarray(encoded.is_valid())
    code = np.full(len(encoded), MISSING, np.int32)
    code[known] = place[np.asarray(encoded.indices.drop_null())]
    if nan is not None:
        code[nan] = NAN
    distinct = encoded.dictionary.take(pa.array(order))
    return ColumnValues(path=path, distinct=distinct, code=code, are_ordered=is_ordered(kind))


def _finite(values: pa.ChunkedArray) -> tuple[pa.ChunkedArray, Array]:
    """Floating numbers with null for NaN, and 0 for -0, which equals it; where NaN was."""
    numbers = values.to_numpy()  # null is NaN
    known = np.asarray(values.is_valid())
    is_nan = np.isnan(numbers) & known
    kept = pa.array(numbers + numbers.dtype.type(0), mask=~known | is_nan)
    return pa.chunked_array([kept.cast(values.type)]), is_nan


# -- Values as text.


def _texts(values: pa.Array) -> list[str]:
    kind = values.type
    if types.is_floating(kind):
        return [_number(each) for each in values.to_numpy(zero_copy_only=False)]
    if types.is_timestamp(kind) and kind.tz is not None:
        values = values.cast(pa.timestamp(kind.unit, "UTC"))
    texts: list[str] = values.cast(pa.string()).to_pylist()
    if types.is_timestamp(kind) or types.is_time(kind):
        return [_ZEROS.sub(_without_zeros, text) for text in texts]
    return texts


def _number(value: np.floating) -> str:
    """The shortest text that is this number among those of its type."""
    return str(value).removesuffix(".0") if abs(value) < 1e15 else str(value)


def _without_zeros(found: re.Match[str]) -> str:
    return found[1] or ""
