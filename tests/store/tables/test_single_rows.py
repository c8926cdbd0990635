"""Single rows are those of the table, in the order asked for."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saelake.store.tables.changes import Change, Draft
from saelake.store.tables.tables import Table, address

SCHEMA = pa.schema(
    [
        ("doc", pa.int64()),
        ("word", pa.string()),
        ("list", pa.list_(pa.uint32())),
        ("pair", pa.struct([("a", pa.int32()), ("b", pa.string())])),
    ]
)
COLUMNS = ["pair", "doc", "list", "word"]
SIZES = (5, 1, 7)


def rows(first: int, n: int) -> pa.RecordBatch:
    every = [
        {"doc": i, "word": f"w{i}" if i % 3 else None, "list": [i] * (i % 4), "pair": {"a": i}}
        for i in range(first, first + n)
    ]
    return pa.RecordBatch.from_pylist(every, schema=SCHEMA)


def added(table: Table, draft: Draft) -> Table:
    return table.commit(lambda _: Change(add=draft))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    """A table of several files."""
    found = Table.open_or_create(str(tmp_path_factory.mktemp("rows") / "t.lance"), SCHEMA)
    first = 0
    for n in SIZES:
        draft = found.write([rows(first, n)])
        found = added(found, draft)
        first += n
    return found


@given(wanted=st.lists(st.integers(0, sum(SIZES) - 1), max_size=12))
def test_rows_come_in_the_order_asked_for(table: Table, wanted: list[int]) -> None:
    found = table.take(wanted, COLUMNS)
    whole = rows(0, sum(SIZES)).select(COLUMNS).to_pylist()
    assert found.column_names == COLUMNS
    assert found.to_pylist() == [whole[i] for i in wanted]


@given(wanted=st.lists(st.integers(0, sum(SIZES) - 1), max_size=12))
def test_addresses_name_the_same_rows(table: Table, wanted: list[int]) -> None:
    every = [address(f.id, row) for f in table.fragments for row in range(f.n_rows)]
    found = table.take_addresses([every[i] for i in wanted], ["doc"])
    assert found["doc"].to_pylist() == wanted


def test_rows_are_read_by_several_threads(table: Table) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda i: table.take([4, i % 5, 0], ["doc"])["doc"].to_pylist(), range(60))
    assert list(found) == [[4, i % 5, 0] for i in range(60)]


def test_a_column_that_a_file_lacks_is_null(tmp_path: Path) -> None:
    table = Table.open_or_create(str(tmp_path / "t.lance"), SCHEMA)
    draft = table.write([rows(0, 3)])
    table = table.commit(lambda _: Change(add=draft))
    wider = SCHEMA.append(pa.field("new", pa.string()))
    evolution = table.evolve(wider, lambda array, _: array)
    more = pa.RecordBatch.from_pylist([{"doc": 9, "new": "x"}], schema=wider)
    added = table.write_evolved(evolution, [more])
    table = table.commit(lambda _: Change(add=added, evolution=evolution))
    assert table.take([1, 0], ["new", "doc"]).to_pylist() == [
        {"new": None, "doc": 1},
        {"new": None, "doc": 0},
    ]
    assert table.take([3], ["new", "doc"]).to_pylist() == [{"new": "x", "doc": 9}]
