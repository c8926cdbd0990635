"""Columns that come after the import, on the command line: annotate, and judge."""

import json
from pathlib import Path

import pytest

from tests.client.cli.command import asked, run
from tests.client.judging.rules import rainy
from tests.lakes import make_lake
from tests.language_server import scripted

N = 20


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    return make_lake(tmp_path / "lake", n_documents=N, seed=5).lake.uri


def test_a_file_becomes_a_column_and_it_goes_again(place: str, tmp_path: Path) -> None:
    file = tmp_path / "values.csv"
    file.write_text("id,grade\nd1,3\nd2,4\nzz,5\n")
    refused = run("annotate", "made", "--file", str(file), "--lake", place)
    assert refused.code == 1
    assert "no document 'zz': 1 of 3 rows" in refused.err
    options = ("--file", str(file), "--known-only", "--about", "by the teacher")
    done = run("annotate", "made", *options, "--lake", place)
    assert done.code == 0
    assert "grade of 2 documents of made" in done.err
    assert "1 row left out, of no document: 'zz'" in done.err
    assert "column grade (int64), set 20" in asked("info", "--lake", place)
    assert "by the teacher" in asked("info", "--lake", place)
    counted = run("values", "made/random", "grade", "--lake", place, "-f", "json")
    assert {row["value"] for row in json.loads(counted.out)["rows"]} == {"3", "4", None}
    gone = run("annotate", "made", "--column", "grade", "--drop", "--lake", place)
    assert "Dropped grade of made" in gone.err
    again = run("annotate", "made", "--column", "grade", "--drop", "--lake", place)
    assert (again.code, "has no grade" in again.err) == (0, True)


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--drop",),
        ("--file", "x.csv", "--drop", "--column", "a"),
        ("--file", "x.csv", "--imported"),
    ],
)
def test_what_is_not_to_be_done_is_wrong_use(place: str, options: tuple[str, ...]) -> None:
    assert run("annotate", "made", *options, "--lake", place).code == 2


def test_documents_are_judged(place: str, tmp_path: Path) -> None:
    with scripted(rainy) as server:
        options: tuple[str, ...] = ("--as", "rainy", "--model", "m", "--base-url", server.base_url)
        options += ("--cache", str(tmp_path / "cache"), "--lake", place)
        dry = run("judge", "made", "Does it say rain?", *options, "--dry-run", "--price", "1/2")
        assert dry.code == 0, dry.err
        assert "It would ask about" in dry.err
        assert "cost" in dry.err
        assert server.counted.n_requests == 0
        done = run("judge", "made", "Does it say rain?", *options, "--sample", "9")
        assert done.code == 0, done.err
        assert "9 of 20 documents of made, drawn by a hash of the seed 0" in done.err
        assert "9 verdicts: false" in done.err
        other = run("judge", "made", "Is it sunny?", *options)
        assert other.code == 1
        assert "verdicts of another question" in other.err
    assert "column rainy (bool), set 20" in asked("info", "--lake", place)
    kept = run("export", "made", "--texts", str(tmp_path / "t.parquet"), "--lake", place)
    assert f"Wrote {N} documents" in kept.err


@pytest.mark.parametrize(
    "options",
    [
        ("--budget", "much"),
        ("--budget", "2.5"),
        ("--price", "1"),
        ("--scale", "one"),
        ("--sample", "0"),
        ("--around", "made/random"),
        ("--characters", "3"),
    ],
)
def test_what_cannot_be_meant_is_said(place: str, options: tuple[str, ...]) -> None:
    base = ("--as", "v", "--model", "m", "--base-url", "http://localhost:9/v1", "--lake", place)
    ran = run("judge", "made", "Is it?", *base, *options)
    assert (ran.code, len(ran.err.splitlines()) >= 1) == (2, True)
