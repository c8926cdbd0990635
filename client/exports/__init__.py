"""Exports: files that are written beside their place and appear when they are whole."""

import secrets
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from saelake.store.errors import InvalidInput
from saelake.store.labels.delphi import write_delphi
from saelake.store.labels.documents import write_document
from saelake.store.labels.neuronpedia import write_explanations

LabelsForm = Literal["json", "neuronpedia", "delphi"]
Progress = Callable[[int], object] | None
COPY_BYTES = 1 << 20
ROW_GROUP = 1 << 20


@contextmanager
def whole(path: str | PathLike[str]) -> Iterator[Path]:
    """A path to write to, which becomes `path` when the block ends well and is removed else.

    Raises `InvalidInput` when `path` is a folder.
    """
    target = Path(path).expanduser()
    if target.is_dir():
        raise InvalidInput(f"{path} is a folder: name the file to write.", path=path)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        yield partial
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: str | PathLike[str]) -> Iterator[Path]:
    """A folder to write into, which becomes `path` when the block ends well and is removed else.

    Raises `InvalidInput` when there is something at `path`, but for an empty folder.
    """
    target = Path(path).expanduser()
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise InvalidInput(f"{path} is there already: name a new folder to write.", path=path)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as place:
        partial = Path(place) / "whole"
        partial.mkdir()
        yield partial
        partial.replace(target)


def write_labels(
    to: str | PathLike[str],
    rows: Iterable[Mapping[str, Any]],
    *,
    form: LabelsForm = "json",
    source: str,
) -> int:
    """Write labels, as an answer's document has them, in a form; how many.

    `source` is what delphi's module or Neuronpedia's layer is called. Raises `InvalidInput`.
    """
    if "/" in source or source in ("", ".", ".."):
        raise InvalidInput(f"A source cannot be called {source!r}: it is part of a file's name.")
    if form == "delphi":
        with whole_folder(to) as folder:
            return write_delphi(folder, rows, source)
    with whole(to) as partial:
        if form == "json":
            return write_document(partial, rows)
        return write_explanations(partial, rows, source, gzipped=str(to).endswith(".gz"))


def write_codes(
    path: str | PathLike[str], rows: pa.RecordBatchReader, on_progress: Progress = None
) -> int:
    """Stream rows into a Parquet file; how many there are. What a file says is not of a moment."""
    n_rows = 0
    said = {name: text for name, text in (rows.schema.metadata or {}).items() if name != b"state"}
    schema = rows.schema.with_metadata(said or None)
    with whole(path) as partial, pq.ParquetWriter(partial, schema) as writer:
        for batches in _groups(rows):
            writer.write_table(pa.Table.from_batches(batches), row_group_size=ROW_GROUP)
            n_rows += sum(batch.num_rows for batch in batches)
            if on_progress:
                on_progress(n_rows)
    return n_rows


def _groups(rows: pa.RecordBatchReader) -> Iterator[list[pa.RecordBatch]]:
    """The batches, as many together as make a row group."""
    group: list[pa.RecordBatch] = []
    for batch in rows:
        group.append(batch)
        if sum(b.num_rows for b in group) >= ROW_GROUP:
            yield group
            group = []
    if group:
        yield group


def write_embeddings(
    path: str | PathLike[str],
    rows: pa.RecordBatchReader,
    d_sae: int,
    on_progress: Progress = None,
) -> int:
    """Stream SAE embeddings into an .npz that SciPy reads as a CSR matrix; how many rows.

    Of a signed dictionary each pole has a column: of feature f the columns f and d_sae + f. The
    lists go through files beside the target, so that only row ends and ids are in memory.
    """
    is_signed = "poles" in rows.schema.names
    lengths: list[npt.NDArray[np.int64]] = [np.zeros(1, np.int64)]
    ids: list[str] = []
    docs: list[npt.NDArray[np.uint64]] = []
    with whole(path) as partial, tempfile.TemporaryDirectory(dir=partial.parent) as folder:
        indices, data = Path(folder) / "indices", Path(folder) / "data"
        with indices.open("wb") as index_file, data.open("wb") as data_file:
            for batch in rows:
                lengths.append(np.diff(np.asarray(batch["features"].offsets)).astype(np.int64))
                ids += batch["id"].to_pylist()
                docs.append(np.asarray(batch["doc"]))
                column = np.asarray(batch["features"].flatten()).astype(np.int32)
                value = np.asarray(batch["max"].flatten()).astype(np.float32)
                index_file.write((column + d_sae * (value < 0)).astype(np.int32).data)
                data_file.write(np.abs(value).data)
                if on_progress:
                    on_progress(len(ids))
        arrays = {
            "indptr": np.cumsum(np.concatenate(lengths)),
            "format": np.array(b"csr"),
            "shape": np.array([len(ids), 2 * d_sae if is_signed else d_sae], np.int64),
            "ids": np.array(ids, np.str_) if ids else np.empty(0, "U1"),
            "doc": np.concatenate([*docs, np.empty(0, np.uint64)]),
        }
        if is_signed:
            arrays["feature"] = np.tile(np.arange(d_sae, dtype=np.uint32), 2)
            arrays["sign"] = np.repeat(np.array([1, -1], np.int8), d_sae)
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    np.lib.format.write_array(entry, array, allow_pickle=False)
            _copy(archive, "indices", indices, np.dtype(np.int32))
            _copy(archive, "data", data, np.dtype(np.float32))
    return len(ids)


def _copy(archive: zipfile.ZipFile, name: str, source: Path, dtype: np.dtype[np.generic]) -> None:
    """Put raw values from a file into the archive as a one-dimensional array."""
    n_values = source.stat().st_size // dtype.itemsize
    header = {"descr": dtype.str, "fortran_order": False, "shape": (n_values,)}
    with archive.open(f"{name}.npy", "w", force_zip64=True) as entry, source.open("rb") as raw:
        np.lib.format.write_array_header_2_0(entry, header)
        _pour(raw, entry)


def _pour(source: IO[bytes], target: IO[bytes]) -> None:
    while block := source.read(COPY_BYTES):
        target.write(block)
