"""Documents that were sent to a server: an Arrow stream in a file, as a source of an import.

Nothing of it is believed: it may be any bytes. See `ImportCommand` for the columns.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from saelake.store.documents.fitting import check_column_names
from saelake.store.documents.imports import SourceBatch
from saelake.store.errors import CorpusError
from saelake.store.format.lists import runs
from saelake.store.format.schema import RESERVED_COLUMNS
from saelake.store.format.streams import sent_batches, sent_schema
from saelake.store.requests.checks import LARGEST_NUMBER
from saelake.store.requests.commands.documents import FILE, ROW

PLACE = pa.schema([pa.field(FILE, pa.string()), pa.field(ROW, pa.uint64())])
OWN = pa.schema([pa.field("id", pa.string()), pa.field("text", pa.string()), *PLACE])
_PLAIN: tuple[Callable[[pa.DataType], bool], ...] = (
    types.is_null,
    types.is_boolean,
    types.is_integer,
    types.is_floating,
    types.is_string,
    types.is_binary,
    types.is_temporal,
    types.is_decimal128,
    types.is_decimal256,
)


class SentDocuments:
    """The rows in a file, named as the sender said."""

    def __init__(self, path: Path, name: str, *, generated_ids: bool) -> None:
        self._path = path
        self._generated_ids = generated_ids
        self._name = name
        with _Understood(name):
            self._schema = sent_schema(path)
        _check_columns(self._schema, name)

    @property
    def name(self) -> str:
        """What people call the source."""
        return self._name

    @property
    def generated_ids(self) -> bool:
        """Whether ids were made from file names and row numbers."""
        return self._generated_ids

    @property
    def schema(self) -> pa.Schema:
        """The metadata columns."""
        return pa.schema([field for field in self._schema if field.name not in OWN.names])

    def batches(self) -> Iterator[SourceBatch]:
        """The rows, in order. Raises `CorpusError`."""
        with _Understood(self._name):
            for batch in sent_batches(self._path):
                yield from _placed(batch)


class _Understood:
    """A context in which what is no Arrow stream is a `CorpusError`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, pa.ArrowException | OSError | EOFError):
            raise CorpusError(
                f"What was sent of {self._name} is no Arrow stream of documents.",
                source=self._name,
            ) from error


def _check_columns(schema: pa.Schema, name: str) -> None:
    """Raise `CorpusError` for columns that cannot be those of documents."""
    check_column_names(f"What was sent of {name}", schema)
    for field in OWN:
        found = schema.field(field.name) if schema.names.count(field.name) == 1 else None
        if found is None or found.type != field.type:
            raise CorpusError(
                f"What was sent of {name} must have one column {field.name} of type {field.type}.",
                source=name,
            )
    taken = {*RESERVED_COLUMNS} - {"id", "text"}
    for field in schema:
        if schema.names.count(field.name) > 1 or field.name in taken or not _is_stored(field.type):
            raise CorpusError(
                f"What was sent of {name} has a column {field.name!r} ({field.type}) that no "
                "corpus can have.",
                source=name,
                column=field.name,
            )


def _check_rows(numbers: pa.Array) -> None:
    """Raise `CorpusError` for numbers of rows that no file has."""
    if (pc.max(numbers).as_py() or 0) > LARGEST_NUMBER - len(numbers):
        raise CorpusError("What was sent has a row with a number that no file has so many of.")


def _is_stored(kind: pa.DataType) -> bool:
    """Whether a corpus has columns of this type."""
    if types.is_list(kind):
        return _is_stored(kind.value_type)
    if types.is_fixed_size_list(kind):
        return bool(types.is_primitive(kind.value_type))
    if types.is_struct(kind):
        fields = [kind.field(i).type for i in range(kind.num_fields)]
        return bool(fields) and all(map(_is_stored, fields))
    return any(is_kind(kind) for is_kind in _PLAIN) and not types.is_interval(kind)


def _placed(batch: pa.RecordBatch) -> Iterator[SourceBatch]:
    """The batch in runs of neighbouring rows of one file."""
    _check_rows(batch[ROW])
    files = batch[FILE].fill_null("").dictionary_encode()
    index, rows = files.indices.to_numpy(), batch[ROW].fill_null(0).to_numpy()
    own = batch.drop_columns([FILE, ROW])
    steps = rows.astype(np.int64) - np.arange(len(rows)) + (index.astype(np.int64) << 40)
    bounds = [*runs(steps).tolist(), len(rows)]
    for begin, end in pairwise(bounds):
        named = files.dictionary[int(index[begin])].cast(pa.binary()).as_py()
        yield SourceBatch(
            file=named.decode(errors="replace"),
            first_row=int(rows[begin]),
            rows=own.slice(begin, end - begin),
        )
