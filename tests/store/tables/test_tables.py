"""Commits happen exactly once, whoever else commits; what is not committed is not seen."""

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest

from saelake.store.errors import Conflict, Corrupt, InvalidFilter, NotFound
from saelake.store.tables.changes import Change
from saelake.store.tables.tables import Table, overwrite, read

SCHEMA = pa.schema([("n", pa.int64()), ("word", pa.string())])
# Adds each of the numbers 0 to 19 that is missing, by a commit of its own.
RACER = """
import sys
import pyarrow as pa
from saelake.store.tables.tables import Change, Table
uri, seed = sys.argv[1], int(sys.argv[2])
schema = pa.schema([("n", pa.int64()), ("word", pa.string())])
table = Table.open_or_create(uri, schema)
for step in range(20):
    n = (step * 7 + seed) % 20
    draft = table.write([pa.RecordBatch.from_pylist([{"n": n, "word": str(seed)}], schema=schema)])
    def decide(snapshot):
        taken = {v for batch in snapshot.scan(["n"]) for v in batch["n"].to_pylist()}
        return None if n in taken else Change(add=draft)
    table.commit(decide)
"""


def rows(*numbers: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {"n": list(numbers), "word": [f"w{n}" for n in numbers]}, schema=SCHEMA
    )


def numbers(table: Table) -> list[int]:
    return [n for batch in table.scan(["n"]) for n in batch["n"].to_pylist()]


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return str(tmp_path / "t.lance")


@pytest.fixture
def table(uri: str) -> Table:
    return Table.open_or_create(uri, SCHEMA)


def add(table: Table, *values: int) -> Table:
    draft = table.write([rows(*values)])
    return table.commit(lambda _: Change(add=draft))


def test_a_new_table_shows_nothing_of_its_anchor(table: Table, uri: str) -> None:
    assert (table.n_rows, table.fragments, numbers(table), table.size_bytes) == (0, (), [], 0)
    assert Table.open(uri).n_rows == 0
    filled = add(table, 1, 2)
    assert numbers(filled) == [1, 2]
    assert filled.take([1, 0], ["n"])["n"].to_pylist() == [2, 1]


def test_others_see_the_same_rows(table: Table, uri: str, tmp_path: Path) -> None:
    lancedb = pytest.importorskip("lancedb")
    add(table, 1, 2, 3)
    assert lancedb.connect(str(tmp_path)).open_table("t").count_rows() == 3


def test_a_draft_is_seen_when_it_is_committed_and_not_before(table: Table, uri: str) -> None:
    draft = table.write([rows(1), rows(2, 3)])
    assert numbers(Table.open(uri)) == []
    carried = pickle.loads(pickle.dumps(draft))
    table.commit(lambda _: Change(add=carried))
    assert numbers(Table.open(uri)) == [1, 2, 3]


def test_a_write_that_fails_leaves_nothing(table: Table, uri: str) -> None:
    def failing() -> Iterator[pa.RecordBatch]:
        yield rows(1)
        raise RuntimeError("the source broke")

    with pytest.raises(OSError, match="the source broke"):
        table.write(failing())
    assert numbers(Table.open(uri)) == []


def test_a_snapshot_never_changes(table: Table) -> None:
    first = add(table, 1)
    second = add(first, 2)
    assert (numbers(first), numbers(second)) == ([1], [1, 2])
    assert first.latest().version == second.version
    assert second.latest() is second


def test_of_two_commits_from_one_snapshot_the_second_decides_again(table: Table) -> None:
    asked: list[list[int]] = []
    late = table.write([rows(2)])

    def decide(snapshot: Table) -> Change:
        if not asked:
            add(snapshot, 1)  # another writer, between the decision and the commit
        asked.append(numbers(snapshot))
        return Change(add=late)

    assert numbers(table.commit(decide)) == [1, 2]
    assert asked == [[], [1]]


def test_a_decision_for_nothing_commits_nothing(table: Table) -> None:
    filled = add(table, 1)
    assert filled.commit(lambda _: None).version == filled.version


