"""Vectors in Parquet files and Arrow tables: in columns of lists, of maps, or of structs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from saelake.store.errors import CorpusError
from saelake.store.format.lists import Array
from saelake.store.format.schema import Unit
from saelake.workers.corpus.source import CorpusPart
from saelake.workers.corpus.types import id_texts, is_id
from saelake.workers.outside.columns import (
    END,
    POSITION,
    START,
    TOKEN_ID,
    AskedColumns,
    VectorColumns,
)
from saelake.workers.outside.keys import Keys
from saelake.workers.outside.mappings import MappingReader
from saelake.workers.outside.rows import UnitPlaces, VectorRows, Where


@dataclass(slots=True, kw_only=True)
class TableVectors:
    """Vectors in tables (a `VectorSource`)."""

    name: str
    parts: Sequence[CorpusPart]
    asked: AskedColumns
    width: int | None = None
    unit: Unit | None = None
    token_names: list[str] = field(default_factory=list)

    def rows(self, keys: Keys, unit: Unit) -> Iterator[VectorRows]:
        """See `VectorSource`."""
        for part in self.parts:
            first = 0
            for batch in part.batches(part.schema()):
                if batch.num_rows:
                    yield _TableRows(part.name, first, batch).vectors(self.asked, unit, keys)
                first += batch.num_rows


@dataclass(frozen=True, slots=True)
class _TableRows:
    """Neighbouring rows of a table, the first of which has that number."""

    name: str
    first: int
    rows: pa.RecordBatch

    def vectors(self, asked: AskedColumns, unit: Unit, keys: Keys) -> VectorRows:
        """The vectors in them."""
        columns = VectorColumns.choose(self.rows.schema.names, asked, unit, self.name)
        if columns.vector is not None and not _is_map(self.rows[columns.vector].type):
            return self._of_mappings(columns, asked, unit, keys)
        offsets, key, value = self._entries(columns, keys)
        ids = self._ids(columns.id)
        left = [n for n in self.rows.schema.names if n not in columns.of_vectors]
        others = self.rows.select(left)
        at = others.schema.get_field_index(columns.id)
        others = others.set_column(at, columns.id, pa.array(ids, pa.string()))
        is_whole = unit == "document"
        return VectorRows(
            ids=ids,
            offsets=offsets,
            key=key,
            value=value,
            where=self._where,
            places=self._places() if columns.has_places else None,
            documents=others if is_whole else None,
            left=() if is_whole else [name for name in left if name != columns.id],
        )

    @property
    def _where(self) -> Where:
        return lambda row: f"{self.name}, row {self.first + row}"

    def _of_mappings(
        self, columns: VectorColumns, asked: AskedColumns, unit: Unit, keys: Keys
    ) -> VectorRows:
        """Of structs, which have a field for every feature that any row has."""
        mappings = self.rows.to_pylist()
        for row in mappings:
            vector = row[columns.vector]
            if isinstance(vector, dict):
                row[columns.vector] = {k: v for k, v in vector.items() if v is not None}
        reader = MappingReader(self.name, asked, unit)
        return reader.read(mappings, keys, self.first, "row")

    def _ids(self, column: str) -> list[str]:
        stored = self.rows[column]
        if not is_id(stored.type):
            raise CorpusError(
                f"The column {column!r} of {self.name} has type {stored.type}; ids are text or "
                "numbers. Choose another with --id-column.",
                column=column,
            )
        found: list[str] = id_texts(stored).to_pylist()
        for row, own in enumerate(found):
            if own is None or not own.strip():
                raise CorpusError(f"{self._where(row)}: the id is missing.")
        return found

    def _entries(self, columns: VectorColumns, keys: Keys) -> tuple[Array, Array, Array]:
        """Where each row's entries begin, their keys, and their values."""
        if columns.vector is not None:
            stored = self.rows[columns.vector]
            self._check_whole(columns.vector, stored)
            offsets = np.asarray(stored.offsets).astype(np.int64)
            span = slice(int(offsets[0]), int(offsets[-1]))
            keyed, valued = stored.keys[span], stored.items[span]
            return offsets - offsets[0], self._keys(keyed, keys), self._values(valued)
        assert columns.pair is not None
        features, values = (self._list(name) for name in columns.pair)
        uneven = np.flatnonzero(
            np.asarray(pc.list_value_length(features)) != np.asarray(pc.list_value_length(values))
        )
        if len(uneven):
            raise CorpusError(
                f"{self._where(int(uneven[0]))}: {columns.pair[0]!r} and {columns.pair[1]!r} are "
                "lists of different lengths."
            )
        lengths = np.asarray(pc.list_value_length(features)).astype(np.int64)
        offsets = np.append(0, np.cumsum(lengths))
        return offsets, self._keys(features.flatten(), keys), self._values(values.flatten())

    def _list(self, name: str) -> pa.Array:
        stored = self.rows[name]
        kind = stored.type
        if not (types.is_list(kind) or types.is_large_list(kind)):
            raise CorpusError(
                f"The column {name!r} of {self.name} has type {kind}, and is to be of lists.",
                column=name,
            )
        self._check_whole(name, stored)
        return stored

    def _check_whole(self, name: str, stored: pa.Array) -> None:
        if stored.null_count:
            row = int(np.flatnonzero(np.asarray(stored.is_null()))[0])
            raise CorpusError(f"{self._where(row)}: {name!r} is missing.")

    def _keys(self, stored: pa.Array, keys: Keys) -> Array:
        if types.is_dictionary(stored.type):
            stored = stored.dictionary_decode()
        if stored.null_count:
            raise CorpusError(f"{self._where(0)} or after: a feature is missing.")
        if types.is_string(stored.type) or types.is_large_string(stored.type):
            return keys.of_names(stored.to_pylist())
        if not types.is_integer(stored.type):
            raise CorpusError(
                f"{self.name}: features are {stored.type}; these are whole numbers or names."
            )
        try:
            return keys.of_numbers(np.asarray(stored))
        except CorpusError as error:
            raise CorpusError(f"{self._where(0)} or after: {error}") from error

    def _values(self, stored: pa.Array) -> Array:
        if not (types.is_floating(stored.type) or types.is_integer(stored.type)):
            raise CorpusError(f"{self.name}: values are {stored.type}, and are to be numbers.")
        return np.asarray(stored.cast(pa.float64(), safe=False).fill_null(np.nan))

    def _places(self) -> UnitPlaces:
        names = self.rows.schema.names
        return UnitPlaces(
            start=self._whole(START),
            end=self._whole(END),
            position=self._whole(POSITION) if POSITION in names else None,
            token_id=self._whole(TOKEN_ID) if TOKEN_ID in names else None,
        )

    def _whole(self, name: str) -> Array:
        stored = self.rows[name]
        if not types.is_integer(stored.type):
            raise CorpusError(
                f"The column {name!r} of {self.name} has type {stored.type}, and is to be of whole "
                "numbers.",
                column=name,
            )
        self._check_whole(name, stored)
        found = np.asarray(stored).astype(np.int64)
        bad = np.flatnonzero((found < 0) | (found >= 1 << 31))
        if len(bad):
            row = int(bad[0])
            raise CorpusError(
                f"{self._where(row)}: {name!r} is {found[row]}, and is a whole number from 0 on."
            )
        return found


def _is_map(kind: pa.DataType) -> bool:
    return bool(types.is_map(kind))
