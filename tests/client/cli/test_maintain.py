"""The commands that keep a lake in shape, from a tiny model to the last file."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import saelake
from saelake.cli.maintain import repaired
from saelake.making.quantities import parse_age
from saelake.store.errors import InvalidInput
from saelake.store.reports import Repaired
from tests.client.cli.command import asked, on_terminal, program, run
from tests.client.cli.test_build import collections, encoding
from tests.lakes import make_lake
from tests.tiny import save_corpus


@pytest.fixture
def lake(tmp_path: Path, parts: Path) -> str:
    """The corpus `words` of 30 documents, encoded by `sae`."""
    uri = str(tmp_path / "lake")
    file = str(parts / "some words.parquet")
    command = ["ingest", file, "--corpus", "words", *encoding(parts, "sae"), "--lake", uri]
    assert run(*command).code == 0
    return uri


def said(*arguments: str) -> str:
    """What a command says that ends well and prints nothing."""
    ran = run(*arguments)
    assert (ran.code, ran.out) == (0, ""), ran.err
    return ran.err


def hits(lake: str, collection: str = "words/sae") -> list[tuple[int, float]]:
    """Every hit of a feature that fires in document 9."""
    command = ["document", collection, "--doc", "9", "--lake", lake, "--format", "json"]
    feature = str(json.loads(asked(*command))["features"][0])
    found = asked("tokens", collection, feature, "--all", "--lake", lake, "--format", "json")
    return [(hit["doc"], hit["value"]) for hit in json.loads(found)["hits"]]


def test_a_corpus_lives(lake: str, parts: Path, tmp_path: Path) -> None:
    """It grows, gets a second dictionary, shrinks, is compacted and cleaned up; and goes back."""
    reader = saelake.connect(lake)
    first = [(hit.doc, hit.value) for hit in reader["words/sae"].tokens(5, k=None)]
    assert "Tagged 6 tables as v1" in said("tag", "v1", "--lake", lake)
    more = tmp_path / "more.parquet"
    save_corpus(more, 38, longest=10)
    command = ["ingest", str(more), "--corpus", "words", *encoding(parts, "sae"), "--lake", lake]
    encoded = run(*command)
    assert "Imported 8 documents into words (30 rows skipped" in encoded.err
    assert "Indexed 8 documents of words/sae" in encoded.err
    assert run("encode", "words", *encoding(parts, "other"), "--lake", lake).code == 0
    five = ["words", "--where", "doc >= 20 and doc < 25", "--lake", lake]
    assert said("delete", *five, "--yes").strip() == (
        "Deleted 5 of 38 documents of words; it has 33 left"
    )
    before = hits(lake)
    shown = said("compact", "words", "--lake", lake)
    assert "words/sae: 2 fragments are now 1, 5 deleted documents emptied" in shown
    assert "Deleted 0 B" in said("cleanup", "--lake", lake)
    said("cleanup", "--older-than", "0h", "--no-writer-runs", "--lake", lake)
    assert hits(lake) == before
    assert run("verify", "--lake", lake).code == 0
    assert {name: row["n_documents"] for name, row in collections(lake).items()} == {
        "words/sae": 33,
        "words/other": 33,
    }
    old = saelake.connect(lake, at="v1")
    assert [(hit.doc, hit.value) for hit in old["words/sae"].tokens(5, k=None)] == first
    assert (
        json.loads(asked("info", "--lake", lake, "--at", "v1", "-f", "json"))["collections"][0][
            "n_documents"
        ]
        == 30
    )


def test_replacing_and_dropping(lake: str, parts: Path) -> None:
    assert run("encode", "words", *encoding(parts, "other"), "--lake", lake).code == 0
    other = hits(lake, "words/other")
    assert "words/sae: these are now what other encoded" in said(
        "replace", "sae", "other", "--lake", lake
    )
    assert list(collections(lake)) == ["words/sae"]
    assert hits(lake) == other
    again = run("encode", "words", *encoding(parts, "sae"), "--lake", lake)
    assert again.code == 1
    assert "saelake replace" in again.err
    goes_on = run("encode", "words", *encoding(parts, "other"), "--name", "sae", "--lake", lake)
    assert goes_on.code == 0
    assert "words/sae has 30 documents" in goes_on.err
    kept = program("drop", "words", "--lake", lake)
    assert (kept.returncode, list(collections(lake))) == (2, ["words/sae"])
    assert "Nothing was deleted" in kept.stderr
    assert "Dropped words/sae, words" in said("drop", "words", "--yes", "--lake", lake)
    assert collections(lake) == {}


def n_documents(lake: str) -> int:
    return saelake.connect(lake)["made/random"].info().n_documents


def test_nothing_is_deleted_that_was_not_agreed_to(tmp_path: Path) -> None:
    lake = make_lake(tmp_path, n_documents=10).lake.uri
    some = ["delete", "made", "--where", "doc >= 3", "--lake", lake]
    refused = program(*some)
    assert (refused.returncode, refused.stdout, n_documents(lake)) == (2, "", 10)
    for part in ("7 of 10 documents of made (d3, d4, d5, d6, d7, …)", "--yes"):
        assert part in " ".join(refused.stderr.split())
    for dry in (["--dry-run"], ["--dry-run", "--yes"]):
        assert said(*some, *dry).strip() == (
            "Nothing was deleted: it would be 7 of 10 documents of made (d3, d4, d5, d6, d7, …)"
        )
    for answered, code, left in (("n", 2, 10), ("y", 0, 3)):
        ended, shown = on_terminal(*some, typed=f"{answered}\n")
        assert "To be deleted: 7 of 10 documents of made" in shown
        assert "Delete them? [y/N]" in shown
        assert (ended, n_documents(lake)) == (code, left)
    whole = ["delete", "made", "--where", "doc >= 0", "--lake", lake, "--dry-run"]
    assert "it would be all 3 documents of made (d0, d1, d2)" in said(*whole)
    assert "would be 0 of 3 documents" in said("delete", "made", "--where", "doc > 7", *whole[4:])
    assert "Deleted 1 of 3 documents" in said("delete", "made", "--id", "d1", *whole[4:6], "--yes")


def test_what_is_not_agreed_to_is_not_dropped(tmp_path: Path) -> None:
    lake = make_lake(tmp_path, n_documents=10).lake.uri
    assert on_terminal("drop", "made", "--lake", lake, typed="n\n")[0] == 2
    assert program("drop", "made", "--lake", lake, typed="y\n").returncode == 2  # no terminal
    assert n_documents(lake) == 10
    assert on_terminal("drop", "made", "--lake", lake, typed="y\n")[0] == 0
    assert collections(lake) == {}


def test_tags_are_listed_and_forgotten(lake: str) -> None:
    said("tag", "v1", "--lake", lake)
    said("tag", "v2", "--lake", lake)
    rows = json.loads(asked("tags", "--lake", lake, "--format", "json"))["tags"]
    assert [row["name"] for row in rows] == ["v1", "v2"]
    created = datetime.fromisoformat(rows[0]["created"])
    assert timedelta(0) <= datetime.now(UTC) - created < timedelta(hours=1)
    assert [line.split()[0] for line in asked("tags", "--lake", lake).splitlines()] == ["v1", "v2"]
    assert "Forgot the tag v1" in said("tag", "v1", "--delete", "--lake", lake)
    assert run("tag", "v1", "--delete", "--lake", lake).code == 1
    taken = run("tag", "v2", "--lake", lake)
    assert (taken.code, "has a tag 'v2' already" in taken.err) == (1, True)


def test_repair_is_said(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=10)
    ran = run("verify", "--repair", "--lake", made.lake.uri)
    assert (ran.code, ran.err) == (0, "")
    assert repaired(Repaired(collection="a/b", documents=("x", "y"), n_segments=2)) == (
        "Repaired a/b: took out damaged codes of x, y (run encode again); made 2 segments of "
        "postings again"
    )
    many = Repaired(collection="a/b", documents=tuple("abcdefghijkl"), n_files=1, features=True)
    assert repaired(many) == (
        "Repaired a/b: took out 1 files of codes that could not be read; took out damaged codes "
        "of a, b, c, d, e, f, g, h, i, j and 2 more (run encode again); made the statistics of "
        "features again"
    )


def test_a_server_repairs_for_who_may(server: str) -> None:
    ran = run("verify", "--repair", "--server", server)
    assert (ran.code, "without `--allow admin`" in ran.err) == (1, True)
    old = run("info", "--server", server, "--at", "v1")
    assert (old.code, "has no tag 'v1'" in old.err) == (1, True)


def test_ages() -> None:
    assert [parse_age(text) for text in ("0h", "7d", "2 W")] == [
        timedelta(0),
        timedelta(days=7),
        timedelta(weeks=2),
    ]
    for wrong in ("7", "d", "-1d", "a week"):
        with pytest.raises(InvalidInput, match="is not an age"):
            parse_age(wrong)
