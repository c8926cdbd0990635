"""Commands that look at documents and features as wholes, and those that name features."""

import json
import re
import shutil
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import saelake
from saelake.answers.correlations import Correlations
from saelake.answers.families import Families
from saelake.lake import Lake
from tests.client.cli.command import asked, run
from tests.encoded import EncodedLake, make_encoded_lake
from tests.tiny import save_dictionary

NAME, OTHER = "words/sae", "words/other"
POSITIVE, NEGATIVE = f"{NAME} where label = 'pos'", f"{NAME} where label = 'neg'"
TEXT = "w1 w2 w3"
FOUND = ["doc", "id", "score", "text", "metadata", "shared_features"]
COMMANDS = [
    "similar",
    "retrieve",
    "select",
    "diff",
    "associate",
    "shares",
    "values",
    "correlate",
    "cluster",
    "match",
    "families",
    "label",
    "labels",
    "neighbors",
    "embed",
]


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> EncodedLake:
    """Encoded by two dictionaries; documents embedded and features labelled by commands."""
    made = make_encoded_lake(tmp_path_factory.mktemp("analyse"), n_documents=60)
    save_dictionary(made.parts / "other", seed=1)
    model, other = str(made.parts / "llama"), str(made.parts / "other")
    saelake.connect(made.lake.uri).encode("words", model=model, dictionary=other)
    embedded = run("embed", "words", "--model", made.sentences, "--lake", made.lake.uri)
    assert embedded.code == 0
    assert "Done: 60 documents of words have dense embeddings" in embedded.err.splitlines()[-1]
    labelled = run("label", NAME, "--lake", made.lake.uri)
    assert labelled.code == 0
    assert f"features of {NAME} have automatic labels" in labelled.err.splitlines()[-1]
    return made


@pytest.fixture(scope="module")
def lake(encoded: EncodedLake) -> Lake:
    return saelake.connect(encoded.lake.uri)


def document(encoded: EncodedLake, *arguments: str) -> Any:
    """The one JSON document that a command prints."""
    printed = asked(*arguments, "--lake", encoded.lake.uri, "--format", "json")
    assert printed.count("\n") == 1
    return json.loads(printed)


def plain(rows: Any) -> Any:
    """Rows as JSON has them."""
    return json.loads(json.dumps(rows, default=datetime.isoformat))


# --- JSON ---


def test_similar_documents_are_hits(encoded: EncodedLake, lake: Lake) -> None:
    answer = document(encoded, "similar", NAME, "--id", "d3", "-k", "4")
    assert list(answer) == ["recall", "hits"]
    assert answer["recall"] == 1, "a small lake is searched exactly"
    assert len(answer["hits"]) == 4
    for hit in answer["hits"]:
        assert list(hit) == FOUND
        assert list(hit["shared_features"][0]) == ["feature", "label", "share", "value"]
    assert answer["hits"] == plain(lake[NAME].similar(id="d3", k=4).to_dicts())


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        (["--id", "d3", "--doc", "d5", "--all"], {"id": ["d3", "d5"], "k": None}),
        (["--text", TEXT, "--method", "hybrid"], {"text": TEXT, "method": "hybrid"}),
        (["--text", TEXT, "--about", "w4", "--exact"], {"text": TEXT, "about": "w4"}),
        (
            ["--features", "12:1.0,30:0.5,7", "--where", "label = 'pos'"],
            {"features": {12: 1.0, 30: 0.5, 7: 1.0}, "where": "label = 'pos'"},
        ),
        (
            ["--id", "d3", "--pooling", "mean", "--measure", "dot", "--idf"],
            {"id": "d3", "pooling": "mean", "measure": "dot", "idf": True},
        ),
        (
            ["--id", "d3", "--within", "1,2,3,4,5,6,7,8", "--weights", "2:3,3:0"],
            {"id": "d3", "within": range(1, 9), "weights": {2: 3.0, 3: 0.0}},
        ),
    ],
)
def test_options_of_similar_are_those_of_the_library(
    encoded: EncodedLake, lake: Lake, options: list[str], arguments: dict[str, Any]
) -> None:
    expected = lake[NAME].similar(**arguments).to_dicts()
    assert document(encoded, "similar", NAME, *options)["hits"] == plain(expected)


