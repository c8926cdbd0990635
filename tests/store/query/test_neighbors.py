"""Features with near decoder directions, against NumPy."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from saelake.store.engine import Engine
from saelake.store.errors import InvalidInput, NotFound
from saelake.store.format.schema import LABELS_COLUMNS
from saelake.store.index import vectors as module
from saelake.store.index.vectors import write_vectors
from saelake.store.labels.labels import write_labels
from saelake.store.lake.lake import Lake
from saelake.store.requests.neighbors import NeighborsQuery

N_FEATURES, WIDTH = 60, 6

Floats = npt.NDArray[np.float32]


@pytest.fixture(scope="module")
def directions() -> Floats:
    """Some are the same: features that were trained twice."""
    random = np.random.default_rng(0)
    made = random.normal(size=(N_FEATURES, WIDTH))
    made[20:24] = made[5]
    unit: Floats = (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
    return unit


@pytest.fixture
def lake(tmp_path: Path, directions: Floats) -> Lake:
    made = Lake(str(tmp_path / "lake"))
    write_vectors(
        made.decoder("sae"), WIDTH, "f", [(np.arange(N_FEATURES, dtype=np.uint64), directions)]
    )
    return made


def neighbors(lake: Lake, feature: int, k: int = 10) -> list[tuple[int, float]]:
    query = NeighborsQuery(dictionary="sae", feature=feature, k=k)
    rows = Engine(lake.uri).ask(query).read_all().to_pylist()
    return [(row["feature"], row["cosine"]) for row in rows]


@pytest.mark.parametrize("k", [1, 7, 59, 1000])
@pytest.mark.parametrize("feature", [0, 5, 22, 59])
def test_neighbors_are_those_of_brute_force(
    lake: Lake, directions: Floats, feature: int, k: int
) -> None:
    cosines = directions @ directions[feature]
    others = [other for other in range(N_FEATURES) if other != feature]
    expected = sorted(others, key=lambda other: (-round(float(cosines[other]), 5), other))[:k]
    found = neighbors(lake, feature, k)
    assert [other for other, _ in found] == expected
    np.testing.assert_allclose([cosine for _, cosine in found], cosines[expected], atol=1e-6)


def test_many_features_are_found_in_lists(
    lake: Lake, directions: Floats, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists that are not probed are not in the answer, which then is shorter than asked for."""
    monkeypatch.setattr(module, "FLAT_VECTORS", 10)
    found = neighbors(lake, 5, N_FEATURES)
    assert {20, 21, 22, 23} <= {feature for feature, _ in found[:4]}
    features = [feature for feature, _ in found]
    assert len(set(features)) == len(features) < N_FEATURES - 1
    assert 5 not in features


def test_neighbors_have_their_labels(lake: Lake) -> None:
    rows = [{"feature": 20, "label": "rain", "explainer": "me"}]
    write_labels(lake, "sae", pa.Table.from_pylist(rows, LABELS_COLUMNS))
    query = NeighborsQuery(dictionary="sae", feature=5, k=2)
    answer = Engine(lake.uri).ask(query).read_all()
    assert answer["label"].to_pylist() == ["rain", None]


@pytest.mark.parametrize("feature", [60, 10**12, -1])
def test_a_feature_that_is_not_there_is_named(lake: Lake, feature: int) -> None:
    with pytest.raises(NotFound, match=f"no feature {feature}: its features are 0 to 59"):
        neighbors(lake, feature)


def test_a_dictionary_without_directions_says_what_to_do(lake: Lake) -> None:
    with pytest.raises(NotFound, match=r"'other'.*saelake encode"):
        Engine(lake.uri).ask(NeighborsQuery(dictionary="other", feature=1))


def test_wrong_questions_are_not_asked() -> None:
    with pytest.raises(InvalidInput, match="k must"):
        NeighborsQuery(dictionary="sae", feature=1, k=0)
