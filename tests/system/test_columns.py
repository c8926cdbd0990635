"""Columns that are set and dropped by processes that are killed: a change is whole, or is not."""

import multiprocessing
import time
from datetime import timedelta
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest

from saelake.store.documents.documents import Documents
from saelake.store.growth.annotate import annotate, drop_column
from saelake.store.growth.clean_up import clean_up
from saelake.store.growth.compact import compact
from saelake.store.lake.lake import Lake
from tests.lakes import make_lake

N = 60
ROUNDS = 6


def setting(uri: str, number: int) -> None:
    """Set one number for all documents in two columns, again and again, with what else there is."""
    lake = Lake(uri)
    while True:
        number += 1
        ids = [f"d{i}" for i in range(N)]
        annotate(lake, "made", pa.table({"id": ids, "a": [number] * N, "b": [str(number)] * N}))
        if number % 3 == 0:
            drop_column(lake, "made", "b")
        if number % 4 == 0:
            compact(lake, "made")
        if number % 5 == 0:
            clean_up(lake, older_than=timedelta())


def whole(lake: Lake) -> int:
    """The number that all documents have: both columns of one change, or one where one is gone."""
    documents = Documents.open(lake, "made")
    names = [name for name in ("a", "b", "label") if name in documents.table.schema.names]
    table = documents.table.read(["doc", "text", *names])
    assert table["doc"].to_pylist() == list(range(N))
    assert None not in table["text"].to_pylist()
    assert None not in table["label"].to_pylist()
    if "a" not in names:
        return 0
    (number,) = set(table["a"].to_pylist())
    if "b" in names:
        assert set(table["b"].to_pylist()) == {str(number)}
    documents.table.verify()
    return int(number)


@pytest.mark.parametrize("seed", range(2))
def test_kills_leave_no_part_of_a_change(tmp_path: Path, seed: int) -> None:
    lake = make_lake(tmp_path / "lake", n_documents=N, seed=5).lake
    texts = Documents.open(lake, "made").table.read(["text"])
    random, spawn, number = Random(seed), multiprocessing.get_context("spawn"), 0
    for _ in range(ROUNDS):
        process = spawn.Process(target=setting, args=(lake.uri, number), daemon=True)
        process.start()
        before = Documents.open(lake, "made").table.version
        while Documents.open(lake, "made").table.version == before:
            time.sleep(0.002)
        time.sleep(random.random() * 0.2)
        process.kill()
        process.join()
        found = whole(lake)
        assert found >= number
        number = found
    assert number > ROUNDS
    clean_up(lake, older_than=timedelta(), unverified=True)
    assert whole(lake) == number
    assert Documents.open(lake, "made").table.read(["text"]) == texts
