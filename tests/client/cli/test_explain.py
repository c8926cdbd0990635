"""explain and score on the command line, of a scripted server over a real socket."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import saelake
from tests.client.cli.command import PROGRAM, Ran, environment, run
from tests.client.explaining.planted import PLANTED, RIGHT, knowing, labels_of, planted_lake, saying
from tests.lakes import MADE
from tests.language_server import ScriptedServer, scripted

FEW = ("-k", "2", "--score", "detection")


@dataclass(frozen=True)
class _Place:
    """A lake, a folder for replies, and a server that knows its rules."""

    folder: Path
    server: ScriptedServer

    def run(self, command: str, *arguments: str) -> Ran:
        """A command about the lake, with the model's options."""
        return run(command, str(MADE), *self.options, *arguments)

    @property
    def options(self) -> list[str]:
        """Where the lake, the model and its replies are."""
        options = {
            "--lake": str(self.folder / "lake"),
            "--model": "scripted",
            "--base-url": self.server.base_url,
            "--cache": str(self.folder / "cache"),
        }
        return [word for pair in options.items() for word in pair]

    def document(self, command: str, *arguments: str) -> Any:
        """What a command prints that ends well."""
        ran = self.run(command, *arguments, "--format", "json")
        assert ran.code == 0, ran.err
        return json.loads(ran.out)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[_Place]:
    planted_lake(tmp_path / "lake")
    with scripted(saying(knowing)) as server:
        yield _Place(tmp_path, server)


def test_features_are_explained_and_scored(place: _Place) -> None:
    document = place.document("explain", "--price", "0.15/0.60")
    assert {str(each["feature"]): each["label"] for each in document["features"]} == RIGHT
    assert {each["kind"] for each in document["scores"]} == {"detection", "fuzzing"}
    assert document["taken"]["n_requests"] == place.server.counted.n_answers
    assert document["taken"]["cost"] > 0
    again = place.document("explain")
    assert (again["taken"]["n_requests"], again["n_stood"]) == (0, 6)


def test_the_report_is_for_people_too(place: _Place) -> None:
    ran = place.run("explain", *FEW)
    assert ran.code == 0
    assert "2 features of made/random explained by scripted, 2 labels written" in ran.out
    assert "detection: median 1.00, certainly above chance in 2 of 2" in " ".join(ran.out.split())
    assert "the word" in ran.out
    assert "Explaining made/random …" in ran.err


def test_what_a_run_would_take_is_said_and_nothing_is_asked(place: _Place) -> None:
    before = place.document("explain", "--dry-run", "--price", "1/2")
    assert place.server.counted.n_requests == 0
    assert before["n_features"] == 6
    done = place.document("explain")
    assert before["n_requests"] == done["taken"]["n_requests"]
    assert "at most" in place.run("explain", "--dry-run").out


def test_a_spent_budget_shows_what_was_done_and_fails(place: _Place) -> None:
    ran = place.run("explain", "--budget", "30k tokens", "--concurrency", "2", "--format", "json")
    assert ran.code == 1
    assert "run it again with a larger budget" in ran.err
    document = json.loads(ran.out)
    assert 0 < document["n_written"] < 6
    assert document["stopped"]


def test_only_some_features_are_asked_about(place: _Place) -> None:
    for options, features in (
        (("--features", "4,1"), [4, 1]),
        (("--expression", "2 & !5"), [2, 5]),
        (("--features", "1,3", "--unlabelled"), [3]),
    ):
        document = place.document("explain", *options, "--score", "none")
        assert [each["feature"] for each in document["features"]] == features
        assert document["scores"] == []
    name = str(MADE)
    sides = (f"{name} where length > 40", f"{name} where length <= 40")
    document = place.document("explain", "--diff", *sides, *FEW)
    assert document["n_explained"] == 2


def test_labels_that_are_there_are_scored(place: _Place) -> None:
    place.document("explain", "--score", "none", "--explainer", "a friend")
    document = place.document("score", "--explainer", "a friend", "--score", "detection")
    assert [(each["kind"], each["median"]) for each in document["scores"]] == [("detection", 1.0)]
    assert document["n_explained"] == 6


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--price", "3"), "is no price"),
        (("--budget", "lots"), "is no budget"),
        (("--budget", "5"), "needs the prices"),
        (("--score", "beauty"), "There is no score beauty"),
        (("--features", "1", "--expression", "1"), "in one way"),
        (("--price", "1/2", "--judge-model", "other"), "--judge-price"),
        (("--explainer", "auto:x"), "automatic labels"),
    ],
)
def test_a_mistake_is_one_line_and_asks_nothing(
    place: _Place, arguments: tuple[str, ...], said: str
) -> None:
    ran = place.run("explain", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert place.server.counted.n_requests == 0


def test_the_address_is_that_of_openais_variable(
    place: _Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = run("explain", str(MADE), "--lake", str(place.folder / "lake"), "--model", "m")
    assert (ran.code, ran.out) == (2, "")
    assert "--base-url" in ran.err
    monkeypatch.setenv("OPENAI_BASE_URL", place.server.base_url)
    cache = str(place.folder / "cache")
    where = ("--lake", str(place.folder / "lake"), "--cache", cache)
    assert run("explain", str(MADE), *where, "--model", "m", *FEW).code == 0


def test_a_key_goes_only_to_the_server_that_it_is_for(
    place: _Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret-1")
    with scripted(saying(knowing)) as judge:
        place.document("explain", *FEW, "--judge-url", judge.base_url)
    assert {head.get("authorization") for head in place.server.headers} == {"Bearer secret-1"}
    assert judge.headers
    assert {head.get("authorization") for head in judge.headers} == {None}
    kept = b"".join(p.read_bytes() for p in place.folder.rglob("*") if p.is_file())
    assert b"secret-1" not in kept


def test_labels_of_the_command_are_in_the_lake(place: _Place) -> None:
    place.document("explain", *FEW)

    collection = saelake.connect(str(place.folder / "lake"))[str(MADE)]
    assert labels_of(collection).items() <= RIGHT.items()
    assert len(labels_of(collection)) == 2


def test_an_interrupt_says_what_is_written_and_the_same_command_goes_on(tmp_path: Path) -> None:
    collection = planted_lake(tmp_path / "lake", rules=PLANTED * 5)
    with scripted(saying(knowing, delay_s=0.02)) as server:
        place = _Place(tmp_path, server)
        process = subprocess.Popen(
            [*PROGRAM, "explain", str(MADE), *place.options, "--concurrency", "4"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        while process.poll() is None and not labels_of(collection):
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        n = len(labels_of(collection))
        assert process.returncode == 130
        assert f"{n} labels are written, and the replies so far are kept." in said
        assert "the same command continues" in said
        assert 0 < n < 30
        assert place.document("explain")["n_stood"] == n
    assert len(labels_of(collection)) == 30
