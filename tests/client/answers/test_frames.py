"""Answers as data frames."""

import pyarrow as pa
import pytest

from saelake.answers.frames import flat, to_pandas, to_polars

TABLE = pa.table(
    {
        "doc": pa.array([1, 2], pa.uint64()),
        "metadata": [{"label": "pos", "doc": "x"}, {"label": None, "doc": "y"}],
        "features": [[{"feature": 3, "share": 0.5}], []],
    }
)
NAMES = ["doc", "label", "metadata.doc", "features"]


def test_metadata_is_in_columns_of_its_own() -> None:
    table = flat(TABLE)
    assert table.column_names == NAMES, "a name that is taken keeps its prefix"
    assert table["label"].to_pylist() == ["pos", None]
    assert table["metadata.doc"].to_pylist() == ["x", "y"]


@pytest.mark.parametrize("rest", [pa.table({"doc": [1]}), pa.table({"metadata": ["a"]})])
def test_a_table_without_metadata_is_as_it_was(rest: pa.Table) -> None:
    assert flat(rest) is rest


def test_no_metadata_columns_are_none() -> None:
    empty = pa.table({"doc": [1], "metadata": pa.array([{}], pa.struct([]))})
    assert flat(empty).column_names == ["doc"]


def test_pandas_and_polars_have_the_same_columns() -> None:
    pandas, polars = to_pandas(TABLE), to_polars(TABLE)
    assert list(pandas.columns) == list(polars.columns) == NAMES
    assert polars["label"].to_list() == ["pos", None]
    assert polars["features"].to_list()[0] == [{"feature": 3, "share": 0.5}]
