"""The ledger: budgets that no order of replies passes, and processes beside each other."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saelake.language.amounts import Amount, Budget, Spending
from saelake.language.holders import Holder
from saelake.language.ledger import FILE, AskedElsewhere, Ledger, OverBudget, PromptAsked, Reserved
from saelake.language.replies import Reply, TokenChances
from saelake.language.writing import LedgerThread
from saelake.store.errors import Corrupt, InvalidInput


def asked(prompt: str = "hash") -> PromptAsked:
    return PromptAsked(server="http://here/v1", model="m", prompt=prompt)


def reply(n_prompt: int = 3, n_completion: int = 2) -> Reply:
    chances = (TokenChances(token="a", logprob=-0.5, alternatives=(("a", -0.5), ("b", -1.0))),)
    return Reply(
        text="a b",
        finish="stop",
        n_prompt_tokens=n_prompt,
        n_completion_tokens=n_completion,
        cost=0.5,
        seconds=0.1,
        model="m-1",
        logprobs=chances,
    )


@contextmanager
def opened(folder: Path) -> Iterator[Ledger]:
    """A ledger as another process would have it."""
    holder = Holder(folder)
    ledger = Ledger(folder, holder)
    yield ledger
    ledger.close()
    holder.close()


def take(ledger: Ledger, prompt: str = "hash", n_tokens: int = 10, most: int | None = None) -> int:
    """The attempt that is reserved."""
    taken = ledger.take(asked(prompt), "run", Amount(n_tokens=n_tokens), Budget(tokens=most))
    assert isinstance(taken, Reserved)
    return taken.attempt


def test_a_reply_is_found_as_it_was_kept(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.settle(take(ledger), asked(), "run", reply(), Amount(n_tokens=5), 12)
    with opened(tmp_path) as ledger:
        found = ledger.take(asked(), "another run", Amount(n_tokens=10), Budget(tokens=0))
        assert found == replace(reply(), is_cached=True)
        assert ledger.spent("another run") == Spending()
        other = PromptAsked(server="http://here/v1", model="other", prompt="hash")
        assert ledger.reply(other) is None


ends = st.sampled_from(("settled", "freed", "lost"))
steps = st.lists(st.tuples(st.integers(0, 30), ends, st.integers(0, 100)), max_size=12)


@settings(max_examples=60)
@given(steps, st.integers(0, 100), st.randoms(use_true_random=False))
def test_no_order_of_replies_passes_a_budget(
    requests: list[tuple[int, str, int]], most: int, random: object
) -> None:
    """A twin counts what may be: the ledger grants what fits, and sums what the twin sums."""
    with TemporaryDirectory() as folder, opened(Path(folder)) as ledger:
        under_way: list[tuple[int, int, str, int]] = []
        settled = lost = 0
        for number, (at_most, end, order) in enumerate(requests):
            held = sum(n for _, n, _, _ in under_way)
            taken = ledger.take(
                asked(str(number)), "run", Amount(n_tokens=at_most), Budget(tokens=most)
            )
            if settled + lost + held + at_most <= most:
                assert isinstance(taken, Reserved)
                under_way.append((taken.attempt, at_most, end, order))
            else:
                assert taken == OverBudget(for_now=settled + lost + at_most <= most)
            if order % 2 and under_way:
                attempt, n, how, share = under_way.pop(order % len(under_way))
                used = n * share // 100
                if how == "settled":
                    got = reply(used, 0)
                    ledger.settle(attempt, asked(f"{number}!"), "run", got, Amount(), 1)
                    settled += used
                elif how == "lost":
                    ledger.give_up(attempt)
                    lost += n
                else:
                    ledger.free(attempt)
            spent = ledger.spent("run")
            assert (spent.n_tokens, spent.lost.n_tokens) == (settled, lost)
            assert settled + lost + sum(n for _, n, _, _ in under_way) <= most


def test_runs_have_budgets_of_their_own(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        take(ledger, "a", 10, most=10)
        here = ledger.take(asked("b"), "run", Amount(n_tokens=1), Budget(tokens=10))
        assert here == OverBudget(for_now=True)
        there = ledger.take(asked("b"), "other", Amount(n_tokens=1), Budget(tokens=10))
        assert isinstance(there, Reserved)


def test_what_another_process_asks_is_not_asked_twice(tmp_path: Path) -> None:
    with opened(tmp_path) as one, opened(tmp_path) as two:
        attempt = take(one)
        waits = two.take(asked(), "run", Amount(n_tokens=1), Budget())
        assert isinstance(waits, AskedElsewhere)
        one.settle(attempt, asked(), "run", reply(), Amount(n_tokens=5), 1)
        found = two.take(asked(), "run", Amount(n_tokens=1), Budget())
        assert isinstance(found, Reply)


def test_what_another_process_has_under_way_is_taken_from_the_budget(tmp_path: Path) -> None:
    with opened(tmp_path) as one, opened(tmp_path) as two:
        take(one, "a", 8, most=10)
        full = two.take(asked("b"), "run", Amount(n_tokens=3), Budget(tokens=10))
        assert full == OverBudget(for_now=True)


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.client.language.test_ledger import Holder, Ledger, take
folder = Path(sys.argv[1])
take(Ledger(folder, Holder(folder)), n_tokens=7)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_had_under_way_is_given_up(tmp_path: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)], check=False, cwd=Path(__file__).parents[3]
    )
    assert killed.returncode == -9
    with opened(tmp_path) as ledger:
        take(ledger)
        spent = ledger.spent("run")
        assert (spent.n_lost, spent.lost.n_tokens, spent.n_requests) == (1, 7, 0)
        assert len(list((tmp_path / "asking").glob("*.lock"))) == 1


def test_the_lock_of_a_process_that_is_gone_is_removed(tmp_path: Path) -> None:
    (tmp_path / "asking").mkdir()
    (tmp_path / "asking" / "gone.lock").touch()
    with opened(tmp_path) as one, opened(tmp_path) as two:
        names = {path.stem for path in (tmp_path / "asking").iterdir()}
        assert len(names) == 2
        assert "gone" not in names
        take(one, "a")
        take(two, "b")
    assert not list((tmp_path / "asking").iterdir())


def test_a_transaction_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        with suppress(ZeroDivisionError), ledger.transaction(is_lasting=True):
            take(ledger, n_tokens=9)
            raise ZeroDivisionError
        assert take(ledger, n_tokens=10, most=10)


def test_what_is_submitted_is_done_when_the_thread_ends(tmp_path: Path) -> None:
    thread = LedgerThread(tmp_path / "made" / "here")

    def settle(number: int, ledger: Ledger) -> None:
        ledger.settle(number, asked(str(number)), "run", reply(), Amount(pico=1), 1)

    for number in range(600):
        thread.submit(partial(settle, number))
    thread.close()
    with opened(tmp_path / "made" / "here") as ledger:
        assert (ledger.spent("run").n_requests, ledger.spent("run").pico) == (600, 600)
        assert ledger.measured("http://here/v1", "m").n_prompt_tokens == 1800


def test_only_its_owner_reads_a_ledger(tmp_path: Path) -> None:
    LedgerThread(tmp_path / "cache").close()
    assert (tmp_path / "cache").stat().st_mode & 0o077 == 0
    assert (tmp_path / "cache" / FILE).stat().st_mode & 0o077 == 0


def test_replies_are_not_kept_in_a_lake(tmp_path: Path) -> None:
    (tmp_path / "corpora.lance").mkdir()
    with pytest.raises(InvalidInput, match="in a lake"):
        LedgerThread(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_file_that_is_no_ledger_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("This is no database, but a text that somebody left here." * 20)
    with pytest.raises(Corrupt, match="move it away"):
        LedgerThread(tmp_path)


def test_a_later_ledger_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE) as later:
        later.execute("PRAGMA user_version=99")
    later.close()
    with pytest.raises(InvalidInput, match="Another saelake"):
        LedgerThread(tmp_path)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="name another folder"):
        LedgerThread(tmp_path / "file" / "cache")