def test_a_property_is_retrieved(encoded: EncodedLake, lake: Lake) -> None:
    options = ["-k", "5", "--method", "sae", "--features", "9", "--where", "label = 'neg'"]
    answer = document(encoded, "retrieve", NAME, TEXT, *options)
    assert list(answer) == ["phrase", "hits"]
    expected = lake[NAME].retrieve(TEXT, 5, method="sae", n_features=9, where="label = 'neg'")
    assert answer == {"phrase": TEXT, "hits": plain(expected.to_dicts())}


def test_documents_are_selected(encoded: EncodedLake, lake: Lake) -> None:
    pool, target = (lake[NAME].where(f"label = '{label}'") for label in ("pos", "neg"))
    answer = document(encoded, "select", POSITIVE, NEGATIVE, "-k", "3")
    assert answer == {"notes": [], "hits": plain(pool.select(target, 3).to_dicts())}
    answer = document(encoded, "select", POSITIVE, NEGATIVE, "--all", "--no-idf")
    found = pool.select(target, None, idf=False)
    assert answer == {"notes": list(found.notes), "hits": plain(found.to_dicts())}


def test_a_diff_counts_both_sides(encoded: EncodedLake, lake: Lake) -> None:
    answer = document(encoded, "diff", POSITIVE, NEGATIVE)
    assert list(answer)[:6] == ["n_a", "n_b", "others", "n_tested", "test", "unit"]
    assert answer["others"] == [NEGATIVE]
    assert list(answer)[-2:] == ["notes", "rows"]
    assert answer["n_a"] + answer["n_b"] == 60
    contract = ["feature", "frequency_a", "frequency_b", "difference", "p_value", "q_value"]
    for row in answer["rows"]:
        assert {*contract, "label"} <= set(row)
        assert row["difference"] == row["frequency_a"] - row["frequency_b"]
        assert row["against"] == NEGATIVE
    sizes = [abs(row["difference"]) for row in answer["rows"]]
    assert len(sizes) == 20
    assert sizes == sorted(sizes, reverse=True)
    first, second = (lake[NAME].where(f"label = '{label}'") for label in ("pos", "neg"))
    assert answer["rows"] == plain(first.diff(second).to_dicts())


def test_options_of_diff_are_those_of_the_library(encoded: EncodedLake, lake: Lake) -> None:
    first, second = (lake[NAME].where(f"label = '{label}'") for label in ("pos", "neg"))
    limits = ["--min-coverage", "0.1", "--max-coverage", "0.9", "--order", "relative"]
    shown = document(
        encoded, "diff", POSITIVE, NEGATIVE, NAME, "--all", "--unit", "token", "--threshold", "0.5",
        *limits, "--no-examples",
    )  # fmt: skip
    expected = first.diff(
        second,
        lake[NAME],
        k=None,
        unit="token",
        threshold=0.5,
        min_coverage=0.1,
        max_coverage=0.9,
        order="relative",
        examples=False,
    )
    assert shown["rows"] == plain(expected.to_dicts())
    assert (shown["n_a"], shown["n_b"]) == (expected.n_a, expected.n_b)
    aligned = document(encoded, "diff", POSITIVE, NAME, "--align", "label")
    assert "mean difference within each label" in aligned["test"]
    assert len(document(encoded, "diff", POSITIVE, NEGATIVE, "--all")["rows"]) > 20


