"""Agreement of explainers, against a plain computation over every pair of labels."""

import re
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from saelake.store.engine import Engine
from saelake.store.errors import NotFound
from saelake.store.format.schema import LABELS_COLUMNS
from saelake.store.labels.labels import write_labels
from saelake.store.labels.written import set_labels
from saelake.store.lake.lake import Lake
from saelake.store.requests.agreement import AgreementQuery
from tests.lakes import make_lake

EXPLAINERS = ("auto:a", "auto:b", "gpt", "me")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    folder = tmp_path_factory.mktemp("agreement") / "lake"
    return make_lake(folder, n_documents=10, n_features=6).lake


def asked(lake: Lake, **query: Any) -> list[dict[str, Any]]:
    found = Engine(lake.uri).ask(AgreementQuery(dictionary="random", **query)).read_all()
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows


def words(row: dict[str, Any]) -> set[str]:
    text = row["label"].lower()
    if row["explainer"].startswith("auto:"):
        text = text.replace("fires on ", "").replace("also on ", "")
    return {word for word in re.findall(r"\w+", text) if word not in ENGLISH_STOP_WORDS}


def expected(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for a, b in combinations(EXPLAINERS, 2):
        pairs = [
            (x, y)
            for x in rows
            for y in rows
            if (x["explainer"], y["explainer"]) == (a, b) and x["feature"] == y["feature"]
        ]
        if not pairs:
            continue
        same = [x["label"].lower() == y["label"].lower() for x, y in pairs]
        shares = []
        for (x, y), is_same in zip(pairs, same, strict=True):
            both, either = words(x) & words(y), words(x) | words(y)
            shares.append(len(both) / len(either) if either else float(is_same))
        comparable = a.startswith("auto:") == b.startswith("auto:")
        cosines = [
            np.dot(x["embedding"], y["embedding"])
            / (np.linalg.norm(x["embedding"]) * np.linalg.norm(y["embedding"]))
            for x, y in pairs
            if comparable and x["embedding"] and y["embedding"] and x["embedder"] == y["embedder"]
        ]
        found.append(
            {
                "explainer_a": a,
                "explainer_b": b,
                "n": len(pairs),
                "n_same": sum(same),
                "jaccard": pytest.approx(np.mean(shares)),
                "n_cosine": len(cosines),
                "cosine": pytest.approx(np.mean(cosines), abs=1e-6) if cosines else None,
            }
        )
    return found


labels = st.sampled_from(["rain and snow", "Rain and snow", "snow", "the", "sun", "of the"])
vectors = st.none() | st.lists(st.sampled_from([0.5, 1.0, -1.0]), min_size=2, max_size=2)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "feature": st.integers(0, 5),
            "explainer": st.sampled_from(EXPLAINERS),
            "label": labels,
            "embedder": st.sampled_from(["m", "m", "n"]),
            "embedding": vectors,
        }
    ),
    unique_by=lambda row: (row["feature"], row["explainer"]),
    max_size=20,
)


@settings(max_examples=60, deadline=None)
@given(rows=rows)
def test_pairs_of_explainers_agree_as_much_as_their_labels(
    lake: Lake, rows: list[dict[str, Any]]
) -> None:
    for row in rows:
        if row["explainer"].startswith("auto:"):
            row["label"] = f"fires on {row['label']}; also on fog"
    there = {row["explainer"] for row in rows}
    empty = [
        {"feature": 0, "explainer": name, "label": " ", "embedder": None, "embedding": None}
        for name in EXPLAINERS
        if name not in there
    ]  # which is none, and takes the place of what was there before
    write_labels(lake, "random", pa.Table.from_pylist([*rows, *empty], LABELS_COLUMNS))
    assert asked(lake) == expected(rows)


def test_only_pairs_of_those_that_are_named(lake: Lake) -> None:
    for name in ("x", "y", "z"):
        set_labels(lake, "random", {1: "rain"}, explainer=name)
    (row,) = asked(lake, explainers=("x", "z"))
    assert (row["explainer_a"], row["explainer_b"], row["jaccard"]) == ("x", "z", 1.0)
    assert asked(lake, explainers=("x",)) == []
    with pytest.raises(NotFound):
        Engine(lake.uri).ask(AgreementQuery(dictionary="nothing"))
