"""Automatic labels: the words of the typical range, what they cover, and how well they predict."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from saelake.store.engine import Engine
from saelake.store.errors import NotFound
from saelake.store.format.sampling import TokenSample
from saelake.store.format.schema import LABELS_COLUMNS
from saelake.store.growth import label_evidence
from saelake.store.growth.delete import delete_documents
from saelake.store.growth.index import index
from saelake.store.growth.label import label_collection
from saelake.store.growth.label_evidence import held_back
from saelake.store.labels.labels import LabelsTable, write_labels
from saelake.store.lake.lake import CollectionName
from saelake.store.requests.features import FeaturesQuery
from saelake.store.requests.labels import LabelsQuery
from saelake.store.snapshot.session import Session
from saelake.store.tables.tables import overwrite
from tests.lakes import MadeLake, make_lake
from tests.sampled import add_sample


@pytest.fixture(params=["plain", "signed"])
def made(request: pytest.FixtureRequest, tmp_path: Path) -> MadeLake:
    """Of 30 features, or of as many poles."""
    signed = request.param == "signed"
    made = make_lake(
        tmp_path / "lake",
        n_documents=150,
        n_features=15 if signed else 30,
        signed=signed,
        density=0.05,
        n_indexed=3,
        failed={(5, 0)},
        tokens=(1, 12),
    )
    delete_documents(made.lake, "made", ids=["d7"])
    return made


def label(made: MadeLake) -> dict[int, dict[str, Any]]:
    label_collection(Session(made.lake), str(made.name))
    return labels(made)


def labels(made: MadeLake, **query: Any) -> dict[int, dict[str, Any]]:
    asked = LabelsQuery(**{"dictionary": made.name.dictionary, "k": None, **query})
    rows = made.unsigned(Engine(made.lake.uri).ask(asked).read_all().to_pylist())
    return {row["feature"]: row for row in rows}


def words_of(row: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The words of the strongest tokens, and those of the bulk."""
    parts = row["label"].split("; ")
    also = [p.removeprefix("also on ").split(", ") for p in parts if p.startswith("also on ")]
    return parts[0].removeprefix("fires on ").split(", "), also[0] if also else []


