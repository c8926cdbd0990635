"""Vectors as the rows of a sparse matrix in SciPy's CSR form, in memory or in an .npz file."""

import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import PurePosixPath
from typing import IO, Any, Protocol

import numpy as np

from saelake.store.errors import CorpusError, InvalidInput
from saelake.store.format.lists import Array
from saelake.store.format.schema import Unit
from saelake.workers.corpus.files import File
from saelake.workers.corpus.source import unreadable
from saelake.workers.outside.keys import Keys
from saelake.workers.outside.rows import VectorRows

ENTRIES_AT_ONCE, ROWS_AT_ONCE = 1 << 20, 1 << 14
BROKEN = (zipfile.BadZipFile, KeyError, ValueError, EOFError)
Span = tuple[Array, Array]  # of some neighbouring entries the columns, and the values


class Matrix(Protocol):
    """A matrix: `indptr` int64 (n_rows + 1,), how many columns, and of which id each row is.

    `ids` is None where it does not say. Columns of poles are told apart by `poles`: the feature
    of each column, and the sign of what stands in it.
    """

    indptr: Array
    n_columns: int
    ids: Sequence[str] | None
    poles: Span | None

    def spans(self, bounds: Sequence[int]) -> Iterator[Span]:
        """The entries between one of these bounds, ascending, and the next."""


@dataclass(slots=True, kw_only=True)
class MatrixVectors:
    """The rows of a matrix, each of the document of that id (a `VectorSource`)."""

    name: str
    matrix: Matrix
    ids: Sequence[str]
    unit: Unit | None = "document"
    token_names: list[str] = field(default_factory=list)

    @property
    def width(self) -> int | None:
        """How many features it has."""
        n_columns = self.matrix.n_columns
        return n_columns if self.matrix.poles is None else n_columns // 2

    def rows(self, keys: Keys, _: Unit, /) -> Iterator[VectorRows]:
        """See `VectorSource`."""
        ends = self.matrix.indptr
        bounds = _row_bounds(ends)
        spans = self.matrix.spans([int(ends[row]) for row in bounds])
        for (first, last), (column, value) in zip(pairwise(bounds), spans, strict=True):
            yield self._rows(first, last, column, value, keys)

    def _rows(self, first: int, last: int, column: Array, value: Array, keys: Keys) -> VectorRows:
        def where(row: int) -> str:
            return f"{self.name}, row {first + row}"

        n_columns = self.matrix.n_columns
        if len(column) and not 0 <= column.min() <= column.max() < n_columns:
            raise CorpusError(f"{where(0)} or after: a column is none of the {n_columns:,}.")
        if self.matrix.poles is not None:
            feature, sign = self.matrix.poles
            column, value = feature[column], value * sign[column]
        ends = self.matrix.indptr
        return VectorRows(
            ids=list(self.ids[first:last]),
            offsets=ends[first : last + 1] - ends[first],
            key=keys.of_numbers(column.astype(np.int64)),
            value=value.astype(np.float64),
            where=where,
        )


def _row_bounds(ends: Array) -> list[int]:
    """Rows at which reading may stop: between two are about a million entries, or one row."""
    bounds = [0]
    while (first := bounds[-1]) < len(ends) - 1:
        most = int(np.searchsorted(ends, ends[first] + ENTRIES_AT_ONCE, side="right")) - 1
        bounds.append(min(max(most, first + 1), first + ROWS_AT_ONCE, len(ends) - 1))
    return bounds


@dataclass(slots=True, kw_only=True)
class HeldMatrix:
    """A matrix in memory, as SciPy has it (a `Matrix`)."""

    indptr: Array
    indices: Array
    data: Array
    n_columns: int
    ids: Sequence[str] | None = None
    poles: Span | None = None

    @classmethod
    def of(cls, given: Any) -> "HeldMatrix":
        """What a SciPy matrix or array of any sparse form has."""
        csr = given.tocsr()
        if len(csr.shape) != 2:
            raise InvalidInput("A matrix has rows and columns: this one has not.")
        return cls(
            indptr=_ascending(csr.indptr, len(csr.indices), "the matrix"),
            indices=csr.indices,
            data=csr.data,
            n_columns=int(csr.shape[1]),
        )

    def spans(self, bounds: Sequence[int]) -> Iterator[Span]:
        """See `Matrix`."""
        for begin, end in pairwise(bounds):
            yield self.indices[begin:end], self.data[begin:end]


