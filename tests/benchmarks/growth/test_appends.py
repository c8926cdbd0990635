"""The course of many appends: when it tells, and that it counts what is written."""

from pathlib import Path

import pytest

from benchmarks.common.measure import size_bytes
from benchmarks.common.synthetic import BLOCK, NAME
from benchmarks.growth.appends import Appends, rows_of, table
from saelake.store.engine import Engine
from saelake.store.lake.lake import Lake
from saelake.store.requests.info import InfoQuery

N, EVERY = 5, 2
APPENDS = Appends(n=N, each=BLOCK - 1, every=EVERY, mean_length=4)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return Lake(str(tmp_path_factory.mktemp("appends")))


@pytest.fixture(scope="module")
def rows(lake: Lake) -> list[dict[str, float]]:
    """The rows of a few appends, cells as numbers."""
    found = list(rows_of(lake, APPENDS, APPENDS.synthesis()))
    return [{name: float(cell or 0) for name, cell in row.items()} for row in found]


def test_there_is_a_row_every_so_many_appends(rows: list[dict[str, float]]) -> None:
    assert [row["appends"] for row in rows] == [1, 2, 4, 5]
    defaults = Appends(n=500, each=1000)
    shown = [number for number in range(1, 501) if defaults.shown(number)]
    assert shown == [1, 10, *range(50, 501, 50)]


def test_all_portions_are_appended_and_indexed(lake: Lake, rows: list[dict[str, float]]) -> None:
    assert len(rows) == 4
    (info,) = Engine(lake.uri).ask(InfoQuery()).read_all().to_pylist()
    assert info["n_encoded"] == info["n_indexed"] == N * BLOCK
    assert f"{N} appends of {BLOCK} documents of 4 tokens" == table(APPENDS, [{"": 0}]).title


def test_what_was_written_is_all_that_there_ever_was(
    lake: Lake, rows: list[dict[str, float]]
) -> None:
    """Nothing was cleaned up in so few appends: the files are all there still."""
    codes, postings, statistics = (
        size_bytes(Path(uri) / "data")
        for uri in (lake.codes(NAME), lake.postings(NAME), lake.features(NAME))
    )
    assert rows[-1]["written"] * rows[-1]["postings MB"] == pytest.approx(postings / 1e6)
    counts = [1, 1, 2, 1]  # of the appends that each row is about
    mean = sum(row["a new byte"] * n for row, n in zip(rows, counts, strict=True)) / N
    assert mean == pytest.approx((codes + postings + statistics) / codes, rel=0.02)


def test_memory_and_times_are_those_of_the_stretch(rows: list[dict[str, float]]) -> None:
    for row in rows:
        assert row["longest"] >= row["s each"] > 0
        assert row["cpu s"] > 0
        assert row["peak MiB"] > 50
        assert row["p99 ms"] >= row["p50 ms"] > 0
