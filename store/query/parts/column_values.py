"""The values of a metadata column: which there are, and which of them each document has."""

import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from saelake.store.documents.columns import column_of, scan_column
from saelake.store.documents.documents import Documents
from saelake.store.errors import InvalidInput
from saelake.store.format.kinds import can_be_counted, is_ordered
from saelake.store.format.lists import Array
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.session import Session

SHARE = 1 / 2  # of the cache's bytes, for the distinct values of a column while it is read
LEAST_ROOM = 16 << 20  # bytes, also where nothing is kept
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

    Raises `InvalidInput` where there is none, for one of lists, structures, bytes and the like, and
    for one whose distinct values take more than a share of the session's cache.
    """
    documents = collection.documents
    path = column_of(documents, column)
    room = max(int(session.cache.capacity * SHARE), LEAST_ROOM)
    return session.cache.kept(
        ("values", documents.table.key, path),
        lambda: _read(documents, path, column, room),
        lambda found: found.n_bytes,
    )


def _read(documents: Documents, path: tuple[str, ...], column: str, room: int) -> ColumnValues:
    kept, nan = KeptValues(column, room), []
    for values in scan_column(documents, column):
        if not can_be_counted(values.type):
            raise InvalidInput(
                f"{column} has values of type {values.type}: name a column of texts, truths, "
                "numbers or times, or a field of a structure, as column.field.",
                column=column,
            )
        if types.is_floating(values.type):
            values, is_nan = _without_nan(values)
            nan.append(is_nan)
        kept.add(values)
    distinct, code = kept.ordered()
    if nan:
        code[np.concatenate(nan)] = NAN
    return ColumnValues(
        path=path, distinct=distinct, code=code, are_ordered=is_ordered(distinct.type)
    )


def _without_nan(values: pa.Array) -> tuple[pa.Array, Array]:
    """Floating numbers with null for NaN, and 0 for -0, which equals it; where NaN was."""
    numbers = values.to_numpy(zero_copy_only=False)  # null is NaN
    known = np.asarray(values.is_valid())
    is_nan = np.isnan(numbers) & known
    kept = pa.array(numbers + numbers.dtype.type(0), values.type, mask=~known | is_nan)
    return kept, is_nan


class KeptValues:
    """The distinct values of a column that is read some at a time, in a room of some bytes."""

    def __init__(self, column: str, room: int) -> None:
        self._column = column
        self._room = room
        self._parts: list[pa.DictionaryArray] = []
        self._n_bytes = 0

    def add(self, values: pa.Array) -> None:
        """Take in the next values. Raises `InvalidInput` where too many are distinct."""
        if types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        self._parts.append(values.dictionary_encode())
        self._n_bytes += self._parts[-1].dictionary.nbytes
        if self._n_bytes > self._room:
            self._join()
            if 2 * self._n_bytes > self._room:  # else it would be joined again too soon
                raise InvalidInput(
                    f"{self._column} has too many different values to count documents by: they "
                    f"take more than {self._room >> 21} MiB. Name a column that has fewer.",
                    column=self._column,
                )

    def ordered(self) -> tuple[pa.Array, Array]:
        """The distinct values, ascending, and which of these each is, int32; `MISSING` for null."""
        self._join()
        distinct = self._parts[0].dictionary
        order = np.asarray(pc.sort_indices(distinct))
        place = np.full(len(order) + 1, MISSING, np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        indices = (part.indices.fill_null(len(order)) for part in self._parts)
        code = np.concatenate([place[np.asarray(each)] for each in indices])
        return distinct.take(pa.array(order)), code

    def _join(self) -> None:
        """Give all parts the same dictionary."""
        self._parts = pa.chunked_array(self._parts).unify_dictionaries().chunks
        self._n_bytes = self._parts[0].dictionary.nbytes


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
