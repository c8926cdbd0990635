"""The digest of what is imported, so that a key which was used for other rows is known."""

import hashlib
import json
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from saelake.store.documents.imports import Source, SourceBatch, SourceWidened


class DigestedSource:
    """A source, and the digest of its rows once they were read; in whatever batches they come.

    Where rows are from is not in it: the same file may have moved.
    """

    def __init__(self, source: Source, *more: str) -> None:
        """`more` is digested as well."""
        self._source = source
        self._more = more
        self._columns: dict[str, _Column] = {}

    @property
    def name(self) -> str:
        """See `Source`."""
        return self._source.name

    @property
    def schema(self) -> pa.Schema:
        """See `Source`."""
        return self._source.schema

    @property
    def generated_ids(self) -> bool:
        """See `Source`."""
        return self._source.generated_ids

    def batches(self) -> Iterator[SourceBatch]:
        """See `Source`."""
        self._columns = {}
        for batch in self._source.batches():
            for name in batch.rows.schema.names:
                self._columns.setdefault(name, _Column()).add(batch.rows[name])
            yield batch

    def read(self) -> str:
        """The digest of all rows, which are read for it."""
        while True:
            try:
                for _ in self.batches():
                    pass
            except SourceWidened:
                continue
            return self.digest

    @property
    def digest(self) -> str:
        """The digest of what was read."""
        whole = hashlib.sha256(json.dumps([self.generated_ids, *self._more]).encode())
        for name, column in sorted(self._columns.items()):
            whole.update(json.dumps([name, column.digest]).encode())
        return whole.hexdigest()


class _Column:
    """The values of a column: how long they are (-1: null), and their bytes."""

    def __init__(self) -> None:
        self._lengths, self._values = hashlib.sha256(), hashlib.sha256()

    def add(self, values: pa.Array) -> None:
        data = _as_bytes(values)
        lengths = pc.fill_null(pc.binary_length(data), -1).cast(pa.int64())
        self._lengths.update(lengths.to_numpy(zero_copy_only=False).tobytes())
        self._values.update(b"".join(data.drop_null().to_pylist()))

    @property
    def digest(self) -> list[str]:
        return [self._lengths.hexdigest(), self._values.hexdigest()]


def _as_bytes(values: pa.Array) -> pa.Array:
    """Each value as bytes, of texts their own, which need not be UTF-8."""
    kind = values.type
    if types.is_dictionary(kind):
        return _as_bytes(values.dictionary_decode())
    if any(is_kind(kind) for is_kind in _BYTES):
        return values.cast(pa.large_binary())
    if types.is_temporal(kind) and types.is_primitive(kind) and not types.is_interval(kind):
        return _as_bytes(values.view(pa.int32() if kind.bit_width == 32 else pa.int64()))
    if types.is_integer(kind) or types.is_boolean(kind):
        return values.cast(pa.string()).cast(pa.large_binary())
    told = [repr(_told(value)).encode() if value.is_valid else None for value in values]
    return pa.array(told, pa.large_binary())


_BYTES = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)


def _told(value: pa.Scalar) -> object:
    """A value of Python; those that Python cannot have are all the same."""
    try:
        return value.as_py()
    except UnicodeDecodeError:
        return None
