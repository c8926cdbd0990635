"""What a column costs that comes after the import: decision 049.

A corpus of short texts in fragments of a million; then values for all documents, and for 512 drawn
at random, as `judge` writes them. Bytes are those of files that a commit wrote.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import typer

from saelake.store.documents.documents import Documents
from saelake.store.format.schema import documents_schema
from saelake.store.growth.annotate import annotate
from saelake.store.lake.lake import Lake
from saelake.store.tables.changes import Change
from saelake.store.tables.drafts import write_first
from saelake.store.tables.tables import Table

ROWS = 65_536
TEXT = "A text of a review that is not long, as most of them are. " * 4


def main(n: Annotated[int, typer.Option(help="Documents.")] = 10_000_000) -> None:
    """Print the bytes and seconds of each step."""
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(folder)
        schema = documents_schema(pa.schema([]))
        draft = write_first(lake.documents("c"), schema, batches(n, schema))
        Table.open_or_create(lake.documents("c"), schema).commit(lambda _: Change(add=draft))
        print(f"{n:,} documents: {written(folder) / 1e6:,.0f} MB")
        random = np.random.default_rng(0)
        everybody = pa.array(np.arange(n, dtype=np.uint64))
        some = pa.array(np.sort(random.choice(n, 512, replace=False)).astype(np.uint64))
        truths = pa.array(random.random(n) < 0.1)
        step(folder, lake, "truths of all, by number", {"doc": everybody, "is_so": truths})
        quotes = pa.array(["some words of the text, as a quote has them"] * 512)
        for which in ("a new truth and quote of 512", "the same of 512 others"):
            values = {"doc": some, "v": pa.array([True] * 512), "v_quote": quotes}
            step(folder, lake, which, values)
            some = pa.array(np.sort(random.choice(n, 512, replace=False)).astype(np.uint64))
        ids = pa.array([f"d{i}" for i in range(0, n, 10)])
        step(folder, lake, "numbers of a tenth, by id", {"id": ids, "n": pa.array(range(len(ids)))})
        begun = time.perf_counter()
        kept = Documents.open(lake, "c").filters.mask("is_so AND n IS NULL")
        assert kept is not None
        print(
            f"a filter over two of them: {time.perf_counter() - begun:.2f} s, {kept.sum():,} kept"
        )


def batches(n: int, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The documents."""
    for first in range(0, n, ROWS):
        numbers = range(first, min(first + ROWS, n))
        columns = [pa.array(numbers, pa.uint64()), [f"d{i}" for i in numbers]]
        texts = [f"{i} {TEXT}" for i in numbers]
        yield pa.record_batch([columns[0], pa.array(columns[1]), pa.array(texts)], schema=schema)


def step(folder: str, lake: Lake, name: str, values: dict[str, pa.Array]) -> None:
    """Set values, and say what that took."""
    before, begun = written(folder), time.perf_counter()
    annotate(lake, "c", pa.table(values))
    seconds, n_bytes = time.perf_counter() - begun, written(folder) - before
    print(f"{name}: {n_bytes / 1e6:,.2f} MB written, {seconds:.1f} s")


def written(folder: str) -> int:
    """The bytes of all files, of earlier states too."""
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())


if __name__ == "__main__":
    typer.run(main)
