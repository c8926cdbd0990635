"""What an answer has, and how a server is brought to give it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from saelake.language.model import ReadReply
from saelake.language.reading import Unreadable, by_schema
from saelake.language.replies import Reply, Unanswered
from tests.client.language.models import model, prompt, same_count
from tests.language_server import Asked, Fail, Say, ScriptedServer, Step, scripted


def test_an_answer_that_is_cut_off_is_told_as_such(tmp_path: Path) -> None:
    async def ask(server: ScriptedServer) -> Reply:
        async with model(server, tmp_path) as asked:
            return await asked.ask(prompt("x", max_tokens=3))

    with scripted(lambda asked: Say("one two three four five")) as server:
        reply = asyncio.run(ask(server))
    assert (reply.text, reply.finish, reply.is_cut_off) == ("one two three", "length", True)
    assert reply.n_completion_tokens == 3


def test_log_probabilities_are_read_and_kept(tmp_path: Path) -> None:
    async def ask(server: ScriptedServer) -> tuple[Reply, Reply]:
        async with model(server, tmp_path) as asked:
            asks = prompt("x", logprobs=2)
            return await asked.ask(asks), await asked.ask(asks)

    with scripted(lambda asked: Say("0 1", logprobs=lambda word: {word: -0.1, "x": -2})) as server:
        new, kept = asyncio.run(ask(server))
    assert new.logprobs is not None
    assert [(t.token, t.logprob, t.alternatives) for t in new.logprobs] == [
        ("0", -0.1, (("0", -0.1), ("x", -2.0))),
        ("1", -0.1, (("1", -0.1), ("x", -2.0))),
    ]
    assert kept.logprobs == new.logprobs


def test_a_server_that_counts_nothing_is_counted_for_at_most(tmp_path: Path) -> None:
    async def ask(server: ScriptedServer) -> None:
        async with model(server, tmp_path) as asked:
            reply = await asked.ask(prompt("x"))
            assert not reply.is_counted
            assert (await asked.spent()).n_tokens == reply.n_prompt_tokens + 3
            assert reply.n_prompt_tokens >= server.counted.n_prompt_tokens

    with scripted(lambda asked: Say("yes", counts=False)) as server:
        asyncio.run(ask(server))


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.mark.parametrize("taken", ["json_object", None])
def test_a_server_is_asked_for_json_in_the_way_that_it_takes(
    tmp_path: Path, taken: str | None
) -> None:
    def script(asked: Asked) -> Step:
        form = asked.body.get("response_format", {}).get("type")
        return Say('{"n": 1}') if form == taken else Fail(400, f"response_format {form} is unknown")

    async def ask(server: ScriptedServer) -> None:
        async with model(server, tmp_path, concurrency=1) as asked:
            prompts = [(n, prompt(f"prompt {n}", schema=SCHEMA)) for n in range(5)]
            read = {key: found async for key, found in asked.read_all(prompts, by_schema)}
            assert [isinstance(f, ReadReply) and f.value for f in read.values()] == [{"n": 1}] * 5
            same_count(server, await asked.spent())

    with scripted(script) as server:
        asyncio.run(ask(server))
        assert server.counted.n_requests == 5 + (1 if taken else 2)


def test_an_answer_that_cannot_be_read_is_asked_for_once_more(tmp_path: Path) -> None:
    """Of three prompts one is right at once, one when it is told, and one never."""

    def script(asked: Asked) -> Step:
        told = len(asked.body["messages"]) > 1
        first = str(asked.body["messages"][0]["content"])
        right = first == "at once" or (first == "when told" and told)
        return Say('{"n": 1}' if right else '{"n": "one"}')

    async def ask(server: ScriptedServer) -> dict[str, ReadReply[Any] | Unanswered]:
        async with model(server, tmp_path) as asked:
            prompts = [(t, prompt(t, schema=SCHEMA)) for t in ("at once", "when told", "never")]
            found = {key: read async for key, read in asked.read_all(prompts, by_schema)}
            same_count(server, await asked.spent())
            return found

    with scripted(script) as server:
        for n_requests in (5, 5):  # the second run asks nothing
            found = asyncio.run(ask(server))
            assert server.counted.n_requests == n_requests
            assert {k: len(r.replies) for k, r in found.items() if isinstance(r, ReadReply)} == {
                "at once": 1,
                "when told": 2,
                "never": 2,
            }
            never = found["never"]
            assert isinstance(never, ReadReply)
            assert isinstance(never.value, Unreadable)
            assert "is not of type 'integer'" in never.value.reason
        second = next(body for body in server.bodies if len(body["messages"]) == 3)
        assert "is not of type 'integer'" in second["messages"][2]["content"]
