"""Budgets are not passed, and estimates are near."""

import asyncio
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from saelake.language.amounts import Budget, Prices, Spending
from saelake.language.replies import Reply
from saelake.store.errors import (
    BudgetSpent,
)
from tests.client.language.models import answers, model, numbered, prompt, same_count
from tests.language_server import Cut, Say, ScriptedServer, n_tokens, scripted


def test_a_budget_is_not_passed_and_says_how_to_go_on(tmp_path: Path) -> None:
    expected = pytest.raises(BudgetSpent, match=r"its budget of 1,000 tokens.*larger budget")

    async def ask(server: ScriptedServer, tokens: int) -> tuple[int, Spending]:
        n = 0
        async with model(server, tmp_path, budget=Budget(tokens=tokens)) as asked:
            with expected if tokens == 1000 else nullcontext():
                async for _, reply in asked.ask_all(numbered(200)):
                    n += isinstance(reply, Reply)
            return n, await asked.spent()

    with scripted(lambda asked: Say("yes it is", delay_s=0.001)) as server:
        first, spent = asyncio.run(ask(server, 1000))
        same_count(server, spent)
        # A prompt takes 5 tokens and its answer 3: one may take 172 at most, for its bytes and the
        # 20 of its answer.
        assert 1000 - 172 - 8 < spent.n_tokens <= 1000
        assert first == server.counted.n_answers
        again, spent = asyncio.run(ask(server, 10_000))
        assert (again, server.counted.n_requests) == (200, 200)
        same_count(server, spent)


def test_a_budget_of_money_is_not_passed(tmp_path: Path) -> None:
    async def ask(server: ScriptedServer) -> None:
        async with model(server, tmp_path, budget=Budget(money=0.0005)) as asked:
            with pytest.raises(BudgetSpent):
                await answers(asked, numbered(2000))
            spent = await asked.spent()
            assert 0.0004 < spent.cost <= 0.0005
            same_count(server, spent)

    with scripted(lambda asked: Say("yes it is")) as server:
        asyncio.run(ask(server))


def test_a_budget_that_holds_no_request_sends_none(tmp_path: Path) -> None:
    async def ask(server: ScriptedServer) -> None:
        async with model(server, tmp_path, budget=Budget(tokens=20)) as asked:
            with pytest.raises(BudgetSpent, match="0 requests"):
                await asked.ask(prompt("x"))

    with scripted(lambda asked: Say("yes")) as server:
        asyncio.run(ask(server))
        assert server.counted.n_requests == 0


def test_an_attempt_again_is_within_the_budget_too(tmp_path: Path) -> None:
    """Each answer is lost, and may have been paid: the library may try on only while it fits."""

    async def ask(server: ScriptedServer) -> None:
        within = Budget(tokens=400)
        async with model(server, tmp_path, budget=within, max_attempts=50) as asked:
            with pytest.raises(BudgetSpent, match="2 whose answer never came"):
                await asked.ask(prompt("x"))

    with scripted(lambda asked: Cut()) as server:
        asyncio.run(ask(server))
        assert server.counted.n_requests == 2


def test_an_estimate_asks_nothing_and_is_corrected_by_what_was_measured(tmp_path: Path) -> None:
    long = [(n, prompt(f"{'word ' * 50}{n}")) for n in range(30)]

    async def ask(server: ScriptedServer) -> None:
        async with model(server, tmp_path) as asked:
            before = await asked.estimate(iter(long))
            assert (before.n_requests, before.n_measured) == (30, 0)
            assert before.n_prompt_tokens == pytest.approx(30 * 251.5 / 3.5, rel=0.01)
            assert before.n_completion_tokens == 30 * 20
            await answers(asked, long[:10])
            after = await asked.estimate([*long, *long])
            assert (after.n_prompts, after.n_cached, after.n_requests) == (60, 40, 20)
            await answers(asked, long)
            spent, counted = await asked.spent(), server.counted
            assert counted.n_requests == 30
            assert after.n_prompt_tokens == pytest.approx(counted.n_prompt_tokens * 2 / 3, rel=0.02)
            assert after.n_completion_tokens == 20 * 2
            assert after.cost == pytest.approx(spent.cost * 2 / 3, rel=0.02)
            assert after.cost is not None
            assert after.most_cost is not None
            assert after.cost < after.most_cost
            assert (await asked.estimate(long)).cost == 0

    with scripted(lambda asked: Say("yes indeed")) as server:
        asyncio.run(ask(server))


def test_two_models_of_one_run_share_its_budget_and_their_replies(tmp_path: Path) -> None:
    async def ask(server: ScriptedServer) -> None:
        within = Budget(tokens=2000)
        async with (
            model(server, tmp_path, budget=within) as one,
            model(server, tmp_path, budget=within) as two,
        ):
            ends = await asyncio.gather(
                answers(one, numbered(400)),
                answers(two, numbered(400)[::-1]),
                return_exceptions=True,
            )
            assert [type(end) for end in ends] == [BudgetSpent, BudgetSpent]
            spent = await one.spent()
            assert 2000 - 172 - 8 < spent.n_tokens <= 2000
            same_count(server, spent)

    with scripted(lambda asked: Say("yes it is", delay_s=0.002)) as server:
        asyncio.run(ask(server))
        assert set(server.asked.values()) == {1}


def test_a_model_beside_another_has_its_prices_and_keeps_to_the_bound_and_the_budget(
    tmp_path: Path,
) -> None:
    async def ask(server: ScriptedServer) -> None:
        within = Budget(tokens=1200)
        async with model(server, tmp_path, budget=within, concurrency=3) as one:
            dear = Prices(prompt=100, completion=100)
            async with one.beside(replace(one.settings, model="dear", prices=dear)) as two:
                ends = await asyncio.gather(
                    answers(one, numbered(100)), answers(two, numbered(100)), return_exceptions=True
                )
                assert [type(end) for end in ends] == [BudgetSpent, BudgetSpent]
            spent = await one.spent()  # the other one is closed, and the ledger is not
            assert 0 < spent.n_tokens <= 1200
            assert spent.n_tokens == server.counted.n_tokens
            by_dear = sum(
                n_tokens(b["messages"]) + 3 for b in server.bodies if b["model"] == "dear"
            )
            assert spent.pico > dear.cost(by_dear, 0) > 0
        assert server.counted.most_at_once <= 3

    with scripted(lambda asked: Say("yes it is", delay_s=0.005)) as server:
        asyncio.run(ask(server))
