"""Large values of tables' rows, each in a file of its own, read in parts.

Lance keeps such a value (of an extension type, `lance.blob.v2`) beside the data file of its
fragment, commits it and cleans it up with that. On a disk of this machine the file is opened as it
is, so that it can be mapped; elsewhere Lance reads ranges of it.
"""

import os
import weakref
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from saelake.store.tables.damage import damaged, reading
from saelake.store.tables.files import local_path

_DEDICATED = 2  # the kind of a value that has a file of its own


class Blob:
    """A large value: `size` bytes. It can be read by several threads at once."""

    def __init__(self, uri: str, size: int, path: str | None, handle: Any) -> None:
        self.size = size
        self._uri = uri  # of its table
        self._path = path
        self._handle = handle

    @property
    def is_local(self) -> bool:
        """Whether it is a file of this machine."""
        return self._path is not None

    @cached_property
    def file(self) -> int:
        """The number of the open file, of one of this machine; it is closed with this object."""
        assert self._path is not None
        with reading(self._uri):
            number = os.open(self._path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        weakref.finalize(self, os.close, number)
        return number

    def mapped(self) -> "np.ndarray[Any, np.dtype[np.uint8]]":
        """The bytes as uint8 (size,), of a file of this machine: read when they are looked at.

        What is written to them stays in this process.
        """
        assert self._path is not None
        with reading(self._uri):
            return np.asarray(np.memmap(self._path, np.uint8, "c"))

    def read(self, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        """The bytes from each place on, as many as it says. Raises `Corrupt`."""
        with reading(self._uri):
            if self.is_local:
                found = [os.pread(self.file, size, begin) for begin, size in spans]
            else:
                found = list(self._handle.read_ranges(list(spans)))
        if any(len(part) < size for part, (_, size) in zip(found, spans, strict=True)):
            raise self.cut_short()
        return found

    def cut_short(self) -> Exception:
        """The error that a file has fewer bytes than it had."""
        return damaged(self._uri, EOFError("a file of it is cut short"))


def blobs_of(
    dataset: Any, files: Mapping[int, str], addresses: Sequence[int], column: str
) -> list[Blob]:
    """The values of a column of blobs in the rows at these addresses, none of which is null.

    `files` are the names of the data files of the fragments that they are in.
    """
    if not addresses:
        return []
    uri = str(dataset.uri)
    folder = local_path(uri)
    described = dataset._take_rows(list(addresses), columns=[column])[column].to_pylist()
    places = [
        folder and _path(folder, files[address >> 32], each)
        for address, each in zip(addresses, described, strict=True)
    ]
    handles: Iterable[Any] = [None] * len(addresses)
    if not all(places):
        handles = dataset.take_blobs(column, addresses=list(addresses))
    return [
        Blob(uri, int(each["size"]), place, handle)
        for each, place, handle in zip(described, places, handles, strict=True)
    ]


def _path(folder: str, data_file: str, described: Mapping[str, Any]) -> str | None:
    """Where Lance has put a value; None where that is not as expected, and Lance is to read it."""
    if described["kind"] != _DEDICATED:
        return None
    name = f"{described['blob_id']:032b}"[::-1]
    path = Path(folder) / "data" / data_file.removesuffix(".lance") / f"{name}.blob"
    try:
        return str(path) if path.stat().st_size == described["size"] else None
    except OSError:
        return None


def as_blobs(values: Sequence[bytes], type_: pa.DataType) -> pa.Array:
    """Values as a column of blobs, to be written."""
    storage = getattr(type_, "storage_type", type_)
    data = pa.array(values, storage.field("data").type)
    rest = [pa.nulls(len(values), field.type) for field in storage if field.name != "data"]
    rows = pa.StructArray.from_arrays([data, *rest], fields=list(storage))
    return rows if storage is type_ else pa.ExtensionArray.from_storage(type_, rows)
