"""Processes that are killed as they ask, and that ask at once: nothing lost, nothing doubled."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from saelake.language.amounts import Spending
from tests.client.language.models import PRICES, answers, model, prompt
from tests.language_server import Asked, Fail, Say, ScriptedServer, Step, scripted

ROOT = Path(__file__).parents[3]
CONCURRENCY = 8


def asking(server: ScriptedServer, folder: Path, first: int, last: int) -> "subprocess.Popen[str]":
    """A process that asks the prompts between; see `asking.py`."""
    command = [sys.executable, "-m", "tests.client.language.asking", server.base_url, str(folder)]
    return subprocess.Popen(
        [*command, str(first), str(last)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def told(process: "subprocess.Popen[str]", n: int) -> list[int]:
    """The next replies that a process told of."""
    assert process.stdout is not None
    return [int(process.stdout.readline()) for _ in range(n)]


def ended(process: "subprocess.Popen[str]") -> list[int]:
    """What a process told of to its end."""
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return [int(line) for line in said.splitlines()]


async def finished(server: ScriptedServer, folder: Path, n: int) -> Spending:
    """Ask all that is left, and say what the run took."""
    async with model(server, folder, concurrency=CONCURRENCY, max_attempts=8) as asked:
        found = await answers(asked, [(number, prompt(f"prompt {number}")) for number in range(n)])
        assert len(found) == n
        return await asked.spent()


@pytest.mark.parametrize("seed", range(3))
def test_a_run_that_is_killed_asks_only_for_what_it_had_not(tmp_path: Path, seed: int) -> None:
    """What was under way at the kill may be asked again: eight at most, counted as lost."""
    random = Random(seed)

    def script(asked: Asked) -> Step:
        busy = asked.n_before == 0 and random.random() < 0.2
        return Fail(503, retry_after_s=0.01) if busy else Say("yes it is", delay_s=0.01)

    with scripted(script) as server:
        process = asking(server, tmp_path, 0, 300)
        known = told(process, random.randint(1, 60))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        spent = asyncio.run(finished(server, tmp_path, 300))

    assert all(server.answered[f"prompt {number}"] == 1 for number in known)
    again = [name for name, n in server.answered.items() if n > 1]
    assert len(again) <= CONCURRENCY
    assert set(server.answered.values()) <= {1, 2}
    # Each prompt was paid for once by what the ledger knows; what it lost covers the rest.
    assert spent.n_requests == 300
    assert spent.n_lost <= CONCURRENCY
    counted = server.counted
    assert counted.n_answers - len(again) == 300
    assert spent.n_tokens <= counted.n_tokens <= spent.at_most.n_tokens
    paid = PRICES.cost(counted.n_prompt_tokens, counted.n_completion_tokens)
    assert spent.pico <= paid <= spent.at_most.pico


def test_two_processes_share_a_ledger_and_ask_nothing_twice(tmp_path: Path) -> None:
    """One from the front and one from the back, also where they meet."""
    with scripted(lambda asked: Say("yes it is", delay_s=0.01)) as server:
        both = [asking(server, tmp_path, 0, 150), asking(server, tmp_path, 149, -1)]
        assert [sorted(ended(process)) for process in both] == [list(range(150))] * 2
        assert set(server.answered.values()) == {1}
        spent = asyncio.run(finished(server, tmp_path, 150))
    assert (spent.n_requests, spent.n_lost) == (150, 0)
    assert spent.n_tokens == server.counted.n_tokens


def test_processes_that_open_one_ledger_at_once_all_do(tmp_path: Path) -> None:
    with scripted(lambda asked: Say("yes")) as server:
        several = [asking(server, tmp_path / "new", n, n + 5) for n in (0, 5, 10, 15)]
        assert sorted(number for process in several for number in ended(process)) == list(range(20))
        assert server.counted.n_requests == 20