def masses(made: MadeLake, *, held: bool | None, deleted: int = -1) -> dict[int, dict[str, float]]:
    """The activation of each feature by word, in documents held back, or not, or all (None)."""
    found: dict[int, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for code in made.codes:
        if code.doc != deleted and held in (None, bool(held_back(np.array([code.doc]))[0])):
            found[code.feature][made.words[code.doc][code.position]] += code.value
    return found


def test_a_fifth_of_the_documents_is_held_back_by_their_numbers() -> None:
    held = held_back(np.arange(20_000))
    assert held.mean() == pytest.approx(0.2, abs=0.01)
    assert (held == held_back(np.arange(20_000))).all()


def test_a_label_has_the_words_of_most_activation(made: MadeLake) -> None:
    found, mine = label(made), masses(made, held=False, deleted=7)
    n_typical = 0
    for feature, row in found.items():
        strongest, also = words_of(row)
        rest = {w: mass for w, mass in mine[feature].items() if w not in strongest}
        assert sorted((rest[w] for w in also), reverse=True) == [rest[w] for w in also]
        # of the 13 words with the most, those that are not among the strongest
        most = sorted(mine[feature].values(), reverse=True)[:13]
        assert all(mine[feature][word] >= most[-1] for word in also)
        assert len(also) == min(len([w for w in rest if rest[w] >= most[-1]]), 8)
        n_typical += len(also)
    assert n_typical > 30


def test_coverage_is_the_share_of_activation_on_its_words(made: MadeLake) -> None:
    found, every = label(made), masses(made, held=None, deleted=7)
    for feature, row in found.items():
        on = set().union(*words_of(row))
        whole = sum(every[feature].values())
        expected = sum(mass for word, mass in every[feature].items() if word in on) / whole
        assert row["coverage"] == pytest.approx(expected)
    assert min(row["coverage"] for row in found.values()) < 1


def test_a_score_is_of_the_documents_held_back(made: MadeLake) -> None:
    found = label(made)
    docs = [d for d in np.flatnonzero(held_back(np.arange(150))).tolist() if d not in (5, 7)]
    values = np.nan_to_num(made.embeddings())
    n_with = {w: sum(w in made.words[d] for d in docs) for d in docs for w in made.words[d]}
    n_scored = 0
    for feature, row in found.items():
        fires = values[docs, feature] > 0
        assert (row["n_positive"], row["n_negative"]) in (
            (fires.sum(), (~fires).sum()),
            (0, 0),  # it fires in no other documents
        )
        if min(fires.sum(), (~fires).sum()) < 5:
            assert row["score"] is None
            continue
        on = set().union(*words_of(row))
        rarity = [
            round(sum(np.log(len(docs) / n_with[w]) for w in on & {*made.words[d]}), 9)
            for d in docs
        ]
        assert row["score"] == pytest.approx(roc_auc_score(fires, rarity))
        assert row["score_low"] < row["score"] < row["score_high"]
        assert row["scored_on"] == row["corpus"] == "made"
        n_scored += 1
    assert n_scored > 5


def test_labels_are_not_made_of_documents_held_back(tmp_path: Path) -> None:
    """A feature that fires on one word elsewhere, and on another in those held back."""
    made = make_lake(tmp_path / "lake", n_documents=120, n_features=30, n_indexed=3, density=0.02)
    found = label(made)
    mine, held = masses(made, held=False), masses(made, held=True)
    n_held = 0
    for feature, row in found.items():
        on = set().union(*words_of(row))
        assert on <= set(mine[feature] or held[feature])
        n_held += len(set(held[feature]) - on)
    assert n_held > 0


def test_a_feature_that_fires_only_where_held_back_has_a_label_without_a_score(
    tmp_path: Path,
) -> None:
    made = make_lake(tmp_path / "lake", n_documents=60, n_features=80, n_indexed=3, density=0.003)
    found = label(made)
    mine, held = masses(made, held=False), masses(made, held=True)
    only = [feature for feature in held if not mine[feature]]
    assert only
    assert set(found) == {f for f in (*mine, *held) if mine[f] or held[f]}
    for feature in only:
        assert found[feature]["score"] is None
        assert (found[feature]["n_positive"], found[feature]["n_negative"]) == (0, 0)


def test_of_a_large_collection_a_share_of_documents_is_looked_at(
    made: MadeLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = label(made)
    monkeypatch.setattr(label_evidence, "MOST_CODES", len(made.codes) // 3)
    some = label(made)
    assert some.keys() == whole.keys()
    n = max(row["n_positive"] + row["n_negative"] for row in some.values())
    of_all = max(row["n_positive"] + row["n_negative"] for row in whole.values())
    assert 0 < n < 0.7 * of_all
    monkeypatch.undo()
    monkeypatch.setattr(label_evidence, "MOST_SCORED", 10)
    few = label(made)
    assert 0 < max(row["n_positive"] + row["n_negative"] for row in few.values()) < 20


# --- labels of others ---


def imported(made: MadeLake, *rows: dict[str, Any]) -> None:
    write_labels(
        made.lake,
        made.name.dictionary,
        pa.Table.from_pylist([{"explainer": "gpt", **row} for row in rows], LABELS_COLUMNS),
    )


def test_imported_labels_are_scored_by_their_words(made: MadeLake) -> None:
    own = label(made)
    best = max(own, key=lambda f: own[f]["score"] or 0)
    common = next(iter(set(words_of(own[best])[0])))
    imported(
        made,
        {"feature": best, "label": f"the {common}, of words that nobody has"},
        {"feature": best + 1, "label": "scored elsewhere", "score": 0.25},
    )
    found = label(made)
    assert found[best]["explainer"] == "gpt"
    assert found[best]["score"] is not None
    assert (found[best]["corpus"], found[best]["scored_on"]) == (None, "made")
    assert (found[best + 1]["score"], found[best + 1]["scored_on"]) == (0.25, None)
    assert label(made) == found


# --- whose labels ---


def two_corpora(tmp_path: Path) -> tuple[MadeLake, MadeLake]:
    first = make_lake(tmp_path / "lake", n_documents=60, n_indexed=3, density=0.1)
    name = CollectionName("other", "random")
    second = make_lake(
        tmp_path / "lake", n_documents=60, n_indexed=3, seed=3, density=0.1, name=name
    )
    return first, second


def test_a_collections_own_labels_come_first_and_others_are_marked(tmp_path: Path) -> None:
    first, second = two_corpora(tmp_path)
    mine = label(first)
    assert {row["corpus"] for row in labels(second, dictionary="other/random").values()} == {"made"}
    of_other = Engine(first.lake.uri).ask(FeaturesQuery(collection="other/random", k=1))
    assert of_other.read_all()["label"][0].as_py().startswith("(made) fires on ")
    label(second)
    for corpus in ("made", "other"):
        found = labels(first, dictionary=f"{corpus}/random")
        assert {row["corpus"] for row in found.values()} == {corpus}
        rows = Engine(first.lake.uri).ask(FeaturesQuery(collection=f"{corpus}/random", k=None))
        for row in rows.read_all().to_pylist():
            own = found[row["feature"]]
            assert (row["label"], row["label_corpus"]) == (own["label"], corpus)
            assert row["label_score"] == own["score"]
            assert row["label_coverage"] == own["coverage"]
    assert labels(first, dictionary="made/random") == mine
    every = labels(first)
    assert all(row["corpus"] in row["explainer"] for row in every.values())
    unseen = LabelsTable.open(first.lake, "random").of([0])[0]
    assert unseen is not None
    assert unseen.startswith(f"({every[0]['corpus']}) ")


def test_a_collection_that_is_not_there_has_no_labels(made: MadeLake) -> None:
    label(made)
    with pytest.raises(NotFound, match="no collection elsewhere/random"):
        labels(made, dictionary="elsewhere/random")


def test_a_table_of_an_earlier_saelake_is_read_and_continued(tmp_path: Path) -> None:
    first, second = two_corpora(tmp_path)
    label(first)
    before = LabelsTable.open(first.lake, "random")
    names = ["feature", "label", "explainer", "score", "embedder", "embedding"]
    rows = before.read(names)
    no_score = rows.set_column(3, "score", pa.nulls(rows.num_rows, pa.float32()))
    overwrite(first.lake.labels("random"), no_score)
    found = labels(first)
    assert {row["corpus"] for row in found.values()} == {"made"}
    assert {row["coverage"] for row in found.values()} == {None}
    label(second)
    assert {row["corpus"] for row in labels(first, dictionary="made/random").values()} == {"made"}
    assert labels(first, dictionary="made/random")[0]["score"] is None


# --- a least score ---


def test_a_least_score_leaves_out_labels(made: MadeLake) -> None:
    found = label(made)
    least = float(np.median([row["score"] for row in found.values() if row["score"] is not None]))
    good = labels(made, min_score=least)
    assert set(good) == {
        f
        for f, row in found.items()
        if row["score"] is not None and row["score"] >= np.float32(least)
    }
    assert 0 < len(good) < len(found)
    some = [*good][:2] + [f for f in found if f not in good][:2]
    assert list(labels(made, features=tuple(some), min_score=least)) == some[:2]


def test_a_label_of_a_sample_is_of_its_tokens(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_documents=100, n_indexed=3)
    sampled = add_sample(made, TokenSample(fraction=0.5, seed=3))
    index(made.lake, sampled.name)
    held = masses(sampled, held=None)
    for row in label(sampled).values():
        on = set().union(*words_of(row))
        mine = held[row["feature"]]
        covered = sum(mass for word, mass in mine.items() if word in on) / sum(mine.values())
        assert row["coverage"] == pytest.approx(covered)
