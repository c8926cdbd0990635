"""How a column of codes is best stored: bytes a value, and how fast it is read.

The columns are those of a real collection, one list a document; every candidate encoding is
written as a Lance table of its own and read whole and 20 rows at a time. The outcome is
docs/decisions/002-values.md.
"""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import lance
import numpy as np
import pyarrow as pa
import typer

from benchmarks.common.measure import elapsed_s
from benchmarks.common.report import Cell, Table, publish
from saelake.store.codes.table import CodesTable
from saelake.store.format.lists import Lists, concatenate
from saelake.store.format.values import value_codec
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.tables.drafts import STORAGE_VERSION
from saelake.store.tables.tables import Table as LakeTable

ROUNDS = 5
TAKES = 30
COLUMNS = ("features", "counts", "positions", "values")
ZSTD = {"lance-encoding:compression": "zstd"}
FULLZIP = {"lance-encoding:structural-encoding": "fullzip"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One way to store a column: its lists, and what Lance is told about their encoding."""

    name: str
    lists: Lists
    encoding: dict[str, str]


def main(
    lake: Annotated[str, typer.Option(help="The lake with real codes.")],
    collection: Annotated[str, typer.Option(help="Its collection: corpus/dictionary.")],
    documents: Annotated[int, typer.Option(help="How many of its documents to read.")] = 1500,
) -> None:
    """Bytes a value and read times of candidate encodings of the columns of a collection."""
    codes = CodesTable(LakeTable.open(Lake(lake).codes(CollectionName.parse(collection))))
    columns = read(codes, documents)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for candidate in candidates(codes, columns):
            uri = write(Path(folder), candidate)
            rows.append({"column": candidate.name, **measured(uri, candidate.lists)})
    n_codes = len(columns["values"].values)
    facts: dict[str, Cell] = {"collection": collection, "codes": n_codes}
    publish("columns", [Table(title=f"{n_codes:,} codes of {collection}", rows=rows)], facts=facts)


def read(codes: CodesTable, n_documents: int) -> dict[str, Lists]:
    """The list columns of the first documents."""
    batches: list[pa.RecordBatch] = []
    for batch in codes.table.scan(COLUMNS):
        batches.append(batch)
        if sum(b.num_rows for b in batches) >= n_documents:
            break
    return {name: _joined([Lists.of(batch[name]) for batch in batches]) for name in COLUMNS}


def _joined(pieces: list[Lists]) -> Lists:
    lengths = np.concatenate([piece.lengths for piece in pieces])
    values = concatenate((piece.values for piece in pieces), pieces[0].values.dtype)
    return Lists(np.append(0, np.cumsum(lengths)), values)


def candidates(codes: CodesTable, columns: dict[str, Lists]) -> Iterator[Candidate]:
    """Every candidate, a column after the other."""
    stored, positions = columns["values"], columns["positions"]
    values = codes.codec.decode(stored.values)

    def candidate(name: str, lists: Lists, **encoding: str) -> Candidate:
        return Candidate(name=name, lists=lists, encoding=encoding)

    bits16 = Lists(stored.offsets, value_codec("16-bit", signed=False).encode(values))
    bits8 = Lists(stored.offsets, value_codec("8-bit", signed=False).encode(values))
    yield candidate("values float16", Lists(stored.offsets, values.astype(np.float16)))
    yield candidate("values float32 of 10 bits, zstd", Lists(stored.offsets, values), **ZSTD)
    yield candidate("values 16-bit", bits16)
    yield candidate("values 16-bit, zstd", bits16, **ZSTD)
    yield candidate("values 16-bit, fullzip", bits16, **FULLZIP)
    yield candidate("values 8-bit", bits8)
    yield candidate("positions", positions)
    yield candidate("positions, zstd", positions, **ZSTD)
    yield candidate("features", columns["features"])
    yield candidate("features as gaps", _gaps(columns["features"]))
    yield candidate("counts", columns["counts"])


def _gaps(lists: Lists) -> Lists:
    gaps = np.diff(lists.values.astype(np.int64), prepend=0)
    heads = lists.offsets[:-1][lists.lengths > 0]
    gaps[heads] = lists.values[heads]
    return Lists(lists.offsets, gaps.astype(np.uint32))


def write(folder: Path, candidate: Candidate) -> str:
    """Write one candidate as a table of one column; its address."""
    lists, encoding = candidate.lists, candidate.encoding
    dtype = pa.from_numpy_dtype(lists.values.dtype)
    item = pa.field("item", dtype, nullable=False, metadata=encoding)
    field = pa.field("v", pa.list_(item), metadata=encoding)
    column = pa.ListArray.from_arrays(
        pa.array(lists.offsets, pa.int32()), pa.array(lists.values), type=field.type
    )
    table = pa.Table.from_arrays([column], schema=pa.schema([field]))
    uri = str(folder / f"{candidate.name}.lance")
    lance.write_dataset(table, uri, data_storage_version=STORAGE_VERSION)
    return uri


def measured(uri: str, lists: Lists) -> dict[str, Any]:
    """Bytes a value, seconds of a whole read, milliseconds of taking 20 rows."""
    size = sum(path.stat().st_size for path in Path(uri).rglob("*.lance"))
    dataset = lance.dataset(uri)
    rows = np.random.default_rng(0)
    takes = [np.sort(rows.choice(len(lists.lengths), 20)).tolist() for _ in range(TAKES)]
    return {
        "bytes a value": size / len(lists.values),
        "read, s": float(np.median([elapsed_s(dataset.to_table) for _ in range(ROUNDS)])),
        "take 20 rows, ms": 1e3 * float(np.median([_take_s(dataset, some) for some in takes])),
    }


def _take_s(dataset: lance.LanceDataset, rows: list[int]) -> float:
    return elapsed_s(lambda: dataset.take(rows))