def test_tests_of_diff_are_those_of_the_library(encoded: EncodedLake, lake: Lake) -> None:
    first, second = (lake[NAME].where(f"label = '{label}'") for label in ("pos", "neg"))
    held = document(
        encoded, "diff", POSITIVE, NEGATIVE, "--control", "length", "--confirm",
        "--confirm-share", "0.4", "--level", "0.9",
    )  # fmt: skip
    expected = first.diff(second, control="length", confirm=True, confirm_share=0.4, level=0.9)
    assert held["rows"] == plain(expected.to_dicts())
    assert held["notes"] == list(expected.notes)
    assert (held["level"], held["confirm_share"]) == (0.9, 0.4)
    twice = document(encoded, "diff", POSITIVE, NEGATIVE, "--control", "length,label")
    again = ["--control", "length", "--control", "label"]
    assert twice == document(encoded, "diff", POSITIVE, NEGATIVE, *again)
    assert twice["rows"] == plain(first.diff(second, control=["length", "label"]).to_dicts())
    clustered = document(encoded, "diff", POSITIVE, NEGATIVE, "--cluster-by", "label")
    assert clustered["rows"] == plain(first.diff(second, cluster_by="label").to_dicts())


def as_typed(answered: Correlations | Families) -> dict[str, Any]:
    """What an answer says of itself, with options as they are typed."""
    notes = [note.replace("control=length", "--control length") for note in answered.notes]
    return {**answered.about, "notes": notes}


def test_other_analyses_are_documents_too(encoded: EncodedLake, lake: Lake) -> None:
    c = lake[NAME]
    shown = document(
        encoded, "shares", NAME, "3 & !9", "--by", "label", "--order", "value", "--all"
    )
    counted = c.shares("3 & !9", by="label", order="value", k=None)
    assert shown == plain({**counted.about, "rows": counted.to_dicts()})
    assert [row["value"] for row in shown["rows"]] == ["neg", "pos"]
    valued = document(encoded, "values", NAME, "label", "--order", "value", "--all")
    listed = c.values("label", order="value", k=None)
    assert valued == plain({**listed.about, "rows": listed.to_dicts()})
    assert [row["where"] for row in valued["rows"]] == ["label = 'neg'", "label = 'pos'"]
    associated = document(encoded, "associate", NAME, "label", "--min-documents", "2", "--all")
    expected = c.associate("label", min_documents=2, k=None)
    options = ["--control", "length", "--confirm", "--level", "0.9"]
    within = document(encoded, "associate", NAME, "label", *options, "--confirm-share", "0.4")
    answer = c.associate("label", control="length", confirm=True, confirm_share=0.4, level=0.9)
    assert within == plain({**answer.about, "rows": answer.to_dicts()})
    assert {"statistic", "n", "n_tested", "test", "control", "notes"} < set(associated)
    assert associated == plain({**expected.about, "rows": expected.to_dicts()})
    options = ["--min-npmi", "0.1", "--min-documents", "2", "--features", "3,9"]
    pairs = document(encoded, "correlate", NAME, *options)
    correlated = c.correlate(min_npmi=0.1, min_documents=2, features=[3, 9])
    assert pairs["n"] == 60
    assert correlated.notes[0].endswith("; try control=length.")
    assert pairs == plain({**as_typed(correlated), "pairs": correlated.to_dicts()})
    pairs = document(encoded, "correlate", NAME, *options, "--control", "length,label")
    assert pairs["control"] == "length in 11 bins; label (2 values)"
    again = ["--control", "label", "--control", "length"]
    both = document(encoded, "correlate", NAME, *options, *again)
    assert both["control"] == "label (2 values); length in 11 bins"
    assert len(both["pairs"]) == len(pairs["pairs"]) > 0
    two = document(encoded, "correlate", NAME, NAME, "--align", "label", "--min-npmi", "0")
    assert two["n"] > 0
    groups = document(encoded, "cluster", NAME, "-n", "3", "--seed", "2", "--where", "length(id)>2")
    assert list(groups) == ["n", "n_left_out", "clusters"]
    clusters = c.cluster(3, seed=2, where="length(id)>2")
    assert groups["clusters"] == plain(clusters.to_dicts())
    about = document(encoded, "cluster", NAME, "-n", "2", "--about", TEXT, "--method", "jaccard")
    assert sum(row["n_documents"] for row in about["clusters"]) == about["n"]
    some = document(encoded, "cluster", NAME, "-n", "2", "--features", "1,2,3,4")
    assert some["n"] + some["n_left_out"] == 60
    matched = document(encoded, "match", NAME, OTHER, "--features", "3,9", "-k", "2")
    expected_matches = c.match(lake[OTHER], features=[3, 9], k=2)
    assert matched == {
        "notes": list(expected_matches.notes),
        "matches": plain(expected_matches.to_dicts()),
    }
    options = ["--by", "decoder", "--features", "3", "--where", "label = 'pos'"]
    by_decoder = document(encoded, "match", NAME, OTHER, *options)
    assert [row["feature_a"] for row in by_decoder["matches"]] == [3]
    families = document(encoded, "families", NAME, "--min-npmi", "0.2", "--min-documents", "2")
    grouped = c.families(min_npmi=0.2, min_documents=2)
    assert families == plain({**as_typed(grouped), "families": grouped.to_dicts()})


