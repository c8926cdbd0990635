"""Points of a map, against plain loops over what is stored."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saelake.store.engine import Engine
from saelake.store.errors import InvalidFilter, InvalidInput, NotFound
from saelake.store.growth.maps import make_map
from saelake.store.index.maps import MapTable
from saelake.store.predicates.polygon import Polygon
from saelake.store.requests.checks import Selection
from saelake.store.requests.diff import DiffQuery
from saelake.store.requests.map import MapQuery
from saelake.store.snapshot.session import Session
from tests.lakes import MadeLake, make_lake

NAME = "made/random"
AREA = "-1 -1, 0.1 -1, 0.1 1, -1 1"


class Mapped:
    """A lake with a map, and the engine that answers about it."""

    def __init__(self, made: MadeLake) -> None:
        self.made = made
        make_map(Session(made.lake), NAME)
        self.engine = Engine(made.lake.uri)
        found = Session(made.lake).collection(NAME).map("documents")
        assert found is not None
        self.map: MapTable = found

    def ask(self, **asked: Any) -> pa.Table:
        return self.engine.ask(MapQuery(collection=NAME, **asked)).read_all()

    def inside(self, area: str) -> list[int]:
        inside = Polygon.parse(area).contains(self.map.x, self.map.y)
        return [int(row) for row in self.map.row[inside]]


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Mapped:
    folder = tmp_path_factory.mktemp("map") / "lake"
    return Mapped(make_lake(folder, n_documents=90, n_features=20, density=0.1, failed={(11, 0)}))


def test_points_are_those_of_the_map(mapped: Mapped) -> None:
    table = mapped.ask()
    assert table["row"].to_pylist() == mapped.map.row.tolist()
    assert table["x"].to_pylist() == mapped.map.x.tolist()
    assert table["id"].to_pylist() == [f"d{doc}" for doc in mapped.map.row]
    assert table["text"].to_pylist() == [mapped.made.texts[doc] for doc in mapped.map.row]


def test_a_column_is_a_category_or_a_value(mapped: Mapped) -> None:
    labels = mapped.ask(column="label")
    assert labels["category"].to_pylist() == [mapped.made.labels[doc] for doc in mapped.map.row]
    assert labels["value"].null_count == len(labels)
    lengths = mapped.ask(column="length")
    assert lengths["value"].to_pylist() == [len(mapped.made.texts[doc]) for doc in mapped.map.row]


def test_features_have_the_sum_of_their_largest_values(mapped: Mapped) -> None:
    dense = mapped.made.embeddings()
    table = mapped.ask(features=(3, 5))
    expected = np.nan_to_num(dense[mapped.map.row][:, [3, 5]]).sum(axis=1)
    assert table["value"].to_pylist() == pytest.approx(expected.tolist(), rel=1e-5)
    assert expected.any()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(
    st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=3, max_size=6),
    st.sampled_from([None, "label = 'pos'", "length > 20"]),
)
def test_an_area_is_a_filter(
    mapped: Mapped, corners: list[tuple[float, float]], where: str | None
) -> None:
    area = str(Polygon(tuple(corners)))
    kept = set(mapped.ask(where=where)["row"].to_pylist())
    rest = f" AND {where}" if where else ""
    inside = mapped.ask(where=f"within_map('{area}'){rest}")["row"].to_pylist()
    outside = mapped.ask(where=f"NOT within_map('{area}'){rest}")["row"].to_pylist()
    assert inside == [doc for doc in mapped.inside(area) if doc in kept]
    assert sorted(inside + outside) == sorted(kept)
    assert mapped.ask(inside=area, where=where)["row"].to_pylist() == inside


def test_an_area_and_the_rest_are_compared(mapped: Mapped) -> None:
    sides = (f"within_map('{AREA}')", f"not within_map('{AREA}')")
    a, b = (Selection(collection=NAME, where=where) for where in sides)
    told = mapped.engine.ask(DiffQuery(a=a, others=(b,))).schema.metadata
    n = len(mapped.inside(AREA))
    assert 0 < n < len(mapped.map)
    assert (told[b"n_a"], told[b"n_b"]) == (b"%d" % n, b"%d" % (len(mapped.map) - n))


def test_a_sample_is_said_to_be_one_and_is_the_seed_s(mapped: Mapped) -> None:
    first, again, other = (mapped.ask(k=20, seed=seed) for seed in (1, 1, 2))
    assert first["row"] == again["row"] != other["row"]
    assert len(first) == 20
    said = first.schema.metadata
    assert (said[b"n"], said[b"n_shown"]) == (str(len(mapped.map)).encode(), b"20")
    assert f"20 of {len(mapped.map)} documents are shown" in said[b"notes"].decode()


def test_rows_are_points_by_number(mapped: Mapped) -> None:
    some = mapped.map.row[[2, 7]].tolist()
    assert mapped.ask(rows=tuple(some))["row"].to_pylist() == some
    assert not len(mapped.ask(rows=(10**9,)))


def test_without_texts_points_have_none(mapped: Mapped) -> None:
    table = mapped.ask(texts=False)
    assert table["text"].null_count == table["id"].null_count == len(table)


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"of": "features"}, NotFound, "no map of its features.*saelake project made/random"),
        ({"where": f"within_map('{AREA}') OR label = 'pos'"}, InvalidFilter, "by itself"),
        ({"where": "within_map('0 0')"}, InvalidFilter, "no area of a map"),
        ({"inside": "0 0"}, InvalidInput, "no area of a map"),
        ({"column": "nothing"}, InvalidInput, "no metadata column"),
        ({"column": "label", "features": (1,)}, InvalidInput, "either a column or features"),
        ({"of": "features", "where": "a = 1"}, InvalidInput, "are of documents"),
        ({"features": (99,)}, NotFound, "no feature 99"),
        ({"seed": -1}, InvalidInput, "at least 0"),
    ],
)
def test_what_cannot_be_answered_says_why(
    mapped: Mapped, asked: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        mapped.ask(**asked)


def test_an_area_needs_a_map(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake")
    query = MapQuery(collection=NAME, where=f"within_map('{AREA}')")
    with pytest.raises(InvalidFilter, match="no map of its documents"):
        Engine(made.lake.uri).ask(query)


def test_a_new_map_is_seen_by_whoever_asks_on(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_documents=80)
    engine = Engine(made.lake.uri)
    with pytest.raises(NotFound):
        engine.ask(MapQuery(collection=NAME))
    make_map(Session(made.lake), NAME)
    first = Engine(made.lake.uri).ask(MapQuery(collection=NAME))
    state = first.schema.metadata[b"state"].decode()
    points = first.read_all()
    make_map(Session(made.lake), NAME, seed=9)
    assert Engine(made.lake.uri).ask(MapQuery(collection=NAME)).read_all()["x"] != points["x"]
    assert (
        Engine(made.lake.uri).ask(MapQuery(collection=NAME), at=state).read_all()["x"]
        == points["x"]
    )
