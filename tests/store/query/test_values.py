"""`values` equals a count of documents one by one, and counts those that `shares` does."""

from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saelake.store.engine import Engine
from saelake.store.errors import InvalidFilter, InvalidInput, NotFound
from saelake.store.requests.shares import SharesQuery
from saelake.store.requests.values import ValueOrder, ValuesQuery
from tests.lakes import MadeLake, make_lake
from tests.store.query.test_shares import (
    COUNTED,
    FAILED,
    WHERE,
    N,
    columns,
    expected_groups,
    in_order,
    known,
)

MADE = "made/random"
TEXTS = ("odd", "name", "label", "flag", "nothing", 'meta."a kind"')


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    """Columns of every kind, and documents that could not be encoded."""
    folder: Path = tmp_path_factory.mktemp("values")
    return make_lake(folder, n_documents=N, n_fragments=3, columns=columns(), failed=FAILED)


def ask(
    lake: MadeLake, kind: type[ValuesQuery | SharesQuery] = ValuesQuery, **asked: Any
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The rows, and what the answer says of itself."""
    table = Engine(lake.lake.uri).ask(kind(collection=MADE, **asked)).read_all()
    assert table.schema.equals(kind.answer)
    said = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    return table.to_pylist(), said


@given(
    by=st.sampled_from(COUNTED),
    where=st.sampled_from(list(WHERE)),
    k=st.none() | st.integers(1, 8),
    bins=st.none() | st.integers(2, 15),
    order=st.sampled_from(get_args(ValueOrder)),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_values_are_those_that_are_counted(
    lake: MadeLake,
    by: str,
    where: str | None,
    k: int | None,
    bins: int | None,
    order: ValueOrder,
) -> None:
    bins = None if by in TEXTS else bins
    rows, said = ask(lake, by=by, where=where, k=k, bins=bins, order=order)
    docs = known(lake, where)
    wanted = in_order(expected_groups(lake, by, docs, k, bins), order, set())
    assert [(row["kind"], row["n_values"]) for row in rows] == [row[:2] for row in wanted]
    assert [row["n_documents"] for row in rows] == [len(inside) for *_, inside in wanted]
    for row in rows:
        assert row["share"] == pytest.approx(row["n_documents"] / len(docs))
    kinds = {row["kind"]: row["n_documents"] for row in rows}
    assert {name: int(said[name]) for name in ("n", "n_missing", "n_nan")} == {
        "n": len(docs),
        "n_missing": kinds.get("missing", 0),
        "n_nan": kinds.get("nan", 0),
    }
    inside = sum(row["n_values"] for row in rows if row["kind"] in ("value", "bin", "others"))
    assert int(said["n_values"]) == inside
    assert ("summed in one row" in said["notes"]) == ("others" in kinds)
    assert (said["by"], said["unit"]) == (by, "document")


@pytest.mark.parametrize("by", COUNTED)
def test_they_are_the_values_and_filters_of_shares(lake: MadeLake, by: str) -> None:
    """Of the same documents, and what is left out is said alike."""
    counted, said = ask(lake, by=by)
    shares, of_shares = ask(lake, SharesQuery, expression="3", by=by)
    same = set(ValuesQuery.answer.names) - {"share"}
    assert [{name: row[name] for name in same} for row in counted] == [
        {name: row[name] for name in same} for row in shares
    ]
    assert (said["n"], said["n_values"]) == (of_shares["n"], of_shares["n_values"])
    assert "3 documents are not encoded" in said["notes"]


@pytest.mark.parametrize("by", COUNTED)
def test_the_filter_of_a_row_keeps_its_documents(lake: MadeLake, by: str) -> None:
    for row in ask(lake, by=by, k=None)[0]:
        _, said = ask(lake, by="label", where=row["where"])
        assert int(said["n"]) == row["n_documents"], row["where"]


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"by": "none"}, InvalidInput, "no metadata column 'none'"),
        ({"by": "tags"}, InvalidInput, "list"),
        ({"by": "meta"}, InvalidInput, "column.field"),
        ({"by": "label", "bins": 3}, InvalidInput, "leave out bins"),
        ({"by": "label", "where": "label"}, InvalidFilter, "not a condition"),
    ],
)
def test_what_cannot_be_asked(
    lake: MadeLake, asked: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        ask(lake, **asked)


def test_a_collection_that_is_not_there(lake: MadeLake) -> None:
    with pytest.raises(NotFound):
        Engine(lake.lake.uri).ask(ValuesQuery(collection="made/none", by="label")).read_all()


@pytest.mark.parametrize("asked", [{"k": 0}, {"bins": 1}, {"bins": 1001}])
def test_what_cannot_be_meant(asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        ValuesQuery(collection=MADE, by="label", **asked)