@dataclass(slots=True, kw_only=True)
class StoredMatrix:
    """A matrix in an .npz file, of which a part at a time is read (a `Matrix`)."""

    file: File
    indptr: Array
    n_columns: int
    ids: Sequence[str] | None
    poles: Span | None

    @classmethod
    def open(cls, file: File) -> "StoredMatrix":
        """What `scipy.sparse.save_npz` or `export --embeddings` wrote. Raises `CorpusError`."""
        with _npz(file) as archive:
            names = {PurePosixPath(name).stem for name in archive.namelist()}
            if not {"indptr", "indices", "data", "shape", "format"} <= names:
                raise CorpusError(
                    f"{file.name} is no sparse matrix as scipy.sparse.save_npz writes it.",
                    file=file.name,
                )
            kind = _whole(archive, "format").item()
            if kind not in (b"csr", "csr"):
                said = kind.decode() if isinstance(kind, bytes) else kind
                raise CorpusError(
                    f"{file.name} is a matrix in the form {said}: save it as CSR (.tocsr()).",
                    file=file.name,
                )
            n_rows, n_columns = _whole(archive, "shape").tolist()
            indptr = _ascending(
                _whole(archive, "indptr"), _StoredArray(archive, "data").n, file.name
            )
            if len(indptr) != n_rows + 1:
                raise CorpusError(f"{file.name} is damaged: it has not as many rows as it says.")
            poles = None
            if {"feature", "sign"} <= names:
                poles = _whole(archive, "feature"), _whole(archive, "sign")
            ids = _whole(archive, "ids").tolist() if "ids" in names else None
        return cls(
            file=file,
            indptr=indptr,
            n_columns=int(n_columns),
            ids=None if ids is None else [str(own) for own in ids],
            poles=poles,
        )

    def spans(self, bounds: Sequence[int]) -> Iterator[Span]:
        """See `Matrix`."""
        with _npz(self.file) as first, _npz(self.file) as second:
            indices, data = _StoredArray(first, "indices"), _StoredArray(second, "data")
            for begin, end in pairwise(bounds):
                yield indices.read(end - begin), data.read(end - begin)


class _npz:  # noqa: N801  # used as a function
    """The archive in a file, in which what is broken is a `CorpusError`. A context manager."""

    def __init__(self, file: File) -> None:
        self._file = file

    def __enter__(self) -> zipfile.ZipFile:
        with unreadable(self._file.name):
            try:
                self._npz = zipfile.ZipFile(self._file.random_access())
            except BROKEN as error:
                raise self._broken(error) from error
        return self._npz

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._npz.close()
        if isinstance(error, BROKEN) and not isinstance(error, CorpusError):
            raise self._broken(error) from error

    def _broken(self, error: BaseException) -> CorpusError:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return CorpusError(
            f"{self._file.name} cannot be read as an .npz file: {reason}.", file=self._file.name
        )


class _StoredArray:
    """An array of an archive, read from its beginning on. Arrays of objects are refused."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self._entry: IO[bytes] = archive.open(f"{name}.npy")
        version = np.lib.format.read_magic(self._entry)
        read = np.lib.format.read_array_header_1_0
        read = read if version == (1, 0) else np.lib.format.read_array_header_2_0
        self.shape, _, self._dtype = read(self._entry)
        if self._dtype.hasobject:
            raise ValueError(f"the array {name} has objects of Python, which are not read")

    @property
    def n(self) -> int:
        """How many values there are."""
        return int(np.prod(self.shape, dtype=np.int64))

    def read(self, n: int) -> Array:
        """The next so many values."""
        data = self._entry.read(n * self._dtype.itemsize)
        if len(data) < n * self._dtype.itemsize:
            raise EOFError("an array ends too early")
        return np.frombuffer(data, self._dtype)


def _whole(archive: zipfile.ZipFile, name: str) -> Array:
    array = _StoredArray(archive, name)
    return array.read(array.n).reshape(array.shape)


def _ascending(indptr: Array, n_entries: int, name: str) -> Array:
    """Where rows begin, int64, if that can be."""
    found = indptr.astype(np.int64)
    if len(found) == 0 or found[0] != 0 or found[-1] != n_entries or (np.diff(found) < 0).any():
        raise CorpusError(f"{name} is damaged: where its rows begin does not fit its entries.")
    return found