def test_names_are_documents_too(encoded: EncodedLake, lake: Lake) -> None:
    named = lake.dictionary("sae")
    expected = plain(named.labels(k=20).to_dicts())
    assert document(encoded, "labels", "sae") == {"labels": expected}
    assert document(encoded, "labels", "sae", "--features", "9,3") == {
        "labels": plain(named.labels(features=[9, 3]).to_dicts())
    }
    near = document(encoded, "labels", "sae", TEXT, "-k", "3")
    assert near == {"labels": plain(named.labels(TEXT, 3).to_dicts())}
    assert len(document(encoded, "labels", "sae", "--all")["labels"]) > 20
    assert document(encoded, "neighbors", "sae", "3", "-k", "2") == {
        "feature": 3,
        "neighbors": plain(named.neighbors(3, 2).to_dicts()),
    }


def test_labels_come_from_a_file(encoded: EncodedLake, tmp_path: Path) -> None:
    file = tmp_path / "labels.json"
    file.write_text(json.dumps({"3": "rain", "9": "sun"}))
    copied = str(shutil.copytree(encoded.lake.uri, tmp_path / "lake"))
    arguments = ["label", "other", "--file", str(file), "--model", encoded.sentences]
    ran = run(*arguments, "--explainer", "me", "--lake", copied)
    assert ran.code == 0
    assert ran.err.splitlines()[-1] == f"Done: 2 labels of other from {file}"
    found = json.loads(asked("labels", "other", "rain", "--lake", copied, "-f", "json"))["labels"]
    assert {(row["feature"], row["label"], row["explainer"]) for row in found} == {
        (3, "rain", "me"),
        (9, "sun", "me"),
    }


def test_answers_are_tables_too(encoded: EncodedLake, lake: Lake) -> None:
    arguments = ["diff", POSITIVE, NEGATIVE, "--no-examples", "--lake", encoded.lake.uri]
    ran = run(*arguments, "--format", "arrow")
    assert ran.code == 0
    table = pa.ipc.open_stream(ran.raw).read_all()
    assert table.column_names[:4] == ["feature", "frequency_a", "frequency_b", "difference"]
    lines = asked(*arguments, "--format", "csv").splitlines()
    assert lines[0].startswith("feature,frequency_a,frequency_b,difference,")
    assert len(lines) == 1 + 20


# --- for people ---

