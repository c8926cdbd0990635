"""What goes with a value of a column, by a scripted model: what is planted is found."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import saelake
from saelake.collection import Collection
from saelake.explaining.hypotheses import HypothesisReport, estimate_value, explain_value
from saelake.explaining.hypotheses.associating import value_of_column
from saelake.explaining.hypotheses.drawn import drawn
from saelake.store.errors import InvalidInput
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from tests.client.explaining.hypotheses.comparing import without_cost
from tests.client.explaining.hypotheses.made import (
    FEWER,
    HONEST,
    PLANTED,
    made_of,
    make_texts,
    sides,
)
from tests.client.language.models import same_count, settings
from tests.lakes import MADE
from tests.language_server import scripted


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """`kind` has three values, of which `wet` has rain most; `is_pos` is a truth."""
    made = make_texts(tmp_path_factory.mktemp("valued") / "lake")
    transport: Any = made.transport
    lake = saelake.connect(transport.local_lake.uri)
    kinds = {0: "wet", 1: "dry", 2: "wet", 3: "o'ther"}
    rows = [
        {
            "doc": doc,
            "kind": kinds[doc % 4],
            "is_pos": doc % 2 == 0,
            "number": doc % 7,
            "some": f"v{doc % 2}" if doc < 40 else None,
        }
        for doc in range(400)
    ]
    lake.annotate("made", pa.Table.from_pylist(rows))
    return lake[str(MADE)]


def told(
    collection: Collection, cache: Path, column: str, value: str | None, **more: Any
) -> HypothesisReport:
    options = more.pop("options", FEWER)
    with scripted(more.pop("script", HONEST)) as server:
        made = explain_value(
            collection, column, settings(server), value=value, options=options, cache=cache
        )
        same_count(server, made.asked.spending)
    return made


@pytest.mark.parametrize(
    ("column", "value", "more_in"),
    [
        ("label", "pos", "A"),
        ("label", None, "A"),
        ("label", "neg", "B"),
        ("kind", "wet", "A"),
        ("is_pos", "true", "A"),
        ("is_pos", None, "A"),
    ],
)
def test_a_planted_property_goes_with_a_value(
    collection: Collection, tmp_path: Path, column: str, value: str | None, more_in: Any
) -> None:
    made = told(collection, tmp_path, column, value, script=made_of([(more_in, PLANTED)]))
    (row,) = made.accepted
    assert (row.hypothesis.statement, row.hypothesis.features) == (PLANTED, (0,))
    (feature,) = made.features
    assert (feature.of.feature, feature.of.more_in) == (0, more_in)
    assert "Mann-Whitney" in made.diff_test
    frequencies = (feature.of.frequency_a, feature.of.frequency_b)
    assert (frequencies[0] > frequencies[1]) == (more_in == "A")


def test_sides_and_judges_are_those_of_a_diff(collection: Collection) -> None:
    of = value_of_column(collection, "label", "pos", FEWER)
    assert drawn(of.a, of.b, FEWER) == drawn(*sides(collection), FEWER)


def test_of_a_value_without_theme_nothing_is_accepted(tmp_path: Path) -> None:
    made = make_texts(tmp_path / "lake", seed=5, shares=(0.5, 0.5))
    found = told(made, tmp_path / "c", "label", "pos", options=replace(FEWER, feature_level=1.0))
    assert len(found.hypotheses) == 4
    assert found.accepted == ()


def test_documents_without_a_value_are_on_no_side(collection: Collection) -> None:
    of = value_of_column(collection, "some", "v1", FEWER)
    documents = [
        sorted(doc for batch in side.embeddings() for doc in batch["doc"].to_pylist())
        for side in (of.a, of.b)
    ]
    assert documents == [list(range(1, 40, 2)), list(range(0, 40, 2))]
    named = value_of_column(collection, "kind", "O'THER", FEWER)
    assert named.category == "o'ther"


@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("kind", None, "Name the value: --value with one of"),
        ("kind", "damp", "kind has no value 'damp'"),
        ("number", "3", "compare two selections"),
        ("nothing", "a", "nothing"),
    ],
)
def test_what_has_no_sides_is_refused_with_what_to_do(
    collection: Collection, column: str, value: str | None, why: str
) -> None:
    with pytest.raises(InvalidInput, match=why):
        value_of_column(collection, column, value, FEWER)


def test_it_is_paid_once_and_the_same_through_a_server(
    collection: Collection, tmp_path: Path
) -> None:
    transport: Any = collection.transport
    serving = ServerSettings(uri=transport.local_lake.uri, address=Address(port=0))
    of: Any = {"value": "pos", "options": FEWER, "cache": tmp_path}
    with scripted(HONEST) as server:
        before = estimate_value(collection, "label", settings(server), **of)
        assert server.counted.n_requests == 0
        here = explain_value(collection, "label", settings(server), **of)
        n = server.counted.n_requests
        with BackgroundServer(serving) as running, saelake.connect(running.target) as lake:
            there = explain_value(lake[str(MADE)], "label", settings(server), **of)
        assert server.counted.n_requests == n
    assert without_cost(here) == without_cost(there)
    assert [stage.estimate.n_requests for stage in before] == [1, 1, 10 * 2 * FEWER.n_judged]
