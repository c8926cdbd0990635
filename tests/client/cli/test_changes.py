"""Commands that change a lake do so behind a server too, where that is allowed."""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.texts import JOB_PROGRAM, model_texts
from tests.client.cli.command import Ran, asked, run
from tests.encoded import NAME, EncodedLake, make_encoded_lake
from tests.served import ALL

COLLECTION = str(NAME)


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> EncodedLake:
    return make_encoded_lake(tmp_path_factory.mktemp("changes"))


@pytest.fixture(scope="module")
def lake(encoded: EncodedLake) -> str:
    return encoded.lake.uri


@pytest.fixture(scope="module")
def address(lake: str, encoded: EncodedLake) -> Iterator[str]:
    settings = ServerSettings(
        uri=lake,
        address=Address(port=0),
        allowed=replace(ALL, sentence_model=encoded.sentences),
        job_program=JOB_PROGRAM,
        texts=model_texts(),
    )
    with BackgroundServer(settings) as server:
        yield str(server.address)


def done(*arguments: str) -> Ran:
    ran = run(*arguments)
    assert ran.code == 0, ran.err
    return ran


def test_a_text_is_encoded_on_the_command_line(lake: str, address: str) -> None:
    for place in (("--lake", lake), ("--server", address)):
        shown = asked("encode-text", COLLECTION, "w1 w2", "w3", "-k", "2", *place)
        assert shown.splitlines()[0].split() == ["token", "feature", "value", "label"]
        assert "1: w3" in shown
        found = json.loads(asked("encode-text", COLLECTION, "w1 w2", "-f", "json", *place))
        assert found["texts"] == ["w1 w2"]
        assert [token["token"].strip() for token in found["tokens"]] == ["w1", "w2"]
    assert run("encode-text", COLLECTION, "", "--lake", lake).out == "The text has no tokens.\n"


def test_a_feature_is_called_something_and_that_is_taken_back(address: str) -> None:
    place = ("--server", address)
    ran = done("label", "sae", "--feature", "5", "--text", "rain\x1b[2J", *place)
    assert "\x1b" not in ran.err
    assert "is called" in ran.err
    (row,) = json.loads(asked("labels", "sae", "-f", "json", *place))["labels"]
    assert (row["feature"], row["explainer"]) == (5, "hand")
    assert "Took back 1 label" in done("label", "sae", "--feature", "5", "--delete", *place).err
    assert json.loads(asked("labels", "sae", "-f", "json", *place))["labels"] == []


def test_a_label_is_written_in_few_words(address: str) -> None:
    place = ("--server", address)
    assert "is called 'rain' by hand" in done("label", COLLECTION, "7", "rain", *place).err
    done("label", "sae", "7", "snow", "--explainer", "me", *place)
    done("label", "sae", "7", "sleet", "--explainer", "me", *place)
    options = ("--feature", "7", "-f", "json", *place)
    (row,) = json.loads(asked("labels", "sae", *options))["labels"]
    assert (row["label"], row["explainer"]) == ("rain", "hand")
    every = json.loads(asked("labels", "sae", "--every-explainer", *options))["labels"]
    assert [row["label"] for row in every] == ["rain", "sleet"]
    one = ("--explainer", "me", "--history")
    history = json.loads(asked("labels", "sae", *one, *options))["labels"]
    assert [row["label"] for row in history] == ["sleet", "snow"]
    shown = asked("labels", "sae", *one, "--feature", "7", *place)
    assert "me, until 2" in shown
    (pair,) = json.loads(asked("agreement", "sae", "-f", "json", *place))["pairs"]
    assert (pair["explainer_a"], pair["explainer_b"], pair["jaccard"]) == ("hand", "me", 0.0)
    assert "hand and me" in asked("agreement", "sae", *place)
    forgotten = done("cleanup", "--older-than", "0h", "--former-labels", *place).err
    assert re.search(r"Forgot \d+ former label", forgotten), "of other tests, too"
    done("label", "sae", "7", "--delete", "--explainer", "me", *place)
    done("label", "sae", "7", "--delete", *place)


@pytest.mark.parametrize(
    ("form", "name"), [("json", "l.json"), ("neuronpedia", "l.jsonl"), ("delphi", "folder")]
)
def test_labels_are_written_to_files_and_taken_again(
    address: str, tmp_path: Path, form: str, name: str
) -> None:
    place = ("--server", address)
    for feature in ("7", "8"):
        done("label", "sae", feature, f"about {feature}", "--explainer", "me", *place)
    to = ("--to", str(tmp_path / name), "--as", form, "--explainer", "me")
    assert f"Wrote 2 labels of sae to {tmp_path / name}" in done("labels", "sae", *to, *place).err
    done("label", "sae", "--file", str(tmp_path / name), "--explainer", "again", *place)
    options = ("--explainer", "again", "-f", "json")
    rows = json.loads(asked("labels", "sae", *options, *place))["labels"]
    assert [(row["feature"], row["label"]) for row in rows] == [(7, "about 7"), (8, "about 8")]
    for feature in ("7", "8"):
        done("label", "sae", feature, "--delete", "--explainer", "me", *place)
        done("label", "sae", feature, "--delete", "--explainer", "again", *place)
    assert run("labels", "sae", "rain", *to, *place).code == 2
    assert run("labels", "sae", "--history", *to, *place).code == 2


