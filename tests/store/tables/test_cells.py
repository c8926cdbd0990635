"""Values read where they lie in a file are those that Lance reads, or are left for it to read."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saelake.store.errors import Corrupt
from saelake.store.format.schema import postings_schema
from saelake.store.tables.cells import LocatedCells, cells_of
from saelake.store.tables.changes import Change, Draft
from saelake.store.tables.tables import Table, address
from tests import lakes

BARE = postings_schema(lakes.settings(n_features=4)).field("packed").metadata
SIZES = st.one_of(st.none(), st.integers(0, 300), st.sampled_from([5000, 70_000]))


def stored(folder: Path, values: list[bytes | None], metadata: object = BARE) -> Table:
    """A table of one fragment with these values, and another column before."""
    field = pa.field("packed", pa.large_binary(), metadata=metadata)
    schema = pa.schema([pa.field("lists", pa.list_(pa.uint32())), field])
    table = Table.open_or_create(str(folder / "values.lance"), schema)
    lists = pa.array([[1] * (i % 3) for i in range(len(values))], schema.field("lists").type)
    batch = pa.RecordBatch.from_arrays([lists, pa.array(values, field.type)], schema=schema)

    def decide(_: Table) -> Change:
        return Change(add=draft)

    draft: Draft = table.write([batch], one_fragment=True)
    return table.commit(decide)


def located(table: Table) -> LocatedCells | None:
    return cells_of(table, table.fragments[0].id, "packed")


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(SIZES, min_size=1, max_size=40))
def test_values_are_those_that_lance_reads(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int | None]
) -> None:
    random = np.random.default_rng(len(sizes))
    values = [None if size is None else random.bytes(size) for size in sizes]
    table = stored(tmp_path_factory.mktemp("cells"), values)
    cells = located(table)
    if cells is None:  # of values that are all equal Lance keeps one
        assert len({value for value in values if value is not None}) <= 1
        return
    for row, value in enumerate(values):
        cell = cells.find(row)
        if cell is not None:
            assert value is not None
            assert cell.read(0, cell.size).tobytes() == value
            assert cell.read(3, 50).tobytes() == value[3:50]
    assert cells.find(len(values)) is None


@pytest.mark.parametrize("sizes", [[9 << 20, 7, 9 << 20], [4000] * 500, [3, 4, None]])
def test_every_value_is_found(tmp_path: Path, sizes: list[int | None]) -> None:
    """Also those that are a page by themselves, as Lance keeps what is large."""
    values = [None if n is None else bytes([i % 251]) * n for i, n in enumerate(sizes)]
    cells = located(stored(tmp_path, values))
    assert cells is not None
    found = [cells.find(row) for row in range(len(values))]
    read = [None if cell is None else cell.read(0, cell.size).tobytes() for cell in found]
    assert read == values


def test_values_in_another_form_are_left_to_lance(tmp_path: Path) -> None:
    compressed = {
        "lance-encoding:compression": "zstd",
        "lance-encoding:structural-encoding": "fullzip",
    }
    values: list[bytes | None] = [bytes([i]) * 3000 for i in range(60)]
    assert located(stored(tmp_path / "a", values, compressed)) is None
    table = stored(tmp_path / "b", values, {"lance-encoding:structural-encoding": "miniblock"})
    assert located(table) is None
    assert cells_of(table, table.fragments[0].id, "none") is None


def test_a_file_that_is_cut_short_or_gone_is_damaged(tmp_path: Path) -> None:
    values: list[bytes | None] = [bytes([i]) * 3000 for i in range(60)]
    table = stored(tmp_path, values)
    cells = located(table)
    assert cells is not None
    cell = cells.find(59)
    assert cell is not None
    path = tmp_path / "values.lance" / "data" / table.file_of(table.fragments[0].id)
    path.write_bytes(path.read_bytes()[: cell.begin + 10])
    with pytest.raises(Corrupt, match="cut short"):
        cell.read(0, 100)
    assert located(table) is None
    path.unlink()
    with pytest.raises(Corrupt, match=r"values\.lance is damaged"):
        cell.read(0, 100)


def test_values_are_found_by_a_place_in_their_fragment(tmp_path: Path) -> None:
    table = stored(tmp_path, [b"ab", b"c"])
    cells = located(table)
    assert cells is not None
    places = [address(table.fragments[0].id, row) for row in (1, 0)]
    read = table.take_addresses(places, ["packed"])["packed"].to_pylist()
    found = [cells.find(row) for row in (1, 0)]
    assert [cell.read(0, 9).tobytes() for cell in found if cell is not None] == read
