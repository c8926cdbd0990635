"""Poles of a signed dictionary on the command line: -3 is no option."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saelake.store.index.vectors import write_vectors
from tests.client.cli.command import asked, program, run
from tests.lakes import MadeLake, index_as_before, make_lake

NAME = "made/random"
D_SAE = 12


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    folder = tmp_path_factory.mktemp("signed") / "lake"
    made = make_lake(folder, signed=True, n_documents=60, n_indexed=3, n_features=D_SAE)
    directions = np.eye(D_SAE, dtype=np.float32)
    rows = np.arange(D_SAE, dtype=np.uint64)
    write_vectors(made.lake.decoder("random"), D_SAE, "f", [(rows, directions)])
    return made


def answer(made: MadeLake, command: str, *arguments: str) -> Any:
    return json.loads(asked(command, *arguments, "--lake", made.lake.uri, "--format", "json"))


def values(made: MadeLake, *poles: int) -> list[float]:
    signs = {pole: -1 if pole >= D_SAE else 1 for pole in poles}
    found = [signs[c.feature] * c.value for c in made.codes if c.feature in poles]
    return sorted(found, key=abs, reverse=True)


@pytest.mark.parametrize("text", ["-3", "3 < 0", "-3 > 0"])
@pytest.mark.parametrize("place", ["first", "last", "after --"])
def test_a_negative_pole_is_no_option(signed: MadeLake, text: str, place: str) -> None:
    options = ["--lake", signed.lake.uri, "--per", "token", "--all", "-f", "json"]
    arguments = {
        "first": [NAME, text, *options],
        "last": [*options, NAME, text],
        "after --": [*options, NAME, "--", text],
    }[place]
    found = [hit["value"] for hit in json.loads(asked("tokens", *arguments))["hits"]]
    assert found == values(signed, D_SAE + 3)


def test_what_was_asked_is_said(signed: MadeLake) -> None:
    for text, said in (
        ("3", {"feature": 3}),
        ("-3", {"feature": 3, "pole": "-"}),
        ("+3", {"feature": 3, "pole": "+"}),
        ("-0", {"feature": 0, "pole": "-"}),
        ("3 < -1", {"feature": "3 < -1"}),
    ):
        found = answer(signed, "tokens", NAME, text, "-k", "2")
        assert {name: value for name, value in found.items() if name != "hits"} == said
        assert len(found["hits"]) == 2
    both = answer(signed, "tokens", NAME, "3", "--per", "token", "--all")["hits"]
    strengths = [abs(hit["value"]) for hit in both]
    assert strengths == [abs(value) for value in values(signed, 3, D_SAE + 3)]


def test_other_commands_take_poles(signed: MadeLake) -> None:
    rows = answer(signed, "features", NAME, "-3", "4", "-0")["features"]
    assert [(r["feature"], r["pole"]) for r in rows] == [(3, "-"), (4, "+"), (4, "-"), (0, "-")]
    assert all(r["max"] < 0 for r in rows if r["pole"] == "-")
    hits = answer(signed, "similar", NAME, "--features", "-3:1.0,+4:0.5", "--all")["hits"]
    poles = {(s["feature"], s["pole"]) for hit in hits for s in hit["shared_features"]}
    assert poles == {(3, "-"), (4, "+")}
    found = answer(signed, "document", NAME, "--doc", "9", "--features", "-3,-0,4")
    assert set(zip(found["features"], found["poles"], strict=True)) <= {
        (3, "-"), (0, "-"), (4, "+"), (4, "-"),
    }  # fmt: skip
    near = answer(signed, "neighbors", "random", "-3", "-k", "1")
    assert (near["feature"], near["pole"], near["neighbors"][0]["cosine"]) == (3, "-", 0)
    loose = ("--min-npmi", "-1", "--max-coverage", "1")
    pairs = answer(signed, "correlate", NAME, "--features", "-3", *loose)["pairs"]
    assert pairs
    for pair in pairs:
        both = (pair["feature_a"], pair["pole_a"]), (pair["feature_b"], pair["pole_b"])
        assert (3, "-") in both


def test_tables_show_poles(signed: MadeLake) -> None:
    printed = asked("features", NAME, "3", "--lake", signed.lake.uri)
    words = [line.split()[0] for line in printed.splitlines()]
    assert [word for word in words if word[1:].isdecimal()] == ["+3", "-3"]
    printed = asked("document", NAME, "--doc", "9", "--lake", signed.lake.uri)
    assert any(line.split()[:1] and line.split()[0][0] == "-" for line in printed.splitlines())
    csv = asked("features", NAME, "-3", "--lake", signed.lake.uri, "--format", "csv").splitlines()
    assert csv[0].startswith("feature,pole,token_frequency")
    assert csv[1].startswith("3,-,")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("tokens", NAME, "-3"), "is not signed: its features have none"),
        (("tokens", NAME, "3 < -1"), "is not signed"),
        (("shares", NAME, "-3", "--by", "label"), "is not signed: its features have none"),
        (("features", NAME, "-3"), "no feature -3: its features are 0 to 11"),
        (("tokens", NAME, "-3", "--scop", "token"), "unexpected extra argument"),
        (("tokens", NAME, "3", "--scop", "token"), "--scop"),
        (("features", NAME, "oil"), "'oil' is no feature"),
    ],
)
def test_what_cannot_be_meant_of_a_dictionary_that_is_not_signed(
    made: MadeLake, command: tuple[str, ...], said: str
) -> None:
    ran = run(*command, "--lake", made.lake.uri)
    assert ran.code in (1, 2)
    assert said in ran.err
    assert len(ran.err.strip().splitlines()) == 1


def test_answers_of_a_dictionary_that_is_not_signed_have_no_poles(made: MadeLake) -> None:
    for command in (
        ("features", NAME, "-k", "3"),
        ("document", NAME, "--doc", "9"),
        ("similar", NAME, "--doc", "9"),
        ("correlate", NAME, "--min-npmi", "-1"),
        ("families", NAME, "--min-npmi", "-1", "--max-coverage", "1"),
        ("diff", f"{NAME} where label = 'pos'", f"{NAME} where label = 'neg'"),
        ("match", NAME, NAME),
    ):
        assert '"pole' not in asked(*command, "--lake", made.lake.uri, "--format", "json")


def test_a_label_file_names_poles(signed: MadeLake, tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_text('{"-3": "below", "3": "above"}')
    ran = run("label", "random", "--file", str(path), "--lake", signed.lake.uri)
    assert ran.code == 0, ran.err
    rows = answer(signed, "labels", "random", "--features", "-3")["labels"]
    assert [(r["feature"], r["pole"], r["label"]) for r in rows] == [(3, "-", "below")]


@pytest.mark.slow
def test_an_index_from_before_poles_is_said_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_lake(tmp_path, signed=True, by_pole=False, n_indexed=0, seed=2)
    index_as_before(made, monkeypatch)
    ran = program("tokens", NAME, "-3", "--lake", made.lake.uri, "--format", "json")
    (line,) = ran.stderr.splitlines()
    assert line.startswith("Warning: made/random was indexed before the two poles")
    assert "saelake index made/random" in line
    assert json.loads(ran.stdout)["hits"][0]["value"] < 0
    said = program("info", "--lake", made.lake.uri)
    assert "its index is from before both poles" in said.stdout
    assert "run index" in said.stdout
    assert program("index", NAME, "--lake", made.lake.uri).returncode == 0
    assert program("tokens", NAME, "-3", "--lake", made.lake.uri).stderr == ""
    assert "from before" not in program("info", "--lake", made.lake.uri).stdout
