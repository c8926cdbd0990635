"""What changes a lake is the same by every face."""

import gzip
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import saelake
from saelake.lake import Lake
from saelake.store.errors import (
    AccessDenied,
    AlreadyExists,
    Conflict,
    CorpusError,
    InvalidInput,
    NotFound,
)
from saelake.store.health.repair import repair
from saelake.store.lake.jobs import JobLog, JobRecord
from saelake.store.lake.lake import Lake as StoredLake
from saelake.store.service.changes import Allowed
from tests.contract.conftest import made_anew
from tests.contract.faces import Faces
from tests.lakes import MadeLake, add_dictionary, make_lake
from tests.served import changeable
from tests.store.health.test_repair import (
    change_postings,
    change_rows,
    covered_twice,
    other_tokens,
)

NAME = "made/random"


@pytest.fixture(scope="module")
def opened(place: Path, changing_face: str, faces: Faces) -> Iterator[Lake]:
    made_anew(place, seed=5)
    with faces.open(changing_face, str(place), "admin") as lake:
        yield lake


@pytest.fixture
def made(opened: Lake, place: Path, fresh_s: float) -> MadeLake:
    return made_anew(place, seed=5, settle_s=fresh_s)


@pytest.fixture
def lake(opened: Lake, made: MadeLake) -> Lake:
    """The lake by a face, made anew."""
    return opened


def told(lake: Lake) -> dict[int, tuple[str, str]]:
    return {row.feature: (row.label, row.explainer) for row in lake[NAME].labels(k=None)}


def test_a_label_is_written_read_and_taken_back(lake: Lake) -> None:
    report = lake[NAME].label(3, "rain and storms", explainer="me")
    assert report == saelake.LabelsReport(dictionary="random", n_labels=1)
    assert told(lake) == {3: ("rain and storms", "me")}
    lake[NAME].label(3, "rain", explainer="me")
    lake.dictionary("random").label(4, "snow")
    assert told(lake) == {3: ("rain", "me"), 4: ("snow", "hand")}
    assert lake.dictionary("random").delete_labels(3, explainer="me").n_labels == 1
    assert lake.dictionary("random").delete_labels(3, explainer="me").n_labels == 0
    assert told(lake) == {4: ("snow", "hand")}
    assert lake.dictionary("random").delete_labels().n_labels == 1
    assert told(lake) == {}


def test_a_label_written_twice_is_there_once(lake: Lake) -> None:
    for _ in range(2):
        lake[NAME].label(3, "rain", explainer="me", expect="")
    assert len(lake[NAME].labels(k=None)) == 1


def test_a_label_that_is_not_as_expected_stays(lake: Lake) -> None:
    lake[NAME].label(3, "rain", explainer="me")
    with pytest.raises(Conflict, match="feature 3 is 'rain' now"):
        lake[NAME].label(3, "snow", explainer="me", expect="hail")
    lake[NAME].label(3, "snow", explainer="me", expect="rain")
    assert told(lake) == {3: ("snow", "me")}


def test_labels_that_cannot_be_are_refused(lake: Lake) -> None:
    labels: list[tuple[Any, str, str]] = [
        (10_000, "rain", "no feature"),
        (3, "  ", "empty"),
        (3, "x" * 5000, "characters"),
        ("x", "rain", "no feature"),
        (1.5, "rain", "features must be whole numbers"),
    ]
    for feature, label, said in labels:
        with pytest.raises(InvalidInput, match=said):
            lake[NAME].label(feature, label)
    with pytest.raises(InvalidInput, match="automatic"):
        lake[NAME].label(3, "rain", explainer="auto:made")
    with pytest.raises(NotFound, match="nothing"):
        lake.dictionary("nothing").label(3, "rain")
    assert told(lake) == {}


def test_a_file_of_labels_replaces_what_its_explainer_said(lake: Lake, tmp_path: Path) -> None:
    lake[NAME].label(1, "old", explainer="them")
    lake[NAME].label(2, "mine")
    file = tmp_path / "labels.jsonl.gz"
    rows = [{"index": n, "description": f"about {n}"} for n in (3, 4)]
    file.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    assert lake.import_labels("random", file, explainer="them") == 2
    assert told(lake) == {2: ("mine", "hand"), 3: ("about 3", "them"), 4: ("about 4", "them")}
    (tmp_path / "wrong.json").write_text('{"10000": "far"}')
    with pytest.raises(InvalidInput, match="another dictionary"):
        lake.import_labels("random", tmp_path / "wrong.json")


ROWS = [{"id": f"n{i}", "text": f"w{i} rain", "year": 1990 + i} for i in range(5)]


