"""The benchmark of a worker's host: its stages do what an encode's stages do."""

from pathlib import Path

import pyarrow as pa
import pytest

from benchmarks.encode.host import NAME, Host, table
from saelake.store.codes.table import CodesTable
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.tables.tables import Table

N_DOCUMENTS = 12
K = 32  # of the demo's dictionary


@pytest.fixture(scope="module")
def host() -> Host:
    return Host(N_DOCUMENTS)


def test_every_token_has_its_codes(host: Host) -> None:
    (rows,) = host.pack()
    assert rows["doc"].to_pylist() == list(range(N_DOCUMENTS))
    n_tokens = [len(tokens) for tokens in rows["token_ids"].to_pylist()]
    assert [len(values) for values in rows["values"].to_pylist()] == [K * n for n in n_tokens]


def test_codes_are_sorted_as_a_gpu_hands_them_over(host: Host) -> None:
    (page,) = host.encoded
    codes = page.codes_of(NAME)
    order = list(zip(codes.row, codes.feature, codes.position, strict=True))
    assert order == sorted(order)


def test_what_is_written_is_read_back(host: Host, tmp_path: Path) -> None:
    lake, rows = Lake(str(tmp_path)), host.pack()
    host.write(rows, lake)
    codes = CodesTable(Table.open(lake.codes(CollectionName.parse(NAME))))
    found = pa.Table.from_batches(codes.scan(["doc", "values"]))
    assert found.equals(pa.Table.from_batches(rows).select(["doc", "values"]))


def test_the_table_has_a_row_a_stage(host: Host) -> None:
    made = table(host, rounds=1)
    assert [row[""] for row in made.rows] == ["tokenise", "pack", "write"]
    for row in made.rows[1:]:
        assert row["codes/s"] == pytest.approx(K * float(row["tokens/s"] or 0))
    assert made.note.endswith("bytes of text a token")
