"""What a language model says in words, as it is typed."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.client.cli.command import asked, run
from tests.client.explaining.hypotheses.made import HONEST, PLANTED, make_texts
from tests.client.explaining.naming.made import namer
from tests.client.explaining.retrieving.made import PHRASE, choosing, make_labelled
from tests.language_server import ScriptedServer, scripted

SIDES = ("made/random where label = 'pos'", "made/random where label = 'neg'")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("typed") / "lake"
    make_texts(folder)
    return str(folder)


def typed(lake: str, server: ScriptedServer, cache: Path, *more: str) -> tuple[str, ...]:
    model = ("--model", "scripted", "--base-url", server.base_url, "--cache", str(cache))
    few = ("--n-judged", "60", "--n-features", "3")
    return ("diff", *SIDES, "--lake", lake, "--explain", *model, *few, *more)


def test_it_says_what_differs_and_writes_the_report(lake: str, tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    with scripted(HONEST) as server:
        ran = run(*typed(lake, server, tmp_path / "c", "--report", str(report)))
        assert (ran.code, ran.err) == (0, f"The report is in {report}.\n")
        n = server.counted.n_requests
        found: Any = json.loads(asked(*typed(lake, server, tmp_path / "c", "--format", "json")))
        rows = asked(*typed(lake, server, tmp_path / "c", "--format", "csv")).splitlines()
        assert server.counted.n_requests == n
    assert PLANTED in ran.out
    assert PLANTED in report.read_text()
    first = found["hypotheses"][0]
    assert (first["hypothesis"], first["accepted"]) == (PLANTED, True)
    assert len(rows) == 5


def test_a_dry_run_says_what_it_would_take(lake: str, tmp_path: Path) -> None:
    with scripted(HONEST) as server:
        price = ("--dry-run", "--price", "0.15/0.6")
        said = asked(*typed(lake, server, tmp_path, *price))
        found = json.loads(asked(*typed(lake, server, tmp_path, *price, "--format", "json")))
        assert server.counted.n_requests == 0
    assert "1,200 requests, at most" in said
    assert [stage["n_requests"] for stage in found["stages"]] == [1, 1, 1200]
    assert found["stages"][2]["most_cost"] > found["stages"][2]["cost"] > 0


def test_what_it_does_not_keep_to_is_refused(lake: str, tmp_path: Path) -> None:
    with scripted(HONEST) as server:
        for more, said in (
            (("--control", "length", "--unit", "token"), "--control, --unit"),
            (("--report", str(tmp_path / "r.pdf")), "A report is a file of"),
        ):
            ran = run(*typed(lake, server, tmp_path, *more))
            assert ran.code != 0
            assert said in ran.err
        assert server.counted.n_requests == 0
    for words, said in (
        (("--explain",), "--model NAME"),
        (("--explain", "--model", "m"), "--base-url"),
        (("--model", "m", "--base-url", "http://localhost:1/v1"), "--model is for --explain"),
        (("--report", "r.md"), "--report is for --explain"),
    ):
        ran = run("diff", *SIDES, "--lake", lake, *words)
        assert ran.code != 0
        assert said in ran.err
    ran = run(
        "diff",
        *SIDES,
        SIDES[0],
        "--lake",
        lake,
        "--explain",
        "--model",
        "m",
        "--base-url",
        "http://x/v1",
    )
    assert "two selections" in ran.err


# -- Values.


def test_it_says_what_goes_with_a_value(lake: str, tmp_path: Path) -> None:
    with scripted(HONEST) as server:
        model = ("--model", "scripted", "--base-url", server.base_url, "--cache", str(tmp_path))
        command = ("associate", "made/random", "label", "--lake", lake, "--explain", *model)
        few = ("--value", "pos", "--n-judged", "60", "--n-features", "3")
        found = json.loads(asked(*command, *few, "--format", "json"))
        assert "Mann-Whitney" in asked(*command, *few)
        dry = json.loads(asked(*command, "--dry-run", "--format", "json"))
        for more, said in (
            (("--control", "length", "-k", "3"), "does not keep to --control, --k"),
            (("prompt",), "one column"),
            (("--value", "x"), "label has no value 'x': --value with one of"),
        ):
            ran = run(*command, *more)
            assert ran.code != 0
            assert said in ran.err
    first = found["hypotheses"][0]
    assert (first["hypothesis"], first["accepted"]) == (PLANTED, True)
    assert (found["a"], found["b"]) == (
        "made/random where label = 'pos'",
        "made/random where NOT (label = 'pos')",
    )
    assert [stage["stage"] for stage in dry["stages"]] == [
        "features relabelled",
        "hypotheses made",
        "verdicts",
    ]
    ran = run("associate", "made/random", "label", "--lake", lake, "--value", "pos")
    assert (ran.code, "--value is for --explain" in ran.err) == (2, True)


# -- Names.


@pytest.mark.parametrize(
    "command",
    [
        ("cluster", "made/random", "-n", "2", "--where", "label = 'pos'"),
        ("families", "made/random where label = 'pos'", "--min-npmi=-0.1", "--max-coverage=0.6"),
    ],
    ids=["clusters", "families"],
)
def test_groups_are_named(lake: str, tmp_path: Path, command: tuple[str, ...]) -> None:
    report = tmp_path / "report.html"
    few = ("--lake", lake, "--explain", "--n-judged", "10")
    with scripted(namer()) as server:
        model = ("--model", "m", "--base-url", server.base_url, "--cache", str(tmp_path))
        estimate = json.loads(asked(*command, *few, *model, "--dry-run", "--format", "json"))
        assert server.counted.n_requests == 0
        ran = run(*command, *few, *model, "--report", str(report))
        n = server.counted.n_requests
        found = json.loads(asked(*command, *few, *model, "--format", "json"))
        rows = asked(*command, *few, *model, "--format", "csv").splitlines()
        assert server.counted.n_requests == n
    assert (ran.code, ran.err) == (0, f"The report is in {report}.\n")
    assert [stage["stage"] for stage in estimate["stages"]] == [
        "groups named",
        "names that were taken",
        "verdicts",
    ]
    groups = found["groups"]
    assert len(groups) + 1 == len(rows)
    assert (found["kind"], found["selection"]) == (
        {"cluster": "cluster", "families": "family"}[command[0]],
        "made/random where label = 'pos'",
    )
    named = [group["name"] for group in groups if group["name"] is not None]
    assert named
    assert all(name in ran.out and name in report.read_text() for name in named)


def test_what_is_named_needs_a_model_and_explain(lake: str) -> None:
    for command in (("cluster", "made/random"), ("families", "made/random")):
        for more, said in (
            (("--explain",), "--model NAME"),
            (("--model", "m", "--base-url", "http://localhost:1/v1"), "--model is for --explain"),
            (("--report", "r.md"), "--report is for --explain"),
        ):
            ran = run(*command, "--lake", lake, *more)
            assert ran.code != 0
            assert said in ran.err


# -- Features for a phrase.


def test_a_model_chooses_the_features_for_a_phrase(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    lake = tmp_path_factory.mktemp("chosen") / "lake"
    make_labelled(lake)
    command = ("retrieve", "made/random", PHRASE, "-k", "4", "--lake", str(lake))
    sae, report = ("--method", "sae"), tmp_path / "report.md"
    with scripted(choosing()) as server:
        model = ("--model", "chooser", "--base-url", server.base_url, "--cache", str(tmp_path))
        dry = json.loads(asked(*command, *sae, *model, "--dry-run", "--format", "json"))
        assert server.counted.n_requests == 0
        ran = run(*command, *sae, *model, "--report", str(report))
        found = json.loads(asked(*command, *sae, *model, "--format", "json"))
        assert server.counted.n_requests == 1
    assert [stage["n_requests"] for stage in dry["stages"]] == [1]
    assert (ran.code, ran.err) == (0, f"The report is in {report}.\n")
    assert "chooser chose 2 of the 12 features" in ran.out
    assert "mentions rain" in report.read_text()
    assert (found["chosen_by"], found["candidates_by"]) == ("chooser", "words")
    assert [(row["feature"], row["weight"]) for row in found["chosen"]] == [(0, 1.0), (1, 0.4)]
    assert (found["phrase"], len(found["hits"])) == (PHRASE, 4)
    for more, said in (
        (("--candidates", "5"), "are for --model"),
        (("--report", str(report)), "are for --model"),
        (("--report", "r.pdf", *model), "A report is a file of"),
        (("--candidates", "0", *model), "n_candidates is from 1"),
    ):
        ran = run(*command, *sae, *more)
        assert ran.code == 2
        assert said in ran.err
