"""Imports of a key: done once, as long as there is what they made."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import saelake
from saelake.store.documents.digest import DigestedSource
from saelake.store.documents.imports import SourceBatch
from saelake.store.errors import AlreadyExists

COLUMNS = {
    "id": pa.array([b"a", b"b\xff", None, b"c"], pa.binary()).cast(pa.string(), safe=False),
    "text": ["w1", "", "w2", "w3"],
    "n": pa.array([1, None, 3, 4], pa.int64()),
    "x": pa.array([0.5, None, float("nan"), -0.0], pa.float64()),
    "day": pa.array([1, 2, None, 4], pa.date32()),
    "when": pa.array([1, 2, None, 10**18 + 1], pa.timestamp("ns", "UTC")),
    "tags": [["x"], [], None, ["y", None]],
    "about": [{"n": 1}, {"n": None}, None, {"n": 4}],
}


class Rows:
    """A source of a table, in batches of a size."""

    name, generated_ids = "rows", False

    def __init__(self, table: pa.Table, size: int) -> None:
        self.schema = table.schema
        self._batches = table.to_batches(max_chunksize=size)

    def batches(self) -> Any:
        first = 0
        for batch in self._batches:
            yield SourceBatch(file="f", first_row=first, rows=batch)
            first += batch.num_rows


def digest(columns: dict[str, Any], size: int = 10, *more: str) -> str:
    return DigestedSource(Rows(pa.table(columns), size), *more).read()


def test_a_digest_is_of_rows_and_not_of_batches() -> None:
    assert len({digest(COLUMNS, size) for size in (1, 2, 3, 4)}) == 1


@pytest.mark.parametrize("name", COLUMNS)
def test_other_values_have_another_digest(name: str) -> None:
    values = pa.array(COLUMNS[name])
    swapped = {**COLUMNS, name: values.take(pa.array([1, 0, 2, 3]))}
    renamed = {f"{n}2" if n == name else n: values for n, values in COLUMNS.items()}
    assert len({digest(COLUMNS), digest(swapped), digest(renamed), digest(COLUMNS, 10, "x")}) == 4


def test_texts_do_not_run_into_each_other() -> None:
    assert digest({"id": ["ab", "c"]}) != digest({"id": ["a", "bc"]})
    assert digest({"id": ["", None]}) != digest({"id": [None, ""]})


def test_a_key_ends_with_its_corpus(tmp_path: Path) -> None:
    rows = [{"id": f"{n}", "text": "w1"} for n in range(3)]
    with saelake.connect(tmp_path / "lake") as lake:
        lake.import_corpus(rows, "other", key="k")
        for _ in range(2):
            assert lake.import_corpus(rows, "c", key="k").n_documents == 3
            assert lake.import_corpus(rows, "c", key="k").n_documents == 3, "once"
            assert {row.corpus: row.n_documents for row in lake.info()}["c"] == 3
            with pytest.raises(AlreadyExists, match="other rows"):
                lake.import_corpus(rows[:2], "c", key="k")
            lake.drop("c")
        with pytest.raises(AlreadyExists, match="other rows"):
            lake.import_corpus(rows[:2], "other", key="k")
