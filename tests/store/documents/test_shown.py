"""Columns that are kept in memory are those of the files."""

import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from saelake.store.documents.shown import ShownColumns
from saelake.store.tables.changes import Change, Draft
from saelake.store.tables.tables import Table

SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string()), ("rating", pa.int32())])
DOCS = np.array([5, 2, 2, 7], np.uint64)


def added(table: Table, draft: Draft) -> Table:
    return table.commit(lambda _: Change(add=draft))


@pytest.fixture
def table(tmp_path: Path) -> Table:
    found = Table.open_or_create(str(tmp_path / "d.lance"), SCHEMA)
    rows = [{"id": f"d{i}", "text": f"text {i}", "rating": i if i % 2 else None} for i in range(9)]
    for part in (rows[:4], rows[4:]):
        draft = found.write([pa.RecordBatch.from_pylist(part, schema=SCHEMA)])
        found = added(found, draft)
    return found


def patiently(shown: ShownColumns) -> pa.Table | None:
    """What is kept, after so many questions that it is."""
    for _ in range(PATIENCE + 1):
        shown.take(DOCS, ["id"])
    for _ in range(500):
        if shown._reading is not None and shown._reading.done():
            break
        time.sleep(0.01)
    return shown._held()


@pytest.mark.parametrize("columns", [["rating", "text", "id"], ["id"], ["text"], ["id", "rating"]])
def test_what_is_kept_is_what_is_stored(table: Table, columns: list[str]) -> None:
    shown = ShownColumns(table, ["id", "rating"])
    read = shown.take(DOCS, columns)
    assert patiently(shown) is not None
    kept = shown.take(DOCS, columns)
    assert kept.schema == read.schema
    assert kept.to_pylist() == read.to_pylist() == table.take(DOCS.tolist(), columns).to_pylist()


def test_one_question_reads_only_what_it_shows(table: Table) -> None:
    shown = ShownColumns(table, ["id", "rating"])
    for _ in range(PATIENCE):
        shown.take(DOCS, ["id", "text"])
    shown.take(DOCS, ["text"])
    assert shown._reading is None


def test_columns_that_are_too_large_are_not_kept(table: Table) -> None:
    shown = ShownColumns(table, ["id", "rating"], size_bytes=50)
    assert patiently(shown) is None
    assert shown.take(DOCS, ["id"])["id"].to_pylist() == ["d5", "d2", "d2", "d7"]