SHOWN: dict[str, tuple[list[str], list[str]]] = {
    "similar": (["similar", NAME, "--id", "d3"], ["shares", "label="]),
    "similar to nothing": (["similar", NAME, "--id", "d3", "--where", "doc < 0"], ["No document"]),
    "retrieve": (["retrieve", NAME, TEXT], ["shares"]),
    "select": (["select", POSITIVE, NEGATIVE], ["shares"]),
    "diff": (["diff", POSITIVE, NEGATIVE], ["a words/sae where label = 'pos'", "<<", "tested"]),
    "diff of many": (
        ["diff", POSITIVE, NEGATIVE, NAME],
        [f"b1 {NEGATIVE}", f"b2 {NAME}", "`against` says with which", "corrected for this choice"],
    ),
    "diff confirmed": (["diff", POSITIVE, NEGATIVE, "--confirm"], ["of the documents chose"]),
    "associate": (["associate", NAME, "label"], ["effect", "60 documents", "Mann-Whitney"]),
    "associate within": (
        ["associate", NAME, "label", "--control", "length", "--confirm"],
        ["effect", "length in", "q again", "of the documents chose"],
    ),
    "shares": (["shares", NAME, "3", "--by", "label"], ["share", "pos", "chi-squared", "%"]),
    "shares of the rest": (["shares", NAME, "3", "--by", "label", "-k", "1"], ["others (1 value)"]),
    "shares of nothing": (
        ["shares", NAME, "3", "--by", "label", "--where", "label = 'x'"],
        ["no documents"],
    ),
    "values": (["values", NAME, "label"], ["label: 2 values in", "pos", "%"]),
    "values of the rest": (["values", NAME, "label", "-k", "1"], ["others (1 value)"]),
    "values of nothing": (
        ["values", NAME, "label", "--where", "label = 'x'"],
        ["0 values in 0 documents"],
    ),
    "correlate within": (
        ["correlate", NAME, "--min-npmi", "-1", "--min-documents", "1", "--control", "length"],
        ["controlled", "Mantel-Haenszel"],
    ),
    "correlate": (["correlate", NAME, "--min-npmi", "0.1", "--min-documents", "2"], ["NPMI"]),
    "no correlation": (["correlate", NAME, "--min-npmi", "1"], ["lower --min-npmi"]),
    "cluster": (["cluster", NAME, "-n", "2"], ["cluster 0", "inside", "documents"]),
    "cluster in few": (["cluster", NAME, "-n", "2", "--features", "1,2"], ["none of the features"]),
    "match": (["match", NAME, OTHER, "--features", "3"], ["score"]),
    "families": (["families", NAME, "--min-npmi", "0.2", "--min-documents", "2"], ["mean NPMI"]),
    "no families": (["families", NAME, "--min-npmi", "1"], ["No features fire"]),
    "labels": (["labels", "sae"], ["auto:words", "fires on"]),
    "neighbors": (["neighbors", "sae", "3"], ["cosine"]),
}


@pytest.mark.parametrize("shown", SHOWN)
@pytest.mark.parametrize("columns", [40, 120])
def test_answers_are_shown_within_the_width(
    encoded: EncodedLake, shown: str, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saelake.cli.show.screen.out.width", columns)
    arguments, parts = SHOWN[shown]
    printed = asked(*arguments, "--lake", encoded.lake.uri)
    words = " ".join(printed.split())
    for part in parts:
        assert part in words
    assert max(map(len, printed.splitlines())) <= columns


# --- help and mistakes ---


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command: str) -> None:
    shown = asked(command, "--help")
    assert f"Usage: saelake {command}" in shown
    assert "Example" in shown
    assert shown.count(f"saelake {command}") >= 2