def test_labels_are_said_in_one_way(lake: str) -> None:
    for given in (
        ("--feature", "5"),
        ("--text", "rain"),
        ("--delete",),
        ("--feature", "5", "--text", "rain", "--delete"),
        ("--feature", "5", "--text", "rain", "--file", "x.json"),
        ("5",),
        ("5", "rain", "--feature", "5"),
        ("5", "rain", "--text", "rain"),
        ("5", "rain", "--file", "x.json"),
        ("--source", "x"),
        ("--keep-others",),
    ):
        assert run("label", "sae", *given, "--lake", lake).code == 2


def test_a_corpus_goes_all_the_way_through_a_server(address: str, tmp_path: Path) -> None:
    place = ("--server", address)
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(f'{{"id": "r{i}", "text": "w{i} w1"}}\n' for i in range(20)))
    said = [done("import", str(rows), "--corpus", "more", "--once", "a", *place).err for _ in "ab"]
    assert said[0] == said[1]
    assert "20 documents added to more" in said[0]
    encoded = done("encode", "more", "--dictionary", "sae", *place).err
    assert "more/sae has 20 documents" in encoded
    assert encoded.count("Loading") <= 1
    assert encoded.count("Encoding more") <= 1
    assert "Indexed 20 documents" in done("index", "more/sae", *place).err
    jobs = json.loads(asked("jobs", "-f", "json", *place))["jobs"]
    assert [job["kind"] for job in jobs[:2]] == ["index", "encode"]
    shown = asked("jobs", *place)
    assert jobs[0]["id"] in shown
    assert "the last" not in shown
    assert "is done, with 20 documents" in done("jobs", "--watch", jobs[0]["id"], *place).err
    assert "has ended already: it is done" in done("jobs", "--cancel", jobs[0]["id"], *place).err
    assert "the last index" in asked("info", *place)
    assert done("tag", "v1", *place).err.startswith("Tagged")
    assert "v1" in asked("tags", *place)
    assert done("untag", "v1", *place).err.startswith("Forgot")
    assert "Deleted 1 of 20" in done("delete", "more", "--id", "r1", "--yes", *place).err
    assert "emptied" in done("compact", "more", *place).err
    assert "Deleted" in done("cleanup", "--older-than", "0h", *place).err


def test_documents_are_embedded_and_features_labelled_and_mapped_by_a_server(
    address: str,
) -> None:
    place = ("--server", address)
    embedded = done("embed", NAME.corpus, *place).err
    assert "Done: 30 documents of words have dense embeddings" in embedded
    labelled = done("label", COLLECTION, *place).err
    assert "have automatic labels" in labelled
    mapped = done("project", COLLECTION, "--of", "features", "--seed", "3", *place).err
    assert "Done: a map of" in mapped
    jobs = json.loads(asked("jobs", "-f", "json", *place))["jobs"][:3]
    assert [job["kind"] for job in jobs] == ["project", "label", "embed"]
    project, label, embed = jobs
    assert f"a map of {project['n_documents']} features" in mapped
    assert f"Done: {label['n_labels']} features" in labelled
    shown = asked("jobs", *place)
    for job, unit in ((project, "points"), (label, "features"), (embed, "documents")):
        assert f"{job['kind']}: {job['n_documents']} of {job['n_total']} {unit}" in shown
    assert f"with {label['n_total']} features" in done("jobs", "--watch", label["id"], *place).err
    assert "map of its features" in asked("info", *place)


def test_a_lake_is_repaired_through_a_server(address: str) -> None:
    ran = done("verify", COLLECTION, "--repair", "--server", address)
    assert "Repaired" not in ran.err


def test_what_is_the_servers_is_not_said_to_it(address: str) -> None:
    place = ("--server", address)
    for command in (("embed", NAME.corpus), ("label", COLLECTION)):
        ran = run(*command, "--device", "cpu", *place)
        assert (ran.code, "device cannot be said to a server" in ran.err) == (2, True)
    ran = run("embed", NAME.corpus, "--model", "./nowhere", *place)
    assert (ran.code, "may read" in ran.err) == (2, True)


def test_what_a_server_may_do_is_said_as_it_starts(lake: str) -> None:
    ran = run("serve", "--lake", lake, "--allow", "everything")
    assert (ran.code, "label, encode, admin" in ran.err) == (2, True)
    assert "--allow-hub" in run("serve", "--help").out
    assert "--sentence-model" in run("serve", "--help").out
    assert JOB_PROGRAM[0] == sys.executable
