"""A model behind a real server: asked, kept, and paid for once."""

import asyncio
import logging
import socket
import traceback
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from saelake.language.amounts import Spending
from saelake.language.keys import ApiKey
from saelake.language.model import LanguageModel
from saelake.language.prompts import Prompt
from saelake.language.replies import Reply, Unanswered
from saelake.language.settings import LanguageSettings
from saelake.store.errors import (
    AccessDenied,
    NotFound,
    SaelakeError,
    Unavailable,
)
from tests.client.language.models import answers, model, numbered, prompt, same_count, texts
from tests.language_server import Asked, Cut, Fail, Garble, Say, ScriptedServer, Step, scripted

KEY = "sk-secret-0123456789"


SOON_S = 0.001


def echo(asked: Asked) -> Step:
    return Say(f"You said {asked.text}")


def test_each_prompt_has_its_reply_and_the_cost_is_the_servers(tmp_path: Path) -> None:
    async def ask(server: ScriptedServer) -> None:
        async with model(server, tmp_path) as asked:
            found = await answers(asked, numbered(50))
            assert texts(found) == {n: f"You said prompt {n}" for n in range(50)}
            same_count(server, await asked.spent())
            costs = [reply.cost or 0 for reply in found.values() if isinstance(reply, Reply)]
            assert sum(costs) == pytest.approx((await asked.spent()).cost)

    with scripted(echo) as server:
        asyncio.run(ask(server))
        assert set(server.asked.values()) == {1}


def test_what_was_answered_is_free_in_every_later_run(tmp_path: Path) -> None:
    async def ask(server: ScriptedServer, run: str, n: int) -> Spending:
        async with model(server, tmp_path, run) as asked:
            found = await answers(asked, numbered(n))
            assert len(texts(found)) == n
            return await asked.spent()

    with scripted(echo) as server:
        first = asyncio.run(ask(server, "first", 10))
        assert asyncio.run(ask(server, "second", 10)) == Spending()
        assert server.counted.n_requests == 10
        more = asyncio.run(ask(server, "first", 15))
        assert (first.n_requests, more.n_requests) == (10, 15)
        same_count(server, more)


def test_one_prompt_many_times_at_once_is_asked_once(tmp_path: Path) -> None:
    async def ask(server: ScriptedServer) -> None:
        async with model(server, tmp_path) as asked:
            found = await answers(asked, [(n, prompt("the one")) for n in range(20)])
            cached = [reply.is_cached for reply in found.values() if isinstance(reply, Reply)]
            assert sorted(cached) == [False] + [True] * 19

    with scripted(lambda asked: Say("yes", delay_s=0.02)) as server:
        asyncio.run(ask(server))
        assert server.counted.n_requests == 1


def test_models_and_servers_do_not_share_replies(tmp_path: Path) -> None:
    async def ask(server: ScriptedServer, name: str) -> Reply:
        chosen = LanguageSettings(base_url=server.base_url, model=name)
        async with LanguageModel(chosen, run="run", cache=tmp_path) as asked:
            return await asked.ask(prompt("x"))

    with scripted(echo) as one, scripted(echo) as two:
        for server, name in ((one, "a"), (one, "b"), (two, "a")):
            assert not asyncio.run(ask(server, name)).is_cached


def test_few_are_under_way_and_prompts_are_made_as_they_are_needed(tmp_path: Path) -> None:
    made: list[int] = []

    async def lazily(server: ScriptedServer) -> AsyncIterator[tuple[int, Prompt]]:
        for number in range(40):
            assert number - server.counted.n_requests <= 4 + 1
            made.append(number)
            yield number, prompt(f"prompt {number}")

    async def ask(server: ScriptedServer) -> None:
        async with model(server, tmp_path, concurrency=4) as asked:
            async for _ in asked.ask_all(lazily(server)):
                await asyncio.sleep(0.002)

    with scripted(lambda asked: Say("yes", delay_s=0.005)) as server:
        asyncio.run(ask(server))
        assert 1 < server.counted.most_at_once <= 4
        assert made == list(range(40))


