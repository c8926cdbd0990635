"""A map answers, and its areas select, by every face."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

import saelake
from saelake.lake import Lake
from saelake.store.errors import InvalidFilter, InvalidInput, NotFound, SaelakeError
from tests.contract.faces import Faces
from tests.lakes import make_lake
from tests.stateless import stateless

NAME = "made/random"
AREA = "-1 -1, 0 -1, 0 1, -1 1"


@dataclass(frozen=True, slots=True)
class Pair:
    """One lake twice."""

    embedded: Lake
    other: Lake


@pytest.fixture(scope="module")
def mapped(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    made = make_lake(tmp_path_factory.mktemp("maps") / "lake", n_documents=80, seed=3)
    lake = saelake.connect(made.lake.uri)
    lake.project(NAME)
    return lake


@pytest.fixture(scope="module")
def pair(mapped: Lake, other_face: str, faces: Faces) -> Iterator[Pair]:
    with faces.open(other_face, mapped.uri) as other:
        yield Pair(mapped, other)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"k": 7, "seed": 2},
        {"k": None, "column": "label"},
        {"features": [3, 4], "texts": False},
        {"where": f"within_map('{AREA}') AND label = 'pos'"},
        {"inside": AREA, "rows": [1, 2, 3, 4]},
    ],
)
def test_points_are_the_same(pair: Pair, asked: dict[str, object]) -> None:
    here, there = (lake[NAME].map(**asked) for lake in (pair.embedded, pair.other))  # type: ignore[arg-type]
    assert stateless(here.to_arrow()).equals(stateless(there.to_arrow()), check_metadata=True)
    assert here.colours == there.colours
    assert len(here)


def test_an_area_is_compared_with_the_rest(pair: Pair) -> None:
    inside, outside = f"within_map('{AREA}')", f"not within_map('{AREA}')"
    here, there = (
        lake[NAME].where(inside).diff(lake[NAME].where(outside))
        for lake in (pair.embedded, pair.other)
    )
    assert here == there
    assert here.about["n_a"] == len(pair.other[NAME].map(where=inside))


def test_info_says_that_there_is_one(pair: Pair) -> None:
    for lake in (pair.embedded, pair.other):
        assert lake.info()[0].maps == ("documents",)


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"of": "features"}, NotFound),
        ({"inside": "1 1"}, InvalidInput),
        ({"where": "within_map('1 1')"}, InvalidFilter),
    ],
)
def test_both_raise_the_same(pair: Pair, asked: dict[str, str], error: type[SaelakeError]) -> None:
    for lake in (pair.embedded, pair.other):
        with pytest.raises(error):
            lake[NAME].map(**asked)  # type: ignore[arg-type]


def test_clusters_are_drawn_on_the_map_alike(pair: Pair) -> None:
    here, there = (lake[NAME].cluster(3).map().to_dict() for lake in (pair.embedded, pair.other))
    assert here == there
