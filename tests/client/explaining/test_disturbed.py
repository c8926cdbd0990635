"""Runs that are disturbed: by servers that fail, budgets, interrupts and kills."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from saelake.collection import Collection
from saelake.explaining.run.faces import explain, explain_awaited
from saelake.explaining.run.report import ExplainReport
from saelake.explaining.run.running import ExplainProgress
from saelake.language.amounts import Budget
from saelake.store.errors import Unavailable
from tests.client.explaining.planted import (
    OPTIONS,
    PLANTED,
    guessing,
    knowing,
    labels_of,
    planted_lake,
    saying,
    settings,
)
from tests.client.language.models import PRICES, same_count
from tests.language_server import Asked, Cut, Fail, Garble, Say, ScriptedServer, Step, scripted

ROOT = Path(__file__).parents[3]
RULES = PLANTED * 5
N = len(RULES)
RIGHT = {str(i): f"the word {rule}" for i, rule in enumerate(RULES)}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> ExplainReport:
    """A run of a judge that guesses, which has other scores for each feature."""
    folder = tmp_path_factory.mktemp("undisturbed")
    lake = planted_lake(folder / "lake", rules=RULES)
    with scripted(saying(guessing())) as server:
        return explain(lake, settings(server), options=OPTIONS, cache=folder / "cache")


@pytest.fixture
def many(tmp_path: Path) -> Collection:
    return planted_lake(tmp_path / "lake", rules=RULES)


def found(report: ExplainReport) -> Mapping[str, object]:
    return {str(each.feature): (each.label, each.scores) for each in report.explained}


def faults(seed: int) -> Iterator[Step]:
    """What befalls requests, one after the other."""
    random = Random(seed)
    while True:
        kind = random.random()
        if kind < 0.07:
            yield Fail(429, retry_after_s=0.01)
        elif kind < 0.14:
            yield Fail(503, retry_after_s=0.01)
        elif kind < 0.18:
            yield Garble()
        elif kind < 0.22:
            yield Cut()
        else:
            yield Say("", delay_s=0.03 if kind < 0.3 else 0.0)


@pytest.mark.parametrize("seed", range(2))
def test_failing_servers_change_no_label_and_no_score(
    many: Collection, tmp_path: Path, undisturbed: ExplainReport, seed: int
) -> None:
    """429, 503, what is no answer, answers that are cut off, and slow ones."""
    coming, guess = faults(seed), guessing()

    def script(asked: Asked) -> Step:
        step = next(coming)
        return Say(guess(asked), delay_s=step.delay_s) if isinstance(step, Say) else step

    with scripted(script) as server:
        model = settings(server, max_attempts=12)
        report = explain(many, model, options=OPTIONS, cache=tmp_path / "cache")
        counted = server.counted
    assert found(report) == found(undisturbed)
    assert labels_of(many) == RIGHT
    same_count(server, report.spent)
    # What was cut off or garbled may have been paid, and is said apart: never too little.
    assert report.spent.n_lost > 0
    assert counted.n_cut_tokens <= report.spent.lost.n_tokens
    assert max(server.answered.values()) == 1


@contextmanager
def running(
    server: ScriptedServer, many: Collection, cache: Path
) -> "Iterator[subprocess.Popen[str]]":
    """A process that explains; see `running.py`."""
    local = many.transport.local_lake
    assert local is not None
    command = [sys.executable, "-m", "tests.client.explaining.running"]
    with subprocess.Popen(
        [*command, server.base_url, local.uri, str(cache)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        yield process


def wait_for(process: "subprocess.Popen[str]", n_done: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if int(line.split()[0]) >= n_done:
            return


@pytest.mark.parametrize("seed", range(2))
def test_a_run_that_is_killed_goes_on_where_it_was(
    many: Collection, tmp_path: Path, undisturbed: ExplainReport, seed: int
) -> None:
    """It asks again only for what was under way at the kill: eight at most, counted as lost."""
    random = Random(seed)
    with scripted(saying(guessing(), delay_s=0.01)) as server:
        with running(server, many, tmp_path / "cache") as process:
            wait_for(process, random.randint(1, N - 8))
            process.send_signal(signal.SIGKILL)
            process.communicate()
        before = labels_of(many)
        report = explain(many, settings(server), options=OPTIONS, cache=tmp_path / "cache")
        counted = server.counted
    assert before.items() <= RIGHT.items()
    assert labels_of(many) == RIGHT
    assert found(report) == found(undisturbed)
    again = [name for name, n in server.answered.items() if n > 1]
    assert len(again) <= 8
    assert report.n_cached >= report.n_replies - report.taken.n_requests > 0
    spent = report.spent
    assert spent.n_requests == undisturbed.spent.n_requests
    assert spent.n_tokens <= counted.n_tokens <= spent.at_most.n_tokens
    paid = PRICES.cost(counted.n_prompt_tokens, counted.n_completion_tokens)
    assert spent.pico <= paid <= spent.at_most.pico


def test_an_interrupt_writes_what_is_done(many: Collection, tmp_path: Path) -> None:
    with scripted(saying(knowing, delay_s=0.02)) as server:
        with running(server, many, tmp_path / "cache") as process:
            wait_for(process, 5)
            process.send_signal(signal.SIGINT)
            said, error = process.communicate(timeout=60)
        assert process.returncode != 0
        assert "KeyboardInterrupt" in error
        n_done, n_written = map(int, said.splitlines()[-1].split())
        assert 5 <= n_done == n_written == len(labels_of(many)) < N
        asked = server.counted.n_requests
        report = explain(many, settings(server), options=OPTIONS, cache=tmp_path / "cache")
    assert labels_of(many) == RIGHT
    assert server.counted.n_requests - asked == report.taken.n_requests
    assert report.spent.n_requests == report.n_replies


def test_a_run_that_is_cancelled_writes_what_is_done(many: Collection, tmp_path: Path) -> None:
    told: list[ExplainProgress] = []

    async def cancelled(server: ScriptedServer) -> None:
        begun = explain_awaited(
            many,
            settings(server),
            options=OPTIONS,
            cache=tmp_path / "cache",
            watch=told.append,
        )
        task = asyncio.create_task(begun)
        while not told or told[-1].n_done < 4:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with scripted(saying(knowing, delay_s=0.02)) as server:
        asyncio.run(cancelled(server))
    assert told[-1].n_written == told[-1].n_done == len(labels_of(many)) < N


@pytest.mark.parametrize("money", [False, True], ids=["tokens", "money"])
def test_a_budget_is_never_passed_and_what_it_held_is_written(
    many: Collection, tmp_path: Path, undisturbed: ExplainReport, money: bool
) -> None:
    half = undisturbed.spent.n_tokens // 2
    budget = Budget(money=PRICES.cost(half, 0) / 1e12) if money else Budget(tokens=half)
    with scripted(saying(guessing())) as server:
        model = settings(server, budget=budget)
        report = explain(many, model, options=OPTIONS, cache=tmp_path / "cache")
        counted = server.counted
        paid = PRICES.cost(counted.n_prompt_tokens, counted.n_completion_tokens)
        assert paid <= (budget.money or 1e9) * 1e12
        assert counted.n_tokens <= (budget.tokens or 1e9)
        assert report.stopped is not None
        assert "run it again with a larger budget" in report.stopped
        labels = labels_of(many)
        assert 0 < len(labels) == report.n_written == len(report.explained) < N
        assert labels.items() <= RIGHT.items()
        # Nothing is paid twice by the run that goes on.
        whole = explain(many, settings(server), options=OPTIONS, cache=tmp_path / "cache")
        assert set(server.answered.values()) == {1}
    assert found(whole) == found(undisturbed)
    assert whole.spent.n_requests == undisturbed.spent.n_requests


def test_a_server_that_goes_away_leaves_what_is_done(many: Collection, tmp_path: Path) -> None:
    def script(asked: Asked) -> Step:
        return Say(knowing(asked)) if server.counted.n_requests < 60 else Fail(503)

    with scripted(script) as server:
        model = settings(server, max_attempts=1, most_failures=8)
        with pytest.raises(Unavailable, match="labels by scripted are written") as raised:
            explain(many, model, options=OPTIONS, cache=tmp_path / "cache")
    written = len(labels_of(many))
    assert 0 < written < N
    assert f" {written} labels by scripted are written." in str(raised.value)
    with scripted(saying(knowing)) as again:
        # Another server is another place of replies: the ledger names it.
        report = explain(many, settings(again), options=OPTIONS, cache=tmp_path / "cache")
    assert labels_of(many) == RIGHT
    assert report.n_cached == 0


def test_scores_that_a_judge_did_not_answer_come_with_the_next_run(
    many: Collection, tmp_path: Path
) -> None:
    def script(asked: Asked) -> Step:
        is_late = asked.n_before == 0 and "explanation: the word rain" in asked.text
        return Fail(500) if is_late else Say(knowing(asked))

    with scripted(script) as server:
        model = settings(server, max_attempts=1, most_failures=1000)
        first = explain(many, model, options=OPTIONS, cache=tmp_path / "cache")
        assert labels_of(many) == RIGHT
        assert first.n_unscored == RULES.count("rain")
        second = explain(many, model, options=OPTIONS, cache=tmp_path / "cache")
    assert second.n_unscored == 0
    assert {each.n for each in second.scores} == {N}