def test_documents_are_imported(lake: Lake) -> None:
    seen: list[int] = []
    report = lake.import_corpus(ROWS, "new", on_progress=seen.append)
    assert (report.corpus, report.n_documents, report.first_doc) == ("new", 5, 0)
    assert seen[-1] == 5
    again = lake.import_corpus(ROWS, "new")
    assert (again.n_documents, again.n_skipped) == (0, 5)
    (row,) = (row for row in lake.info() if row.corpus == "new")
    assert row.n_documents == 5


def test_what_becomes_of_odd_rows_is_told(lake: Lake, tmp_path: Path) -> None:
    table = pa.table(
        {
            "id": ["a", "b", "a", None],
            "text": pa.array([b"one", b"\xff\xfe", b"three", b"four"], pa.binary()),
            "when": pa.array([1, 2, 3, None], pa.timestamp("ms")),
            "tags": [["x"], [], None, ["y", "z"]],
            "about": [{"n": 1}, {"n": 2}, None, {"n": 4}],
        }
    )
    report = lake.import_corpus(table, "odd", text_column="text")
    assert report.n_documents == 1
    assert sum(report.reasons.values()) == report.n_skipped == 3
    assert any("UTF-8" in reason for reason in report.reasons)
    assert report.examples
    assert all("row" in example for example in report.examples)


def test_an_import_of_a_key_is_done_once(lake: Lake) -> None:
    first = lake.import_corpus(ROWS, "keyed", key="batch-1")
    assert lake.import_corpus(ROWS, "keyed", key="batch-1") == first
    more = [{"id": "later", "text": "w9", "year": 2000}]
    with pytest.raises(AlreadyExists, match="batch-1"):
        lake.import_corpus(more, "keyed", key="batch-1")
    with pytest.raises(AlreadyExists, match="batch-1"):
        lake.import_corpus(ROWS, "keyed", key="batch-1", on_duplicate="update")
    assert lake.import_corpus(more, "keyed", key="batch-2").n_documents == 1
    with pytest.raises(InvalidInput, match="key"):
        lake.import_corpus(ROWS, "keyed", key="../x")


def test_changed_documents_are_updated_skipped_or_refused(lake: Lake) -> None:
    lake.import_corpus(ROWS, "new")
    changed = [{**ROWS[0], "text": "another"}]
    assert lake.import_corpus(changed, "new").n_changed == 1
    with pytest.raises(CorpusError, match="n0"):
        lake.import_corpus(changed, "new", on_duplicate="fail")
    assert lake.import_corpus(changed, "new", on_duplicate="update").n_updated == 1


def test_rows_whose_types_widen_late_are_imported(lake: Lake) -> None:
    rows = [{"id": f"{i}", "text": "w1", "score": 1 if i < 3000 else 0.5} for i in range(3002)]
    assert lake.import_corpus(rows, "wide").n_documents == 3002


