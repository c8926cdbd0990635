"""How kept activations are best stored: bytes, and how fast they are written and read.

The same random vectors are written in every candidate layout. The outcome is
docs/decisions/011-activations.md; `python -m benchmarks activations` runs this first.
"""

from collections.abc import Iterator
from pathlib import Path

import lance
import numpy as np
import pyarrow as pa

from benchmarks.common.measure import elapsed_s
from benchmarks.common.report import Cell, Table
from saelake.store.tables.drafts import STORAGE_VERSION

ROUNDS = 3
DOCUMENTS_TAKEN = 64


def layouts_table(folder: Path, n_tokens: int, length: int, width: int) -> Table:
    """The layouts, of `n_tokens` vectors of this width in documents of this length."""
    rows = [_laid_out(folder, *each) for each in layouts(n_tokens, length, width)]
    return Table(title=f"{n_tokens:,} tokens of {width} float16, {length} a document", rows=rows)


def layouts(n: int, length: int, width: int) -> Iterator[tuple[str, pa.Table, int]]:
    """The layouts: a name, a table, and how many of its rows a document has."""
    values = pa.array(np.random.default_rng(0).standard_normal(n * width).astype(np.float16))
    vectors = pa.FixedSizeListArray.from_arrays(values, width)
    starts = pa.array(np.arange(0, n + 1, length), pa.int32())
    flat = pa.array(np.arange(0, n + 1, length) * width, pa.int32())
    position = pa.array(np.tile(np.arange(length), n // length), pa.uint32())
    doc = np.arange(n // length, dtype=np.uint64)
    names = ["doc", "position", "vector"]
    by_token = [pa.array(np.repeat(doc, length)), position, vectors]
    yield "a row a token", pa.table(by_token, names=names), length
    positions = pa.ListArray.from_arrays(starts, position)
    listed = pa.ListArray.from_arrays(starts, vectors)
    yield "a row a document, vectors", pa.table([doc, positions, listed], names=names), 1
    numbers = pa.ListArray.from_arrays(flat, values)
    yield "a row a document, numbers", pa.table([doc, positions, numbers], names=names), 1


def _laid_out(folder: Path, name: str, table: pa.Table, rows: int) -> dict[str, Cell]:
    uri = str(folder / f"{name}.lance")
    written = elapsed_s(
        lambda: lance.write_dataset(table, uri, data_storage_version=STORAGE_VERSION)
    )
    dataset = lance.dataset(uri)
    n_bytes = sum(path.stat().st_size for path in Path(uri).rglob("*.lance"))
    n_tokens = len(table) if rows > 1 else len(table["position"].combine_chunks().values)
    payload = table["vector"].nbytes
    chosen = np.random.default_rng(1).choice(n_tokens // _length(table, rows), DOCUMENTS_TAKEN)
    taken = [row for doc in chosen.tolist() for row in range(doc * rows, (doc + 1) * rows)]
    scanned = min(elapsed_s(lambda: _scan(dataset)) for _ in range(ROUNDS))
    took = min(elapsed_s(lambda: dataset.take(taken)) for _ in range(ROUNDS))
    return {
        "layout": name,
        "bytes, of 2 × width": n_bytes / payload,
        "write MB/s": payload / written / 1e6,
        "scan MB/s": payload / scanned / 1e6,
        f"take {DOCUMENTS_TAKEN} documents, ms": 1e3 * took,
    }


def _length(table: pa.Table, rows: int) -> int:
    """The tokens of a document."""
    return rows if rows > 1 else len(table["position"][0])


def _scan(dataset: lance.LanceDataset) -> None:
    for _ in dataset.to_batches():
        pass
