"""Points have colours: shades of values, hues of the largest groups."""

import json

import pyarrow as pa
import pytest

from saelake.answers.maps import MOST_CATEGORIES, SHADES, MapPoints
from saelake.store.requests.map import MapQuery


def answer(**columns: list[object]) -> MapPoints:
    n = len(next(iter(columns.values())))
    rows: dict[str, list[object]] = {name: [None] * n for name in MapQuery.answer.names}
    rows |= {"row": list(range(n)), "x": [0.5] * n, "y": [0.5] * n, "cluster": [0] * n}
    table = pa.Table.from_pydict({**rows, **columns}, schema=MapQuery.answer)
    said = {
        "of": "documents",
        "method": "PaCMAP 1",
        "seed": "0",
        "made": "2026-01-02T03:04:05+00:00",
        "n_map": "1200",
        "n_fitted": "1200",
        "n": str(n),
        "n_shown": str(n),
        "columns": json.dumps(["kind"]),
        "notes": json.dumps(["A note."]),
    }
    return MapPoints(table.replace_schema_metadata(said))


def test_values_are_shades_and_nothing_is_not_a_little() -> None:
    colours = answer(value=[0.0, 0.01, 4.0, 8.0, None]).colours
    assert colours.are_shades
    assert colours.index == (-1, 0, SHADES // 2, SHADES - 1, -1)
    assert colours.names[0] == "0 to 1"


def test_values_below_nothing_are_shades_too() -> None:
    colours = answer(value=[-8.0, 0.0, 8.0]).colours
    assert colours.index == (0, SHADES // 2, SHADES - 1)


def test_one_value_alone_has_a_shade() -> None:
    assert answer(value=[3.0, 3.0]).colours.index == (SHADES - 1, SHADES - 1)
    assert answer(value=[0.0]).colours.index == (-1,)


def test_the_largest_groups_have_hues_and_the_others_share_one() -> None:
    kinds: list[object] = [f"k{i:02}" for i in range(MOST_CATEGORIES + 3)]
    colours = answer(category=[*kinds, "k11", None]).colours
    assert colours.names[0] == "k11"
    assert colours.names[-1] == "3 others"
    assert len(colours.names) == MOST_CATEGORIES + 1
    assert colours.index[11] == colours.index[-2] == 0
    assert colours.index[-3] == MOST_CATEGORIES
    assert colours.index[-1] == -1
    assert not colours.are_shades


def test_without_either_clusters_have_hues() -> None:
    colours = answer(cluster=[2, 1, 2]).colours
    assert colours.names == ("cluster 2", "cluster 1")
    assert colours.index == (0, 1, 0)


def test_an_answer_without_points_has_none() -> None:
    assert answer(value=[]).colours.index == ()


@pytest.mark.parametrize("shown", [repr, lambda points: points._repr_html_()])
def test_it_says_how_the_map_was_made(shown: object) -> None:
    text = shown(answer(value=[1.0], text=["a\x1bb"]))  # type: ignore[operator]
    assert "1,200 documents by PaCMAP 1, seed 0, 2026-01-02 03:04:05 UTC" in text
    assert "A note." in text
    assert "\x1b" not in text
