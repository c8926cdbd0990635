"""Scores and provenance of labels: which one ranks, what stays, and what was said before."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saelake.store.engine import Engine
from saelake.store.errors import Conflict, InvalidInput
from saelake.store.format.provenance import (
    RANKING,
    LabelMade,
    LabelScore,
    check_made,
    check_scores,
    ranking,
)
from saelake.store.format.schema import LABELS_COLUMNS
from saelake.store.growth.clean_up import clean_up
from saelake.store.labels import commits
from saelake.store.labels.labels import LabelsTable, write_labels
from saelake.store.labels.rows import label_row
from saelake.store.labels.written import delete_labels, set_labels
from saelake.store.lake.lake import Lake
from saelake.store.requests.commands.labels import NewLabel
from saelake.store.requests.labels import LabelsQuery
from saelake.store.tables.tables import Table, overwrite
from tests.lakes import make_lake

D = "random"
DETECTED = LabelScore(kind="detection", value=0.75, low=0.6, high=0.9, n=40, by="judge", on="made")
FUZZED = LabelScore(kind="fuzzing", value=0.9)
INTRUDED = LabelScore(kind="intruder", value=1.0, n=3)
MADE = LabelMade(
    model="gpt", prompt="ab12", examples=("d1:3", "d2:4"), prompt_tokens=9, cost=0.5,
    time=datetime(2026, 1, 2, tzinfo=UTC),
)  # fmt: skip


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return make_lake(tmp_path / "lake", n_documents=10, n_features=20, seed=5).lake


def asked(lake: Lake, **query: Any) -> list[dict[str, Any]]:
    found = Engine(lake.uri).ask(LabelsQuery(dictionary=D, **query)).read_all()
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows


def write(lake: Lake, *labels: NewLabel, explainer: str = "gpt", **more: Any) -> None:
    set_labels(lake, D, labels, explainer=explainer, **more)


def new(feature: int, label: str, *scores: LabelScore, made: LabelMade | None = None) -> NewLabel:
    return NewLabel(feature=feature, label=label, scores=scores, made=made)


def test_a_label_has_its_scores_and_what_made_it(lake: Lake) -> None:
    write(lake, new(3, "rain", INTRUDED, FUZZED, DETECTED, made=MADE))
    (row,) = asked(lake)
    assert (row["score"], row["score_kind"]) == (0.75, "detection")
    assert row["score_low"] == pytest.approx(0.6)
    assert row["scored_on"] == "made"
    assert [score["kind"] for score in row["scores"]] == ["intruder", "fuzzing", "detection"]
    assert row["scores"][2]["by"] == "judge"
    assert row["made"]["time"] == MADE.time
    assert (row["made"]["n_examples"], row["made"]["examples"]) == (2, ["d1:3", "d2:4"])
    (fuzzed,) = asked(lake, score="fuzzing", min_score=0.8)
    assert (fuzzed["score"], fuzzed["score_kind"]) == (pytest.approx(0.9), "fuzzing")
    assert asked(lake, min_score=0.8) == [], "fuzzing is not compared where detection is known"
    assert asked(lake, score="words", min_score=0.0) == []


kinds = st.sampled_from([*RANKING, "intruder", "simulation"])
a_score = st.builds(LabelScore, kind=kinds, value=st.floats(-1, 1))


@given(st.lists(a_score, max_size=6))
def test_the_score_that_ranks_is_the_first_kind_of_the_order(scores: list[LabelScore]) -> None:
    expected = None
    for kind in RANKING:
        mine = [score for score in scores if score.kind == kind]
        if mine:
            expected = mine[0]
            break
    assert ranking(scores) == expected


rows = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from(["auto:made", "auto:z", "gpt", "hand", "me"]))
    .flatmap(lambda key: st.tuples(st.just(key), st.lists(a_score, max_size=3))),
    unique_by=lambda row: row[0],
    max_size=12,
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(rows=rows)
def test_the_label_that_is_shown_is_by_hand_then_of_the_first_kind_then_largest(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[tuple[int, str], list[LabelScore]]],
) -> None:
    lake = Lake(str(tmp_path_factory.mktemp("lake")))
    table = [label_row(f, f"{f} by {e}", e, scores) for (f, e), scores in rows]
    write_labels(lake, D, pa.Table.from_pylist(table, LABELS_COLUMNS))

    def order(row: tuple[tuple[int, str], list[LabelScore]]) -> tuple[Any, ...]:
        (_, explainer), scores = row
        best = ranking(scores)
        who = {"hand": 0, "auto:made": 2, "auto:z": 3}.get(explainer, 1)
        kind = len(RANKING) if best is None else RANKING.index(best.kind)
        return who, kind, -np.float32(best.value) if best else 0.0, explainer

    found = LabelsTable.open(lake, D, "made")
    shown = dict(
        zip(found.best["feature"].to_pylist(), found.best["label"].to_pylist(), strict=True)
    )
    features = {f for (f, _), _ in rows}
    mine = {f: sorted((row for row in rows if row[0][0] == f), key=order) for f in features}
    assert shown == {f: f"{f} by {mine[f][0][0][1]}" for f in features}
    each = found.each.select(["feature", "explainer"]).to_pylist()
    said = [(f, row[0][1]) for f in sorted(features) for row in mine[f]]
    assert [(row["feature"], row["explainer"]) for row in each] == said


def test_of_the_same_text_all_stays_that_is_not_said_anew(lake: Lake) -> None:
    write(lake, new(3, "rain", DETECTED, made=MADE))
    before = LabelsTable.open(lake, D).key
    write(lake, new(3, "rain"))
    write(lake, new(3, "rain", DETECTED))
    write(lake, new(3, "rain", made=LabelMade(model="gpt", prompt="ab12")), expect="")
    assert LabelsTable.open(lake, D).key == before
    write(lake, new(3, "rain", FUZZED))
    (row,) = asked(lake)
    assert {score["kind"] for score in row["scores"]} == {"detection", "fuzzing"}
    assert row["made"]["time"] == MADE.time
    write(lake, new(3, "snow"))
    (row,) = asked(lake)
    assert (row["scores"], row["made"]["model"]) == (None, None)


def test_the_same_batch_again_commits_nothing(lake: Lake) -> None:
    batch = [new(f, f"about {f}", DETECTED, made=MADE) for f in range(10)]
    write(lake, *batch)
    key = LabelsTable.open(lake, D).key
    write(lake, *batch, expect="")
    write(lake, *[new(f, f"about {f}") for f in range(10)])
    assert LabelsTable.open(lake, D).key == key


def test_a_vector_stays_with_its_text(lake: Lake) -> None:
    row = {
        "feature": 1,
        "label": "rain",
        "explainer": "gpt",
        "embedder": "m",
        "embedding": [1.0, 2],
    }
    write_labels(lake, D, pa.Table.from_pylist([row], LABELS_COLUMNS))
    write(lake, new(1, "rain", DETECTED), new(2, "sun"))
    read = LabelsTable.open(lake, D).read(["feature", "embedder", "embedding"])
    kept = {row["feature"]: row for row in read.to_pylist()}
    assert (kept[1]["embedder"], kept[1]["embedding"]) == ("m", [1.0, 2.0])
    assert kept[2]["embedding"] is None
    write(lake, new(1, "snow"))
    assert LabelsTable.open(lake, D).read(["embedding"])["embedding"].null_count == 2


# --- what was said before ---


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["gpt", "me"]),
            st.dictionaries(st.integers(0, 3), st.sampled_from(["a", "b", None]), min_size=1),
        ),
        max_size=8,
    ),
    most_small=st.sampled_from([0, 1, 16]),
)
def test_history_has_everything_that_was_said_in_order(
    tmp_path_factory: pytest.TempPathFactory,
    steps: Sequence[tuple[str, dict[int, str | None]]],
    most_small: int,
) -> None:
    """Against a plain log, with small fragments merged often, seldom and not."""
    lake = make_lake(tmp_path_factory.mktemp("h") / "lake", n_documents=10, n_features=4).lake
    said: dict[tuple[int, str], str] = {}
    former: list[tuple[int, str, str]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(commits, "MOST_SMALL", most_small)
        for explainer, labels in steps:
            for feature, text in labels.items():
                before = said.pop((feature, explainer), None)
                if before is not None and before != text:
                    former.insert(0, (feature, explainer, before))
                if text is not None:
                    said[feature, explainer] = text
            kept = {f: text for f, text in labels.items() if text is not None}
            gone = [f for f, text in labels.items() if text is None]
            if kept:
                set_labels(lake, D, kept, explainer=explainer)
            if gone:
                delete_labels(lake, D, explainer=explainer, features=gone)
    found = asked(lake, history=True, k=None)
    now = {(r["feature"], r["explainer"]): r["label"] for r in found if r["until"] is None}
    assert now == said
    for feature in range(4):
        for explainer in ("gpt", "me"):
            mine = [
                row["label"]
                for row in found
                if (row["feature"], row["explainer"]) == (feature, explainer) and row["until"]
            ]
            assert mine == [t for f, e, t in former if (f, e) == (feature, explainer)]
    assert asked(lake, k=None, every_explainer=True) == [r for r in found if r["until"] is None]


def test_history_is_of_features_and_explainers_and_is_no_label(lake: Lake) -> None:
    for text in ("a", "b", "c"):
        write(lake, new(3, text), new(4, text))
        write(lake, new(3, f"{text}!"), explainer="me")
    found = asked(lake, features=(3,), explainers=("gpt",), history=True)
    assert [row["label"] for row in found] == ["c", "b", "a"]
    assert [row["until"] is None for row in found] == [True, False, False]
    assert found[1]["until"] > found[2]["until"] > found[2]["made"]["time"]
    assert [row["label"] for row in asked(lake, features=(3,))] == ["c"]
    assert len(LabelsTable.open(lake, D)) == 2


def test_clean_up_keeps_history_unless_it_is_told(lake: Lake) -> None:
    for text in ("a", "b", "c"):
        write(lake, new(3, text))
    assert clean_up(lake, older_than=timedelta(0)).n_labels == 0
    assert len(asked(lake, history=True)) == 3
    assert clean_up(lake, former_labels=True).n_labels == 0, "they are not a week old"
    assert clean_up(lake, older_than=timedelta(0), former_labels=True).n_labels == 2
    assert [row["label"] for row in asked(lake, history=True)] == ["c"]
    assert clean_up(lake, older_than=timedelta(0), former_labels=True).n_labels == 0


def automatic_labels(lake: Lake, *texts: str) -> None:
    """As `saelake label` writes them, with scores of their words."""
    score = LabelScore(kind="words", value=0.5, on="made")
    rows = [label_row(i, text, "auto:made", [score]) for i, text in enumerate(texts)]
    write_labels(lake, D, pa.Table.from_pylist(rows, LABELS_COLUMNS))


def test_an_automatic_label_is_scored_and_keeps_that_where_it_is_made_again(lake: Lake) -> None:
    automatic_labels(lake, "fires on rain", "fires on snow")
    for feature, text in enumerate(("fires on rain", "fires on snow")):
        write(lake, new(feature, text, DETECTED), explainer="auto:made")
    first = asked(lake, k=None)
    assert [row["score_kind"] for row in first] == ["detection"] * 2
    assert [[s["kind"] for s in row["scores"]] for row in first] == [["detection", "words"]] * 2
    automatic_labels(lake, "fires on rain", "fires on hail")
    kept, other = sorted(asked(lake, k=None), key=lambda row: row["feature"])
    assert kept["label"] == "fires on rain"
    assert kept["scores"] == next(row for row in first if row["feature"] == 0)["scores"][::-1]
    assert (other["label"], other["score_kind"]) == ("fires on hail", "words")


def test_a_score_of_an_automatic_label_that_is_not_there_is_a_conflict(lake: Lake) -> None:
    automatic_labels(lake, "fires on rain")
    for feature, text in ((0, "fires on hail"), (1, "fires on rain")):
        with pytest.raises(Conflict, match="any more"):
            write(lake, new(feature, text, DETECTED), explainer="auto:made")
    (row,) = asked(lake)
    assert (row["label"], row["score_kind"]) == ("fires on rain", "words")


def test_small_batches_do_not_make_many_fragments(lake: Lake) -> None:
    for i in range(40):
        write(lake, new(i % 20, f"text {i}"))
    table = Table.open(lake.labels(D))
    assert len(table.fragments) <= commits.MOST_SMALL + 1
    assert len(asked(lake, history=True, k=None)) == 40
    assert len(LabelsTable.open(lake, D)) == 20


def test_a_table_of_an_earlier_saelake_gets_the_columns_and_keeps_its_vectors(lake: Lake) -> None:
    for n_columns in (6, 13):
        earlier = pa.schema(list(LABELS_COLUMNS)[:n_columns])
        row = {"feature": 1, "label": "old", "explainer": "auto:made", "score": 0.5}
        whole = {**row, "embedder": "m", "embedding": [0.5, 1.0], "scored_on": "made"}
        rows = [{k: v for k, v in whole.items() if k in earlier.names}]
        overwrite(lake.labels(D), pa.Table.from_pylist(rows, earlier))
        (old,) = asked(lake)
        kind = "words" if n_columns == 13 else "other"
        assert (old["score_kind"], old["until"]) == (kind, None)
        assert old["scores"][0]["value"] == 0.5
        write(lake, new(2, "new", DETECTED))
        assert {row["label"] for row in asked(lake)} == {"old", "new"}
        vectors = LabelsTable.open(lake, D).read(["feature", "embedding"])
        assert vectors.filter(pc.equal(vectors["feature"], 1))["embedding"].to_pylist() == [
            [0.5, 1.0]
        ]


# --- what cannot be ---


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (LabelScore(kind="words", value=1.5), "share"),
        (LabelScore(kind="words", value=0.5, low=0.6), "interval"),
        (LabelScore(kind="words", value=0.5, n=-1), "less than 0"),
        (LabelScore(kind="words", value=0.5, by="x" * 1001), "at most"),
    ],
)
def test_scores_that_cannot_be_are_refused(score: LabelScore, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        check_scores((score,))


def test_what_cannot_have_made_a_label_is_refused() -> None:
    with pytest.raises(InvalidInput, match="2 are named"):
        check_made(LabelMade(n_examples=3, examples=("a", "b")))
    with pytest.raises(InvalidInput, match="cost"):
        check_made(LabelMade(cost=-1.0))
    with pytest.raises(InvalidInput, match="32"):
        check_scores((FUZZED,) * 33)


def test_questions_that_cannot_be_meant_are_refused() -> None:
    with pytest.raises(InvalidInput, match="no text"):
        LabelsQuery(dictionary=D, text="rain", history=True)
    with pytest.raises(InvalidInput, match="not both"):
        LabelsQuery(dictionary=D, explainers=("a",), every_explainer=True)
