"""Rows as mappings, from JSON lines or from Python, as vectors."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from numbers import Integral, Real
from typing import Any

import numpy as np

from saelake.store.errors import CorpusError
from saelake.store.format.lists import Array
from saelake.store.format.schema import Unit
from saelake.workers.corpus.spooled import batch_of
from saelake.workers.outside.columns import (
    END,
    POSITION,
    START,
    TOKEN_ID,
    AskedColumns,
    VectorColumns,
)
from saelake.workers.outside.keys import Keys
from saelake.workers.outside.rows import UnitPlaces, VectorRows, Where

ROWS = 1024
MOST_ENTRIES = 1 << 20  # of the rows that are read at once
PLAIN = {int, float}

Entries = tuple[Sequence[Any], Sequence[Any]]  # of a row: features, and their values


@dataclass(slots=True, kw_only=True)
class MappingVectors:
    """Vectors as mappings in Python, `{"id": …, "vector": {feature: value}}` (a `VectorSource`)."""

    name: str
    mappings: Iterable[Mapping[str, Any]]
    asked: AskedColumns
    width: int | None = None
    unit: Unit | None = None
    token_names: list[str] = field(default_factory=list)

    def rows(self, keys: Keys, unit: Unit) -> Iterator[VectorRows]:
        """See `VectorSource`."""
        reader = MappingReader(self.name, self.asked, unit)
        iterator, first = iter(self.mappings), 0
        while some := list(islice(iterator, ROWS)):
            yield reader.read(some, keys, first, "row")
            first += len(some)


class MappingReader:
    """Reads mappings of one source, which have their columns from the first on."""

    def __init__(self, name: str, asked: AskedColumns, unit: Unit) -> None:
        self._name, self._asked, self._unit = name, asked, unit
        self._columns: VectorColumns | None = None

    def read(
        self, mappings: Sequence[Mapping[str, Any]], keys: Keys, first: int, counted: str
    ) -> VectorRows:
        """The vectors of some rows, which are `counted` (row or line) from `first` on."""

        def where(row: int) -> str:
            return f"{self._name}, {counted} {first + row}"

        names = dict.fromkeys(str(key) for row in _mappings(mappings, where) for key in row)
        if self._columns is None or not set(self._known()) <= set(names):
            self._columns = VectorColumns.choose(names, self._asked, self._unit, self._name)
        columns = self._columns
        entries = [_entries(row, columns, where, i) for i, row in enumerate(mappings)]
        left = {*columns.of_vectors}
        ids = [_id(row.get(columns.id), where, i) for i, row in enumerate(mappings)]
        others = [
            {**{k: v for k, v in row.items() if k not in left}, columns.id: own}
            for row, own in zip(mappings, ids, strict=True)
        ]
        is_whole = self._unit == "document"
        return VectorRows(
            ids=ids,
            offsets=np.append(0, np.cumsum([len(values) for _, values in entries])),
            key=_keys(entries, keys, where),
            value=_values(entries, where),
            where=where,
            places=_places(mappings, where) if columns.has_places else None,
            documents=batch_of(self._name, first, others) if is_whole else None,
            left=() if is_whole else [n for n in names if n not in left | {columns.id}],
        )

    def _known(self) -> Sequence[str]:
        assert self._columns is not None
        found = self._columns
        return [c for c in (found.id, found.vector, *(found.pair or ())) if c is not None]


def _mappings(rows: Sequence[Mapping[str, Any]], where: Where) -> Iterator[Mapping[str, Any]]:
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise CorpusError(
                f"{where(number)}: this is {type(row).__name__}, and a row is a mapping of column "
                "names to values, as {'id': …, 'vector': {…}}."
            )
        yield row


def _entries(row: Mapping[str, Any], columns: VectorColumns, where: Where, at: int) -> Entries:
    """The features and the values of a row."""
    if columns.vector is None:
        assert columns.pair is not None
        named = [row.get(name) for name in columns.pair]
    else:
        vector = row.get(columns.vector)
        if isinstance(vector, Mapping) and set(vector) != {"indices", "values"}:
            return list(vector), list(vector.values())
        if not isinstance(vector, Mapping):
            raise CorpusError(
                f"{where(at)}: {columns.vector!r} is {_kind(vector)}, and a vector is an object of "
                "features and their values, as {'rain': 1.5}, or has 'indices' and 'values'."
            )
        named = [vector["indices"], vector["values"]]
    features, values = (list(n) if n is not None and _is_list(n) else None for n in named)
    if features is None or values is None or len(features) != len(values):
        raise CorpusError(
            f"{where(at)}: features and values are two lists of one length, and these are "
            f"{' and '.join(map(_kind, named))}."
        )
    return features, values


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple | np.ndarray)


def _kind(value: object) -> str:
    if value is None:
        return "missing"
    return f"a list of {len(value)}" if isinstance(value, list | tuple) else type(value).__name__


def _id(value: object, where: Where, at: int) -> str:
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, Integral) and not isinstance(value, bool):
        return str(int(value))
    said = "missing" if value is None else repr(value)
    raise CorpusError(f"{where(at)}: the id is {said}; ids are text, or whole numbers.")


def _keys(entries: Sequence[Entries], keys: Keys, where: Where) -> Array:
    every = [feature for features, _ in entries for feature in features]
    kinds = set(map(type, every))
    if kinds <= {str}:
        return keys.of_names(every)
    for at, (features, _) in enumerate(entries):
        wrong = next((f for f in features if not _is_feature(f)), None)
        if wrong is not None:
            raise CorpusError(
                f"{where(at)}: {wrong!r} is no feature; these are whole numbers or names."
            )
        if len({isinstance(f, str) for f in features}) > 1:
            raise CorpusError(f"{where(at)}: some features have names, and some have numbers.")
        try:
            if features and not isinstance(features[0], str):
                keys.of_numbers(np.array(features, np.int64))
        except (CorpusError, OverflowError) as error:
            raise CorpusError(f"{where(at)}: {error}") from error
    parts = [
        keys.of_names(features)
        if features and isinstance(features[0], str)
        else np.array(features, np.uint32)
        for features, _ in entries
    ]
    return np.concatenate([np.empty(0, np.uint32), *parts])


def _is_feature(value: object) -> bool:
    return isinstance(value, str) or (isinstance(value, Integral) and not isinstance(value, bool))


def _values(entries: Sequence[Entries], where: Where) -> Array:
    every = [value for _, values in entries for value in values]
    if not set(map(type, every)) <= PLAIN:
        for at, (features, values) in enumerate(entries):
            for feature, value in zip(features, values, strict=True):
                if not isinstance(value, Real) or isinstance(value, bool):
                    raise CorpusError(
                        f"{where(at)}: the value of feature {feature!r} is {value!r}, which is no "
                        "number."
                    )
    try:
        return np.array(every, np.float64)
    except OverflowError:  # a whole number of hundreds of digits
        return np.array([_float(value) for value in every], np.float64)


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _places(rows: Sequence[Mapping[str, Any]], where: Where) -> UnitPlaces:
    start, end = (_whole(rows, name, where) for name in (START, END))
    position = _whole(rows, POSITION, where) if any(POSITION in row for row in rows) else None
    token = _whole(rows, TOKEN_ID, where) if any(TOKEN_ID in row for row in rows) else None
    return UnitPlaces(start=start, end=end, position=position, token_id=token)


def _whole(rows: Sequence[Mapping[str, Any]], name: str, where: Where) -> Array:
    """A column of whole numbers from 0 on."""
    for at, row in enumerate(rows):
        value = row.get(name)
        is_whole = isinstance(value, Integral) and not isinstance(value, bool)
        if not is_whole or not 0 <= int(value or 0) < 1 << 31:
            said = "missing" if value is None else repr(value)
            raise CorpusError(f"{where(at)}: {name!r} is {said}, and is a whole number from 0 on.")
    return np.array([int(row[name]) for row in rows], np.int64)
