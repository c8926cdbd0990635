"""Files of labels: of delphi, of Neuronpedia and our own, in and out, and what is none."""

import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saelake.exports import LabelsForm, write_labels
from saelake.store.errors import InvalidInput, NotFound
from saelake.store.format.areas import Z
from saelake.store.format.poles import numbered
from saelake.store.format.provenance import (
    LabelMade,
    LabelScore,
    made_in,
    made_row,
    score_rows,
    scores_in,
)
from saelake.store.labels.accuracy import balanced, share
from saelake.store.labels.files import read_labels

MODULE = "layers.4"


def read(path: Path, **options: Any) -> list[dict[str, Any]]:
    return list(read_labels(path, **options))


# --- delphi ---


def judged(*answers: tuple[bool, bool | None]) -> list[dict[str, Any]]:
    """What `ClassifierOutput` becomes: whether it fires, and what the judge said."""
    return [
        {
            "str_tokens": ["a", " b"],
            "activations": [0.0, 1.0],
            "distance": 3,
            "activating": truth,
            "prediction": said,
            "probability": None,
            "correct": None if said is None else said == truth,
        }
        for truth, said in answers
    ]


def put(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(json.dumps(value, ensure_ascii=False).encode())


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder as delphi leaves it."""
    folder = tmp_path / "results"
    for latent, text in ((0, "rain & «日本»"), (12, "sun\nand sea"), (7, "snow")):
        put(folder / "explanations" / f"{MODULE}_latent{latent}.txt", text)
    told = judged((True, True), (True, False), (False, False), (False, None), (False, False))
    put(folder / "scores" / "detection" / f"{MODULE}_latent0.txt", told)
    put(folder / "scores" / "fuzz" / f"{MODULE}_latent0.txt", judged((True, True), (False, True)))
    put(folder / "scores" / "fuzz" / f"{MODULE}_latent7.txt", judged((True, True), (True, None)))
    intruders = [
        {"correct": c, "correct_index": i} for c, i in ((True, 1), (False, 0), (False, -1))
    ]
    put(folder / "scores" / "intruder" / f"{MODULE}_latent7.txt", intruders)
    whole = {"distance": 0, "ev_correlation_score": 0.5, "scored_sequence_simulations": [{}] * 4}
    part = {**whole, "distance": 1, "ev_correlation_score": "nan"}
    put(folder / "scores" / "simulation" / f"{MODULE}_latent12.txt", [part, whole])
    settings_ = {"explainer_model": "a/judge", "cache_cfg": {"dataset_repo": "some/texts"}}
    put(folder / "run_config.json", settings_)
    return folder


def test_what_delphi_wrote_is_read_with_its_scores(results: Path) -> None:
    found = {row["feature"]: row for row in read(results)}
    assert {f: row["label"] for f, row in found.items()} == {
        0: "rain & «日本»",
        7: "snow",
        12: "sun\nand sea",
    }
    assert {row["explainer"] for row in found.values()} == {"a/judge"}
    assert found[7]["made"] == LabelMade(model="a/judge")
    detection, fuzzing = found[0]["scores"]
    assert (detection.kind, detection.value, detection.n) == ("detection", (1 / 2 + 1) / 2, 4)
    assert (detection.by, detection.on) == ("a/judge", "some/texts")
    assert (fuzzing.kind, fuzzing.value) == ("fuzzing", 0.5)
    (intruder,) = found[7]["scores"]  # of fuzzing there was no example of the other kind
    assert (intruder.kind, intruder.value, intruder.n) == ("intruder", 0.5, 2)
    (simulation,) = found[12]["scores"]
    assert (simulation.kind, simulation.value, simulation.n) == ("simulation", 0.5, 4)
    assert read(results / "explanations") == read(results)
    assert {row["explainer"] for row in read(results, explainer="me")} == {"me"}


def test_what_delphi_could_not_explain_is_empty(results: Path) -> None:
    put(results / "explanations" / f"{MODULE}_latent3.txt", "Explanation could not be parsed.")
    assert {row["label"] for row in read(results) if row["feature"] == 3} == {""}


def test_of_two_modules_one_is_named(results: Path) -> None:
    put(results / "explanations" / "layers.5_latent1.txt", "other")
    with pytest.raises(InvalidInput, match=r"of layers\.4, layers\.5: say of which module"):
        read(results)
    assert [row["label"] for row in read(results, source="layers.5")] == ["other"]
    with pytest.raises(InvalidInput, match="none of 'x'"):
        read(results, source="x")


answers = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30)


@given(answers)
def test_balanced_accuracy_and_its_interval_are_those_of_the_formulas(
    told: list[tuple[bool, bool]],
) -> None:
    found = balanced([t for t, _ in told], [s for _, s in told])
    of_kind = {kind: [t == s for t, s in told if t == kind] for kind in (True, False)}
    if not all(of_kind.values()):
        assert found is None
        return
    assert found is not None
    parts = []
    for kind in (True, False):
        n, k = len(of_kind[kind]), sum(of_kind[kind])
        p, z2 = k / n, Z**2
        root = Z * (p * (1 - p) / n + z2 / (4 * n**2)) ** 0.5
        low, high = ((p + z2 / (2 * n) + sign * root) / (1 + z2 / n) for sign in (-1, 1))
        parts.append((p, low, high))
        assert share(k, n) == pytest.approx((p, max(low, 0), min(high, 1)), abs=1e-12)
    (p, pl, ph), (q, ql, qh) = parts
    assert found[0] == pytest.approx((p + q) / 2)
    lowest = (p + q) / 2 - ((p - pl) ** 2 + (q - ql) ** 2) ** 0.5 / 2
    highest = (p + q) / 2 + ((ph - p) ** 2 + (qh - q) ** 2) ** 0.5 / 2
    assert found[1:] == pytest.approx((max(lowest, 0), min(highest, 1)), abs=1e-12)


# --- Neuronpedia ---


def test_scores_of_neuronpedias_explanations_are_read(tmp_path: Path) -> None:
    scores = [
        {"value": 0.8, "explanationScoreTypeName": "eleuther_recall"},
        {"value": 0.7, "explanationScoreTypeName": "eleuther_fuzz"},
        {"value": 0.6, "explanationScoreTypeName": "eleuther_embedding"},
        {"value": 0.5, "explanationScoreTypeName": "recall_alt", "explanationScoreModelName": "m"},
        {"value": None, "explanationScoreTypeName": "recall_alt"},
    ]
    explanation = {"description": "rain", "explanationModelName": "gpt", "scores": scores}
    (tmp_path / "batch-0.jsonl").write_text(json.dumps({"index": 3, **explanation}))
    rows = {"index": "4", "layer": "4-res", "explanations": [explanation, {**explanation}]}
    (tmp_path / "batch-1.jsonl.gz").write_bytes(gzip.compress(json.dumps(rows).encode()))
    found = read(tmp_path)
    assert [row["feature"] for row in found] == [3, 4, 4]
    kinds = [(score.kind, score.value, score.by) for score in found[0]["scores"]]
    assert kinds == [
        ("detection", 0.8, None),
        ("fuzzing", 0.7, None),
        ("embedding", 0.6, None),
        ("other", 0.5, "m"),
    ]


def test_of_two_layers_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "both.jsonl"
    rows = [{"index": i, "layer": f"{i}-res", "description": f"about {i}"} for i in (1, 2)]
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(InvalidInput, match=r"line 2: .* of '1-res' and '2-res'"):
        read(path)
    assert [row["label"] for row in read(path, source="2-res")] == ["about 2"]


# --- there and back ---

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=30).filter(str.strip)
NAME = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
EXPLAINER = NAME.filter(lambda name: name.strip() and not name.startswith("auto:"))
SCORE = st.builds(
    LabelScore,
    kind=st.sampled_from(["detection", "fuzzing", "other", "simulation"]),
    value=st.floats(0, 1),
    low=st.none() | st.just(0.0),
    n=st.none() | st.integers(0, 2**40),
    by=st.none() | NAME,
)
WHAT = st.builds(
    LabelMade,
    model=NAME,
    examples=st.lists(NAME, max_size=2).map(tuple),
    cost=st.none() | st.floats(0, 100),
    time=st.datetimes(timezones=st.just(UTC)),
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "feature": st.integers(0, 2**31),
            "pole": st.sampled_from([None, "+", "-"]),
            "label": TEXT,
            "explainer": EXPLAINER,
            "scores": st.lists(SCORE, max_size=2).map(tuple),
            "made": st.none() | WHAT,
        }
    ),
    max_size=5,
)


def document(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows as an answer's document has them."""

    def made(row: Mapping[str, Any]) -> Any:
        found = made_row(row["made"])
        time = None if found is None else found["time"]
        return None if found is None else {**found, "time": time and time.isoformat()}

    return [{**row, "scores": score_rows(row["scores"]), "made": made(row)} for row in rows]


@pytest.mark.parametrize(
    ("form", "name"),
    [("json", "l.json"), ("neuronpedia", "l.jsonl"), ("neuronpedia", "l.jsonl.gz")],
)
@settings(max_examples=40, deadline=None)
@given(rows=ROWS)
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory,
    form: LabelsForm,
    name: str,
    rows: list[dict[str, Any]],
) -> None:
    path = tmp_path_factory.mktemp("files") / name
    assert write_labels(path, document(rows), form=form, source="l4") == len(rows)
    expected = [
        {
            "feature": numbered(f"{row['pole'] or ''}{row['feature']}"),
            "label": row["label"],
            "explainer": row["explainer"],
            "scores": scores_in(score_rows(row["scores"])),
            "made": made_in(made_row(row["made"])),
        }
        for row in rows
    ]
    assert read(path) == expected


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.integers(0, 2**31), TEXT, min_size=1, max_size=5))
def test_texts_that_are_written_as_delphi_does_are_read_again(
    tmp_path_factory: pytest.TempPathFactory, texts: dict[int, str]
) -> None:
    folder = tmp_path_factory.mktemp("files") / "out"
    rows = [{"feature": f, "label": text, "explainer": "me"} for f, text in texts.items()]
    assert write_labels(folder, rows, form="delphi", source="l4") == len(rows)
    assert {row["feature"]: row["label"] for row in read(folder)} == texts


