"""Labels that several write at once are all there."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest

from saelake.store.errors import Conflict
from saelake.store.format.schema import LABELS_COLUMNS
from saelake.store.labels.labels import LabelsTable, write_labels
from saelake.store.labels.written import delete_labels, set_labels
from saelake.store.lake.lake import Lake
from saelake.store.tables.tables import overwrite
from tests.lakes import make_lake

DICTIONARY = "random"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return make_lake(tmp_path / "lake", n_documents=10, seed=5).lake


def told(lake: Lake) -> set[tuple[int, str, str]]:
    rows = LabelsTable.open(lake, DICTIONARY).read(["feature", "label", "explainer"]).to_pylist()
    found = [(row["feature"], row["label"], row["explainer"]) for row in rows]
    assert len(found) == len(set(found))
    return set(found)


def test_writers_at_once_lose_nothing(lake: Lake) -> None:
    def write(feature: int) -> None:
        set_labels(lake, DICTIONARY, {feature: f"about {feature}"}, explainer=f"by {feature % 3}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(8)))
    assert told(lake) == {(n, f"about {n}", f"by {n % 3}") for n in range(8)}


def test_others_labels_keep_their_vectors_and_scores(lake: Lake) -> None:
    row = {"feature": 1, "label": "theirs", "explainer": "them", "score": 0.5}
    whole = {**row, "embedder": "m", "embedding": [0.25, 0.5]}
    write_labels(lake, DICTIONARY, pa.Table.from_pylist([whole], LABELS_COLUMNS))
    before = LabelsTable.open(lake, DICTIONARY).read(LABELS_COLUMNS.names)
    set_labels(lake, DICTIONARY, {1: "mine", 2: "also"}, explainer="me")
    assert delete_labels(lake, DICTIONARY, explainer="me") == 2
    assert LabelsTable.open(lake, DICTIONARY).read(LABELS_COLUMNS.names).equals(before)


def test_the_same_again_commits_nothing(lake: Lake) -> None:
    set_labels(lake, DICTIONARY, {1: "a", 2: "b"}, explainer="me")
    before = LabelsTable.open(lake, DICTIONARY).key
    set_labels(lake, DICTIONARY, {1: "a", 2: "b"}, explainer="me", expect="")
    delete_labels(lake, DICTIONARY, explainer="nobody")
    assert LabelsTable.open(lake, DICTIONARY).key == before


def test_nothing_is_written_where_one_is_not_as_expected(lake: Lake) -> None:
    set_labels(lake, DICTIONARY, {1: "a"}, explainer="me")
    with pytest.raises(Conflict, match="feature 1"):
        set_labels(lake, DICTIONARY, {1: "b", 2: "c"}, explainer="me", expect="")
    assert told(lake) == {(1, "a", "me")}


def test_labels_of_an_earlier_saelake_are_kept(lake: Lake) -> None:
    """Whose table had fewer columns."""
    earlier = pa.schema(list(LABELS_COLUMNS)[:6])
    row = {"feature": 1, "label": "old", "explainer": "them"}
    overwrite(lake.labels(DICTIONARY), pa.Table.from_pylist([row], earlier))
    set_labels(lake, DICTIONARY, {2: "new"}, explainer="me")
    assert told(lake) == {(1, "old", "them"), (2, "new", "me")}