FAULTS: list[Callable[[Asked], Step]] = [
    lambda asked: Fail(429, retry_after_s=SOON_S),
    lambda asked: Fail(500, retry_after_s=SOON_S),
    lambda asked: Fail(503, retry_after_s=SOON_S),
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_server_that_is_busy_or_fails_is_asked_again(
    tmp_path: Path, fault: Callable[[Asked], Step]
) -> None:
    async def ask(server: ScriptedServer) -> None:
        async with model(server, tmp_path) as asked:
            found = await answers(asked, numbered(10))
            assert len(texts(found)) == 10
            same_count(server, await asked.spent())
            assert (await asked.spent()).n_lost == 0

    with scripted(lambda asked: fault(asked) if asked.n_before < 2 else Say("yes")) as server:
        asyncio.run(ask(server))
        assert set(server.asked.values()) == {3}


@pytest.mark.parametrize("fault", [Garble(), Garble(b'{"choices": []}'), Garble(b""), Cut()])
def test_an_answer_that_is_none_is_asked_again_and_counted_as_lost(
    tmp_path: Path, fault: Step
) -> None:
    async def ask(server: ScriptedServer) -> None:
        async with model(server, tmp_path) as asked:
            assert len(texts(await answers(asked, numbered(5)))) == 5
            spent = await asked.spent()
            same_count(server, spent)
            assert spent.n_lost == 5
            made = server.counted.n_tokens + server.counted.n_cut_tokens
            assert made <= spent.at_most.n_tokens

    with scripted(lambda asked: fault if asked.n_before == 0 else Say("yes")) as server:
        asyncio.run(ask(server))


def test_an_answer_that_does_not_come_in_time_is_lost(tmp_path: Path) -> None:
    async def ask(server: ScriptedServer) -> None:
        async with model(server, tmp_path, timeout_s=0.2, max_attempts=2) as asked:
            assert (await asked.ask(prompt("x"))).text == "yes"
            spent = await asked.spent()
            assert (spent.n_requests, spent.n_lost) == (1, 1)

    slow = Say("yes", delay_s=5)
    with scripted(lambda asked: slow if asked.n_before == 0 else Say("yes")) as server:
        asyncio.run(ask(server))


def test_what_was_not_answered_is_told_and_the_run_goes_on(tmp_path: Path) -> None:
    async def ask(server: ScriptedServer) -> None:
        async with model(server, tmp_path) as asked:
            found = await answers(asked, numbered(9))
            assert set(texts(found)) == {n for n in range(9) if n % 3}
            assert found[0] == Unanswered(reason="HTTP 400: no such words", status=400)
            same_count(server, await asked.spent())
            with pytest.raises(Unavailable, match="no such words"):
                await asked.ask(prompt("prompt 0"))
        async with model(server, tmp_path) as again:
            await answers(again, numbered(9))

    def script(asked: Asked) -> Step:
        return Fail(400, "no such words") if int(asked.text[-1]) % 3 == 0 else Say("yes")

    with scripted(script) as server:
        asyncio.run(ask(server))
        assert [server.asked[f"prompt {n}"] for n in range(4)] == [3, 1, 1, 2]


def test_a_server_that_fails_all_the_time_ends_the_run(tmp_path: Path) -> None:
    async def ask(server: ScriptedServer) -> None:
        async with model(server, tmp_path, most_failures=5, max_attempts=1) as asked:
            with pytest.raises(Unavailable, match=r"HTTP 500.*run it again") as told:
                await answers(asked, numbered(1000))
            assert str(asked.cache) in told.value.message

    with scripted(lambda asked: Fail(500)) as server:
        asyncio.run(ask(server))
        assert server.counted.n_requests <= 5 + 8


def test_a_server_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"

    async def ask() -> None:
        chosen = LanguageSettings(base_url=url, model="m", max_attempts=1)
        async with LanguageModel(chosen, run="run", cache=tmp_path) as asked:
            with pytest.raises(Unavailable, match="Is it running"):
                await answers(asked, numbered(3))
            assert (await asked.spent()).n_requests == 0

    asyncio.run(ask())


REFUSED = [
    (Fail(401, f"Incorrect API key provided: {KEY}"), AccessDenied),
    (Fail(404, "The model `scripted` does not exist."), NotFound),
    (Fail(307, "moved"), SaelakeError),
]


@pytest.mark.parametrize(("fault", "kind"), REFUSED)
def test_what_all_requests_meet_ends_the_run_and_shows_no_key(
    tmp_path: Path, fault: Fail, kind: type[SaelakeError], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def ask(server: ScriptedServer) -> None:
        async with model(server, tmp_path, key=ApiKey(KEY)) as asked:
            await answers(asked, numbered(100))

    with scripted(lambda asked: fault) as server:
        with pytest.raises(kind) as told:
            asyncio.run(ask(server))
        assert server.counted.n_requests <= 8
        assert server.headers[0]["authorization"] == f"Bearer {KEY}"
    assert KEY not in "".join(traceback.format_exception(told.value))
    assert KEY not in caplog.text
    assert not [f for f in tmp_path.rglob("*") if f.is_file() and KEY.encode() in f.read_bytes()]


def test_a_server_without_a_key_is_told_of_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("API_KEY", "ADMIN_KEY", "ORG_ID", "PROJECT_ID", "WEBHOOK_SECRET"):
        monkeypatch.setenv(f"OPENAI_{name}", KEY)
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"Authorization: Bearer {KEY}")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")

    async def ask(server: ScriptedServer) -> None:
        async with model(server, tmp_path) as asked:
            await asked.ask(prompt("x"))

    with scripted(echo) as server:
        asyncio.run(ask(server))
        assert KEY not in str(server.headers)
        assert "authorization" not in server.headers[0]


def test_a_run_that_is_cancelled_keeps_what_it_had(tmp_path: Path) -> None:
    async def ask(server: ScriptedServer) -> None:
        async with model(server, tmp_path) as asked:
            task = asyncio.create_task(answers(asked, numbered(1000)))
            while server.counted.n_answers < 50:
                await asyncio.sleep(0.005)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    async def resume(server: ScriptedServer) -> None:
        async with model(server, tmp_path) as asked:
            before = await asked.spent()
            assert before.n_requests + before.n_lost >= 50
            assert before.n_lost <= 8
            assert len(texts(await answers(asked, numbered(100)))) == 100
            assert (await asked.spent()).n_lost == before.n_lost

    with scripted(lambda asked: Say("yes", delay_s=0.01)) as server:
        asyncio.run(ask(server))
        asyncio.run(resume(server))
        assert sum(n > 1 for n in server.asked.values()) <= 8
