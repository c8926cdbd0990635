"""Models of scripted servers, and prompts for them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from saelake.language.amounts import Prices, Spending
from saelake.language.model import LanguageModel
from saelake.language.prompts import Message, Prompt
from saelake.language.replies import Reply, Unanswered
from saelake.language.settings import LanguageSettings
from tests.language_server import ScriptedServer

PRICES = Prices(prompt=0.15, completion=0.6)


def prompt(text: str, max_tokens: int = 20, **more: Any) -> Prompt:
    return Prompt(messages=(Message(role="user", content=text),), max_tokens=max_tokens, **more)


def settings(server: ScriptedServer, **more: Any) -> LanguageSettings:
    chosen = {"prices": PRICES, "concurrency": 8, "max_attempts": 3, **more}
    return LanguageSettings(base_url=server.base_url, model="scripted", **chosen)


def model(server: ScriptedServer, cache: Path, run: str = "run", **more: Any) -> LanguageModel:
    return LanguageModel(settings(server, **more), run=run, cache=cache)


async def answers(
    asked: LanguageModel, prompts: Iterable[tuple[int, Prompt]]
) -> dict[int, Reply | Unanswered]:
    return {key: reply async for key, reply in asked.ask_all(prompts)}


def texts(found: dict[int, Reply | Unanswered]) -> dict[int, str]:
    return {key: reply.text for key, reply in found.items() if isinstance(reply, Reply)}


def numbered(n: int) -> list[tuple[int, Prompt]]:
    return [(number, prompt(f"prompt {number}")) for number in range(n)]


def same_count(server: ScriptedServer, spent: Spending) -> None:
    """That the ledger has what the server counted: answered requests, their tokens and cost."""
    counted = server.counted
    assert spent.n_requests == counted.n_answers
    assert spent.n_prompt_tokens == counted.n_prompt_tokens
    assert spent.n_completion_tokens == counted.n_completion_tokens
    assert spent.pico == PRICES.cost(counted.n_prompt_tokens, counted.n_completion_tokens)