def test_files_keep_their_names(lake: Lake, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text('{"text": "w1"}\n{"text": ""}\n')
    report = lake.import_corpus([str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")], "files")
    assert report.n_documents == 2
    assert {example.partition(",")[0].rpartition("/")[2] for example in report.examples} == {
        "a.jsonl",
        "b.jsonl",
    }


def test_documents_are_deleted(lake: Lake) -> None:
    planned = lake.delete("made", ids=["d1", "d2"], dry_run=True)
    assert (planned.n_documents, planned.ids, planned.dry_run) == (2, ("d1", "d2"), True)
    with pytest.raises(Conflict, match="not 5"):
        lake.delete("made", ids=["d1"], expect=5)
    assert lake.delete("made", ids=["d1", "d2"], expect=2).n_left == 28
    with pytest.raises(NotFound, match="d1"):
        lake.delete("made", ids=["d1"])
    where = lake.delete("made", where="label = 'pos'", dry_run=True)
    assert 0 < where.n_documents < 28
    with pytest.raises(InvalidInput, match="which documents"):
        lake.delete("made")


def test_states_are_tagged_compacted_and_cleaned_up(lake: Lake) -> None:
    assert lake.tags() == []
    made = lake.tag("v1")
    assert lake.tags() == [made]
    with pytest.raises(AlreadyExists, match="v1"):
        lake.tag("v1")
    lake.untag("v1")
    assert lake.tags() == []
    with pytest.raises(NotFound, match="v1"):
        lake.untag("v1")
    lake.delete("made", ids=["d1"])
    done = lake.compact("made")
    assert any(each.n_removed == 1 for each in done)
    assert lake.cleanup(older_than=timedelta()).size_bytes > 0
    assert lake.verify().ok


def test_what_is_damaged_is_repaired(lake: Lake, made: MadeLake, tmp_path: Path) -> None:
    assert lake.repair() == lake.repair(NAME) == []
    change_postings(made, covered_twice)
    change_rows(made, other_tokens)
    shutil.copytree(made.lake.uri, tmp_path / "copy")
    assert not lake.verify(NAME).ok
    (done,) = lake.repair(NAME)
    assert (done.collection, done.documents) == (NAME, ("d3", "d7", "d8"))
    assert [done] == repair(StoredLake(str(tmp_path / "copy"))), "as where the lake is"
    assert lake.verify().ok
    assert lake.repair() == [], "again there is nothing to do"
    for wrong in ("made", "made/../x"):
        with pytest.raises(InvalidInput):
            lake.repair(wrong)
    with pytest.raises(NotFound, match="made/nothing"):
        lake.repair("made/nothing")


def test_a_dictionary_is_replaced(lake: Lake, made: MadeLake, fresh_s: float) -> None:
    add_dictionary(made, "other", seed=9)
    time.sleep(fresh_s)
    new = lake["made/other"].tokens(3, k=None)
    assert new != lake[NAME].tokens(3, k=None)
    report = lake.replace("random", "other")
    assert report == saelake.ReplaceReport(dictionary="random", collections=(NAME,))
    time.sleep(fresh_s)
    assert lake[NAME].tokens(3, k=None).to_arrow() == new.to_arrow()
    assert lake.collections() == [NAME]
    with pytest.raises(NotFound, match="other"):
        lake.replace("random", "other")
    with pytest.raises(InvalidInput, match="itself"):
        lake.replace("random", "random")


def test_a_collection_and_a_corpus_are_dropped(lake: Lake, fresh_s: float) -> None:
    with pytest.raises(NotFound, match="made/nothing"):
        lake.drop("made/nothing")
    assert lake.drop(NAME) == (NAME,)
    lake.import_corpus(ROWS, "new")
    time.sleep(fresh_s)
    assert lake.collections() == []
    assert lake.drop("new") == ("new",)
    with pytest.raises(NotFound, match="new"):
        lake.drop("new")


def test_jobs_are_listed_and_those_of_servers_are_cancelled(lake: Lake, place: Path) -> None:
    assert list(lake.jobs()) == []
    log = JobLog(StoredLake(str(place)))
    log.write(JobRecord(corpus="made", id="by-hand", collections=(NAME,), n_total=30, n_tokens=7))
    (job,) = lake.jobs()
    assert (job.id, job.kind, job.corpus, job.collections) == ("by-hand", "encode", "made", (NAME,))
    assert not job.has_ended
    assert [found.id for found in lake.encodes("made")] == ["by-hand"]
    with pytest.raises(InvalidInput, match="Ctrl-C"):
        lake.cancel_job("by-hand")
    for ask in (lake.cancel_job, lambda name: list(lake.watch_job(name))):
        with pytest.raises(NotFound, match="nothing"):
            ask("nothing")
    log.write(JobRecord(corpus="made", id="by-hand", state="failed", problem="disk full"))
    assert [found.problem for found in lake.watch_job("by-hand")] == ["disk full"]
    assert "by-hand" in repr(lake.jobs())


def test_a_process_runs_no_jobs_beside_itself(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_documents=10, seed=5)
    no_program = changeable(made.lake.uri)
    with saelake.connect(made.lake.uri) as embedded, no_program as served:
        for lake in (embedded, served):
            starts: list[Callable[[], object]] = [
                partial(lake.start_index, NAME),
                partial(lake.start_embed, "made"),
                partial(lake.start_label, NAME),
                partial(lake.start_project, NAME),
            ]
            for start in starts:
                with pytest.raises(InvalidInput, match="nothing here that runs jobs"):
                    start()


CHANGES: dict[str, tuple[str, Callable[[Lake], object]]] = {
    "label": ("label", lambda lake: lake[NAME].label(3, "x")),
    "delete labels": ("label", lambda lake: lake.dictionary("random").delete_labels()),
    "import": ("encode", lambda lake: lake.import_corpus(ROWS, "new")),
    "index": ("encode", lambda lake: lake.index(NAME)),
    "encode": ("encode", lambda lake: lake.encode("made", dictionary="random")),
    "embed": ("encode", lambda lake: lake.embed("made")),
    "label by itself": ("encode", lambda lake: lake.label(NAME)),
    "label with a model": ("encode", lambda lake: lake.label(NAME, model="m")),
    "project": ("encode", lambda lake: lake.project(NAME)),
    "cancel": ("encode", lambda lake: lake.cancel_job("x")),
    "annotate": ("encode", lambda lake: lake.annotate("made", {"d1": True}, column="v")),
    "drop column": ("admin", lambda lake: lake.drop_column("made", "v")),
    "delete": ("admin", lambda lake: lake.delete("made", ids=["d1"])),
    "tag": ("admin", lambda lake: lake.tag("v1")),
    "untag": ("admin", lambda lake: lake.untag("v1")),
    "repair": ("admin", lambda lake: lake.repair()),
    "repair one": ("admin", lambda lake: lake.repair(NAME)),
    "compact": ("admin", lambda lake: lake.compact("made")),
    "cleanup": ("admin", lambda lake: lake.cleanup()),
    "replace": ("admin", lambda lake: lake.replace("random", "other")),
    "drop": ("admin", lambda lake: lake.drop("made")),
}


def test_a_server_does_only_what_it_is_allowed(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_documents=10, seed=5)
    file = tmp_path / "labels.json"
    file.write_text('{"3": "x"}')
    changes = {
        **CHANGES,
        "labels": ("label", lambda lake: lake.import_labels("random", file)),
    }
    with changeable(made.lake.uri, Allowed()) as lake:
        for right, change in changes.values():
            with pytest.raises(AccessDenied, match=f"--allow {right}"):
                change(lake)
        assert list(lake.jobs()) == []
        assert lake.tags() == []
        assert lake.verify().ok
        assert told(lake) == {}


def test_what_stays_with_the_lake_says_so(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_documents=10, seed=5)
    with changeable(made.lake.uri) as lake:
        for change in (partial(lake.embed, "made"), partial(lake.label, NAME)):
            with pytest.raises(InvalidInput, match="device cannot be said to a server"):
                change(device="cpu")
        with pytest.raises(InvalidInput, match="no model"):
            lake.import_labels("random", "labels.json", model="m")
        with pytest.raises(InvalidInput, match="unverified"):
            lake.cleanup(unverified=True)


def test_a_lake_as_it_was_is_not_changed(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_documents=10, seed=5)
    with saelake.connect(made.lake.uri) as lake:
        lake.tag("v1")
    with saelake.connect(made.lake.uri, at="v1") as lake:
        for change in (
            lambda: lake[NAME].label(3, "x"),
            lambda: lake.tag("v2"),
            lambda: lake.delete("made", ids=["d1"]),
            lambda: lake.import_corpus(ROWS, "new"),
            lambda: lake.annotate("made", {"d1": True}, column="v"),
            lambda: lake.drop_column("made", "v"),
        ):
            with pytest.raises(InvalidInput, match="only be read"):
                change()


DETECTED = saelake.LabelScore(kind="detection", value=0.75, low=0.5, high=1.0, n=8, by="judge")
EXPLAINED = saelake.LabelMade(
    model="gpt",
    prompt="ab12",
    examples=("d1:3", "d2:4"),
    prompt_tokens=90,
    completion_tokens=7,
    cost=0.25,
    time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
)


def explained(features: range) -> list[saelake.NewLabel]:
    """What one who explains writes of these features, in one batch."""
    return [
        saelake.NewLabel(feature=f, label=f"about {f}", scores=(DETECTED,), made=EXPLAINED)
        for f in features
    ]


def test_labels_come_in_batches_with_scores_and_what_made_them(lake: Lake) -> None:
    dictionary = lake.dictionary("random")
    for features in (range(3), range(3, 6), range(3)):
        report = dictionary.set_labels(explained(features), explainer="gpt", expect="")
        assert report.n_labels == 3
    rows = dictionary.labels(k=None)
    assert [row.feature for row in rows] == list(range(6))
    for row in rows:
        assert (row.score, row.score_kind, row.scores) == (0.75, "detection", (DETECTED,))
        assert row.made == replace(EXPLAINED, n_examples=2)
        assert row.until is None
    assert rows.kinds == {"detection": 6}
    assert lake[NAME].label(3, "about 3", explainer="gpt").n_labels == 1
    assert dictionary.labels(features=3)[0].scores == (DETECTED,), "the same text keeps them"


def test_what_was_said_before_is_asked_for(lake: Lake) -> None:
    for text in ("a", "b", "c"):
        lake[NAME].label(3, text, explainer="me", made=EXPLAINED)
    lake[NAME].label(3, "theirs", explainer="them")
    lake.dictionary("random").delete_labels(3, explainer="them")
    found = lake[NAME].labels(features=[3], history=True)
    assert [(row.label, row.until is None) for row in found] == [
        ("c", True),
        ("theirs", False),
        ("b", False),
        ("a", False),
    ]
    assert found[3].made is not None
    assert found[3].made.model == "gpt"
    mine = lake[NAME].labels(features=[3], explainers="me", history=True)
    assert [row.label for row in mine] == ["c", "b", "a"]
    assert lake.cleanup(older_than=timedelta(0)).n_labels == 0
    assert lake.cleanup(older_than=timedelta(0), former_labels=True).n_labels == 3
    assert [row.label for row in lake[NAME].labels(features=[3], history=True)] == ["c"]


def test_explainers_stand_beside_each_other(lake: Lake) -> None:
    lake[NAME].label(3, "rain and snow", explainer="gpt", scores=[DETECTED])
    lake[NAME].label(3, "rain", explainer="me")
    lake[NAME].label(4, "sun", explainer="me")
    dictionary = lake.dictionary("random")
    each = [(row.feature, row.explainer) for row in dictionary.labels(every_explainer=True)]
    assert each == [(3, "gpt"), (3, "me"), (4, "me")]
    assert [row.explainer for row in dictionary.labels(k=None)] == ["gpt", "me"]
    assert [row.label for row in dictionary.labels(explainers="me")] == ["rain", "sun"]
    assert len(dictionary.labels(explainers=["me", "gpt"], k=1)) == 2
    assert [row.feature for row in dictionary.labels(min_score=0.7)] == [3]
    assert len(dictionary.labels(score="words", min_score=0.1)) == 0
    (pair,) = dictionary.agreement()
    assert (pair.explainer_a, pair.explainer_b, pair.n, pair.jaccard) == ("gpt", "me", 1, 0.5)
    lake[NAME].label(3, "by hand")
    assert dictionary.labels(features=3)[0].explainer == "hand"


def test_a_file_in_parts_keeps_what_was_said_of_other_features(lake: Lake, tmp_path: Path) -> None:
    for name in ("first", "second", "second"):
        file = tmp_path / f"{name}.json"
        features = {"first": (1, 2), "second": (2, 3)}[name]
        file.write_text(json.dumps({str(f): f"{name} {f}" for f in features}))
        assert lake.import_labels("random", file, explainer="gpt", keep_others=True) == 2
    assert {f: text for f, (text, _) in told(lake).items()} == {
        1: "first 1",
        2: "second 2",
        3: "second 3",
    }
    former = [row.label for row in lake[NAME].labels(history=True) if row.until is not None]
    assert former == ["first 2"]
    lake.import_labels("random", tmp_path / "first.json", explainer="gpt")
    assert sorted(told(lake)) == [1, 2]


@pytest.mark.parametrize(
    ("form", "name"), [("json", "l.json"), ("neuronpedia", "l.jsonl.gz"), ("delphi", "folder")]
)
def test_labels_that_are_written_are_taken_again(
    lake: Lake, tmp_path: Path, form: saelake.LabelsForm, name: str
) -> None:
    dictionary = lake.dictionary("random")
    dictionary.set_labels(explained(range(5)), explainer="gpt")
    before = list(dictionary.labels(k=None))
    place = tmp_path / name
    assert dictionary.export_labels(place, form=form) == 5
    dictionary.delete_labels(explainer="gpt")
    assert lake.import_labels("random", place, explainer="gpt") == 5
    after = list(dictionary.labels(k=None))
    if form == "delphi":
        assert [(r.feature, r.label) for r in after] == [(r.feature, r.label) for r in before]
        assert {row.scores for row in after} == {()}
    else:
        assert after == before


def test_provenance_that_cannot_be_is_refused(lake: Lake) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"scores": [saelake.LabelScore(kind="words", value=2.0)]}, "share"),
        ({"scores": [saelake.LabelScore(kind="mood", value=0.5)]}, "choose one of"),  # type: ignore[arg-type]
        ({"scores": [0.5]}, "LabelScore"),
        ({"scores": [DETECTED] * 33}, "32 scores"),
        ({"made": saelake.LabelMade(cost=-1.0)}, "cost"),
        ({"made": saelake.LabelMade(time="now")}, "moment"),  # type: ignore[arg-type]
        ({"made": saelake.LabelMade(model="m" * 2000)}, "characters"),
    ]
    for given, said in wrong:
        with pytest.raises(InvalidInput, match=said):
            lake[NAME].label(3, "rain", **given)
    with pytest.raises(InvalidInput, match="NewLabel"):
        lake.dictionary("random").set_labels([3])  # type: ignore[list-item]
    assert told(lake) == {}