def test_a_writer_that_is_always_late_gives_up_with_an_error(table: Table) -> None:
    late = table.write([rows(0)])

    def decide(snapshot: Table) -> Change:
        add(snapshot, 1)
        return Change(add=late)

    with pytest.raises(Conflict, match="other writers"):
        table.commit(decide)
    assert 0 not in numbers(table.latest())


def test_fragments_are_replaced_in_one_step(table: Table) -> None:
    filled = add(add(table, 1), 2)
    old = [fragment.id for fragment in filled.fragments]
    merged = filled.write([rows(1, 2)], one_fragment=True)
    done = filled.commit(lambda _: Change(add=merged, remove=tuple(old)))
    assert numbers(done) == [1, 2]
    assert len(done.fragments) == 1


def test_one_fragment_stays_one_whatever_its_batches(table: Table) -> None:
    draft = table.write(
        [rows(*range(i * 1000, (i + 1) * 1000)) for i in range(9)], one_fragment=True
    )
    assert len(draft.fragments) == 1


def test_processes_that_race_add_each_row_once(uri: str) -> None:
    racers = [subprocess.Popen([sys.executable, "-c", RACER, uri, str(i)]) for i in range(3)]
    assert [racer.wait(120) for racer in racers] == [0, 0, 0]
    assert sorted(numbers(Table.open(uri))) == list(range(20))


def test_scans_are_in_order_and_filtered(table: Table) -> None:
    filled = add(add(table, *range(10)), *range(10, 20))
    assert numbers(filled) == list(range(20))
    found = filled.scan(["n"], where="n % 2 = 1 AND word <> 'w3'", batch_rows=3)
    assert [n for batch in found for n in batch["n"].to_pylist()] == [1, *range(5, 20, 2)]
    second = filled.fragments[1].id
    assert [b.num_rows for b in filled.scan(["n"], fragments=[second], batch_rows=4)] == [4, 4, 2]
    with pytest.raises(InvalidFilter, match=r"colour.*n, word"):
        list(filled.scan(["n"], where="colour = 3"))


def test_overwritten_tables_show_all_their_rows_from_the_first_time_on(uri: str) -> None:
    for version in range(3):
        overwrite(uri, pa.table({"n": [version, 7], "word": ["a", "b"]}))
        assert read(uri)["n"].to_pylist() == [version, 7]
        assert numbers(Table.open(uri)) == [version, 7]


def test_a_table_that_does_not_exist_is_not_found(uri: str) -> None:
    with pytest.raises(NotFound, match=r"t\.lance"):
        Table.open(uri)
    assert Table.find(uri) is None
    made = Table.open_or_create(uri, pa.schema({"n": pa.int64()}))
    found = Table.find(uri)
    assert found is not None
    assert found.version == made.version


def test_the_newest_is_found_where_another_is_cleaned_up_while_it_is_opened(
    table: Table, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    really, n_asked = lance.dataset, 0

    def dataset(*args: Any, **options: Any) -> lance.LanceDataset:
        nonlocal n_asked
        n_asked += 1
        if n_asked < 3:
            raise ValueError("Not found: _versions/7.manifest")
        return really(*args, **options)

    monkeypatch.setattr(lance, "dataset", dataset)
    found = Table.find(uri)
    assert found is not None
    assert found.version == table.version
    assert n_asked == 3


def test_a_missing_file_is_found(table: Table, uri: str) -> None:
    filled = add(table, *range(100))
    filled.verify()
    for path in (Path(uri) / "data").iterdir():
        path.unlink()
    with pytest.raises(Corrupt, match=r"t\.lance is damaged"):
        Table.open(uri).verify()


def test_sizes_are_those_of_the_files(table: Table, uri: str) -> None:
    filled = add(table, *np.arange(1000).tolist())
    before = {path.name for path in (Path(uri) / "data").iterdir()}
    assert (
        0 < filled.size_bytes <= sum((Path(uri) / "data" / name).stat().st_size for name in before)
    )
