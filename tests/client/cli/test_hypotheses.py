"""`saelake diff --explain` as it is typed."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.client.cli.command import asked, run
from tests.client.explaining.hypotheses.made import HONEST, PLANTED, make_texts
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