def test_nothing_half_written_stays(tmp_path: Path) -> None:
    rows = [{"feature": 1, "label": text, "explainer": text} for text in ("a", "b")]
    with pytest.raises(InvalidInput, match="several labels"):
        write_labels(tmp_path / "out", rows, form="delphi", source="l4")
    negative = [{"feature": 1, "pole": "-", "label": "a", "explainer": "a"}]
    with pytest.raises(InvalidInput, match="negative poles"):
        write_labels(tmp_path / "out", negative, form="delphi", source="l4")
    for source in ("a/b", "..", ""):
        with pytest.raises(InvalidInput, match="source"):
            write_labels(tmp_path / "out", rows[:1], form="delphi", source=source)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("")
    with pytest.raises(InvalidInput, match="there already"):
        write_labels(tmp_path / "kept", rows[:1], form="delphi", source="l4")


# --- what is none ---

DEEP = "[" * 200_000
HOSTILE: dict[str, tuple[str, bytes, str]] = {
    "not JSON": ("l.json", b"{", "is not JSON"),
    "deep": ("l.json", DEEP.encode(), "is not JSON"),
    "not text": ("l.json", b"\xff\xfe", "is not JSON"),
    "no object": ("l.json", b"[1]", "holds no object"),
    "a list as a label": ("l.json", b'{"1": ["x"]}', "not a feature number and its label"),
    "half a character": ("l.json", b'{"1": "\\ud800"}', "not a feature number"),
    "a feature in words": ("l.json", b'{"one": "x"}', "not a feature number"),
    "a huge feature": ("l.json", b'{"99999999999999999999999": "x"}', "not a feature number"),
    "a huge label": ("l.json", json.dumps({"1": "x" * 5000}).encode(), "4,000 characters"),
    "a label that is no object": ("l.json", b'{"labels": [1]}', "label 1: not a label"),
    "an automatic explainer": (
        "l.json",
        b'{"labels": [{"feature": 1, "label": "x", "explainer": "auto:made"}]}',
        "automatic",
    ),
    "an explainer of a number": (
        "l.json",
        b'{"labels": [{"feature": 1, "label": "x", "explainer": 7}]}',
        "label 1",
    ),
    "an unknown kind": (
        "l.json",
        b'{"labels": [{"feature": 1, "label": "x", "scores": [{"kind": "x", "value": 1}]}]}',
        "choose one of",
    ),
    "a score that is no number": (
        "l.json",
        b'{"labels": [{"feature": 1, "label": "x", "scores": [{"kind": "words", "value": NaN}]}]}',
        "finite",
    ),
    "a time that is none": (
        "l.json",
        b'{"labels": [{"feature": 1, "label": "x", "made": {"time": "soon"}}]}',
        "label 1",
    ),
    "a line that is none": ("l.jsonl", b'{"index": 1, "description": "x"}\n7', "line 2"),
    "a score beyond": (
        "l.jsonl",
        b'{"index": 1, "description": "x", "scores": [{"value": 1e300}]}',
        "line 1",
    ),
    "no gzip": ("l.jsonl.gz", b"x", "cannot be read"),
    "gzip that is cut off": ("l.jsonl.gz", gzip.compress(b'{"index": 1}' * 99)[:20], "be read"),
    "an explanation of a number": (f"explanations/{MODULE}_latent1.txt", b"7", "no explanation"),
    "an explanation without quotes": (f"explanations/{MODULE}_latent1.txt", b"rain", "not JSON"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_is_no_label_is_one_clear_error(tmp_path: Path, case: str) -> None:
    name, content, said = HOSTILE[case]
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    place = tmp_path if "/" in name else path
    with pytest.raises(InvalidInput, match=said) as told:
        read(place)
    assert str(path) in str(told.value)
    assert len(str(told.value)) < 1000


@pytest.mark.parametrize("content", ['{"a": 1}', "[1]", '[{"activating": 1}]', "7"])
def test_a_score_of_delphis_that_is_none_is_named(results: Path, content: str) -> None:
    path = results / "scores" / "detection" / f"{MODULE}_latent7.txt"
    path.write_text(content)
    with pytest.raises(InvalidInput, match="no score of delphi's detection"):
        read(results)


def test_a_folder_without_labels_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="has no labels"):
        read(tmp_path)
    with pytest.raises(NotFound, match="no file"):
        read(tmp_path / "nowhere")


def test_control_characters_are_kept_in_labels(tmp_path: Path) -> None:
    path = tmp_path / "l.json"
    path.write_text(json.dumps({"1": "rain\x1b[2J\x00\u202e"}))
    assert read(path)[0]["label"] == "rain\x1b[2J\x00\u202e"