@pytest.mark.parametrize("command", [c for c in COMMANDS if c not in ("label", "embed")])
def test_questions_are_asked_of_a_lake_or_a_server(command: str) -> None:
    shown = asked(command, "--help")
    for option in ("--lake", "--server", "--token-file", "--format"):
        assert option in shown


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["similar", NAME], 2, "one thing"),
        (["similar", NAME, "--id", "d1", "--text", "x"], 2, "one thing"),
        (["similar", NAME, "--id", "nobody"], 1, "nobody"),
        (["similar", NAME, "--features", "12:x"], 2, "12:1.0,30:0.5"),
        (["similar", NAME, "--features", "99"], 1, "no feature 99"),
        (["similar", NAME, "--id", "d1", "--within", "a"], 2, "12,34"),
        (["similar", NAME, "--id", "d1", "--measure", "l2"], 2, "'cosine'"),
        (["similar", NAME, "--id", "d1", "-k", "0"], 2, "k must"),
        (["similar", "words/none", "--id", "d1"], 1, "no collection words/none"),
        (["retrieve", NAME, " "], 2, "phrase is empty"),
        (["retrieve", OTHER, TEXT], 1, "saelake label"),
        (["select", NAME, f"{NAME} where doc < 0"], 2, "No feature fires"),
        (["select", NAME, "words"], 2, "corpus/dictionary"),
        (["diff", NAME], 2, "Missing argument 'SELECTION"),
        (["diff", NAME, f"{NAME} if x"], 2, "is not a selection"),
        (["diff", NAME, f"{NAME} where colour = 1"], 2, "colour"),
        (["diff", NAME, f"{NAME} where doc < 0"], 2, "nothing can be compared"),
        (["diff", NAME, OTHER], 1, "different dictionaries"),
        (["diff", NAME, NAME, "--min-coverage", "2"], 2, "share"),
        (["diff", NAME, NAME, "--align", "colour"], 2, "colour"),
        (["associate", NAME, "colour"], 2, "colour"),
        (["associate", NAME, "label", "--cluster-by", "colour"], 2, "colour"),
        (["associate", NAME, "label", "--control", "length,colour"], 2, "colour"),
        (["families", NAME, "--control", "colour"], 2, "colour"),
        (["associate", NAME], 2, "COLUMN"),
        (["shares", NAME, "3"], 2, "--by"),
        (["shares", NAME, "3", "--by", "colour"], 2, "colour"),
        (["shares", NAME, "3", "--by", "label", "--bins", "3"], 2, "leave out bins"),
        (["values", NAME], 2, "COLUMN"),
        (["values", NAME, "colour"], 2, "colour"),
        (["values", NAME, "label", "--bins", "3"], 2, "leave out bins"),
        (["values", NAME, "label", "--bins", "1"], 2, "from 2 to"),
        (["correlate", NAME, NAME], 2, "align"),
        (["correlate", NAME, "--min-npmi", "2"], 2, "NPMI"),
        (["cluster", NAME, "-n", "1"], 2, "at least 2"),
        (["cluster", NAME, "-n", "61"], 2, "cannot make 61"),
        (["cluster", NAME, "--features", "1", "--about", "x"], 2, "Give either"),
        (["match", NAME, "words/none"], 1, "words/none"),
        (["families", NAME, "--min-documents", "0"], 2, "min_documents"),
        (["labels", "none"], 1, "no dictionary 'none'"),
        (["labels", "sae", "x", "--features", "1"], 2, "not both"),
        (["neighbors", "sae", "64"], 1, "no feature 64"),
        (["neighbors", "sae", "x"], 2, "'x' is no feature"),
        (["label", "words/none"], 1, "words/none"),
        (["label", OTHER], 1, "saelake index words/other"),
        (["label", "sae", "--file", "nowhere.json"], 1, "nowhere.json"),
        (["label", NAME, "--explainer", "me"], 2, "--file"),
        (["embed", "words", "--model", "./nowhere"], 1, "nowhere"),
        (["embed", "none", "--model", "nowhere"], 1, "none"),
        (["embed", "words"], 2, "--model"),
    ],
)
def test_a_mistake_is_one_line(
    encoded: EncodedLake,
    arguments: list[str],
    code: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SAELAKE_LAKE", encoded.lake.uri)
    monkeypatch.chdir(tmp_path)
    ran = run(*arguments)
    *before, last = ran.err.splitlines()
    assert said in last
    assert last.startswith("Error: ")
    assert (ran.code, ran.out) == (code, "")
    assert not [line for line in before if not line.endswith("…")], "only progress before it"


def test_what_stands_for_a_phrase_is_shown(encoded: EncodedLake) -> None:
    asking = ["retrieve", NAME, TEXT, "--features", "5", "--method", "sae", "--chosen"]
    hits = document(encoded, *asking)
    lake = saelake.connect(encoded.lake.uri)
    expected = lake[NAME].retrieve(TEXT, method="sae", n_features=5)
    rows = [asdict(feature) for feature in expected.chosen]
    assert {row.pop("pole") for row in rows} == {None}  # only of signed dictionaries is it said
    assert hits["chosen"] == rows
    assert len(expected.chosen) == 5
    assert {feature.corpus for feature in expected.chosen} == {"words"}
    shown = run(*asking, "--lake", encoded.lake.uri).out
    first = expected.chosen[0]
    assert re.search(rf"{first.feature} +{first.weight:.3f} +{first.similarity:.3f}", shown)
    assert "stands for the phrase by" in shown
    about = document(encoded, "similar", NAME, "--doc", "3", "--about", TEXT, "--chosen")
    assert {"feature", "label", "weight", "corpus"} <= set(about["chosen"][0])
    groups = ["cluster", NAME, "-n", "2", "--about", TEXT, "--chosen"]
    assert document(encoded, *groups)["chosen"]
    assert "stands for the phrase" in run(*groups, "--lake", encoded.lake.uri).out
    assert document(encoded, "similar", NAME, "--doc", "3", "--chosen")["chosen"] == []


def test_labels_of_a_collection_with_scores(encoded: EncodedLake) -> None:
    lake = saelake.connect(encoded.lake.uri)
    mine = lake[NAME].labels(k=None)
    assert document(encoded, "labels", NAME, "--all") == {"labels": plain(mine.to_dicts())}
    scores = [row.score for row in mine if row.score is not None]
    least = sorted(scores)[len(scores) // 2]
    kept = lake[NAME].labels(k=None, min_score=least)
    assert 0 < len(kept) < len(mine)
    found = document(encoded, "labels", NAME, "--all", "--min-score", str(least))
    assert found == {"labels": plain(kept.to_dicts())}
    best = kept[0]
    shown = run("labels", NAME, "--features", str(best.feature), "--lake", encoded.lake.uri).out
    assert f"{best.score:.2f}" in shown
    assert f"{best.score_low:.2f}-{best.score_high:.2f}" in shown
    assert best.coverage is not None
    assert f"{best.coverage:.0%}" in shown
    features = run("features", NAME, str(best.feature), "--lake", encoded.lake.uri).out
    assert f"{best.score:.2f} fires on" in features
    asked = ["retrieve", NAME, TEXT, "--min-score", "1", "--lake", encoded.lake.uri]
    assert "score of at least 1" in run(*asked).err


def test_shares_have_bars_where_there_is_room(
    encoded: EncodedLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saelake.cli.show.screen.out.width", 80)
    printed = asked("shares", NAME, "3", "--by", "label", "--lake", encoded.lake.uri)
    header, *rows = printed.splitlines()[-3:]
    assert header.split() == ["label", "share", "95%", "interval", "documents", "firing", "lift"]
    shown = saelake.connect(encoded.lake.uri)[NAME].shares(3, by="label")
    for line, row in zip(rows, shown, strict=True):
        assert line.split()[:2] == [row.value, f"{row.share:.1%}"]
        assert row.interval in line
        largest = max(each.ci_high for each in shown)
        assert line.count("█") == round(16 * row.share / largest)


def test_values_have_bars_and_filters_where_there_is_room(
    encoded: EncodedLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saelake.cli.show.screen.out.width", 80)
    printed = asked("values", NAME, "label", "--lake", encoded.lake.uri)
    header, *rows = printed.splitlines()[-3:]
    assert header.split() == ["label", "documents", "share", "where"]
    shown = saelake.connect(encoded.lake.uri)[NAME].values("label")
    largest = max(each.n_documents for each in shown)
    for line, row in zip(rows, shown, strict=True):
        assert line.split()[:3] == [row.value, str(row.n_documents), f"{row.share:.1%}"]
        assert line.count("█") == round(12 * row.n_documents / largest)
        assert row.where is not None
        assert line.rstrip().endswith(row.where)
