"""What asking a language model takes here, beside what its library and HTTP alone do: decision 046.

1,000 prompts of 3.4 kB, 32 under way, of a server in another process that answers each after a set
time and computes nothing. It is idle for the share of time in which it could have answered more.
"""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import httpx2
import openai
import typer

from saelake.language.amounts import Budget, Prices
from saelake.language.dialects import Dialect
from saelake.language.model import LanguageModel
from saelake.language.prompts import Message, Prompt
from saelake.language.settings import LanguageSettings

N, AT_ONCE, DELAYS_S = 1000, 32, (0.05, 0.25, 0.5)
Way = Callable[[str, list[Prompt]], Awaitable[None]]


def main(rounds: Annotated[int, typer.Option(help="Alternations of the ways.")] = 3) -> None:
    """Print each way, its CPU-milliseconds a request, and the share in which the server is idle."""
    for delay_s in DELAYS_S:
        with served(delay_s) as url:
            for number in range(rounds):
                for name, way in WAYS.items():
                    wall_s, cpu_s = asyncio.run(took(way, url, prompts(f"{name} {number}")))
                    idle = 1 - N * delay_s / AT_ONCE / wall_s
                    print(
                        f"{delay_s * 1e3:.0f} ms an answer, {name}: {N / wall_s:.0f} requests/s, "
                        f"{cpu_s / N * 1e3:.1f} CPU-ms each, server idle {idle:.0%}"
                    )


@contextmanager
def served(delay_s: float) -> Iterator[str]:
    """The address of a server in a process of its own."""
    command = [sys.executable, "-m", "tests.language_server", "--delay", str(delay_s)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate()  # its input ends


def prompts(name: str) -> list[Prompt]:
    """Prompts that no other way asked."""
    words = "lorem ipsum " * 280
    texts = (f"{name} {number} {words}" for number in range(N))
    return [Prompt(messages=(Message(role="user", content=t),), max_tokens=20) for t in texts]


async def took(way: Way, url: str, asked: list[Prompt]) -> tuple[float, float]:
    """Seconds, and those of this process's CPU."""
    wall, cpu = time.perf_counter(), time.process_time()
    await way(url, asked)
    return time.perf_counter() - wall, time.process_time() - cpu


async def by_http(url: str, asked: list[Prompt]) -> None:
    """HTTP alone: no attempt again, nothing kept."""
    async with httpx2.AsyncClient() as client:

        async def ask(body: Mapping[str, object]) -> None:
            (await client.post(f"{url}/chat/completions", json=body)).json()

        await all_of(ask, asked)


async def by_openai(url: str, asked: list[Prompt]) -> None:
    """OpenAI's library alone: nothing kept."""
    async with openai.AsyncOpenAI(base_url=url, api_key="none") as client:

        async def ask(body: Mapping[str, object]) -> None:
            await client.post("/chat/completions", cast_to=httpx2.Response, body=body)

        await all_of(ask, asked)


async def all_of(
    ask: Callable[[Mapping[str, object]], Awaitable[None]], asked: list[Prompt]
) -> None:
    """Ask them all, so many at once."""
    places, dialect = asyncio.Semaphore(AT_ONCE), Dialect()

    async def one(prompt: Prompt) -> None:
        async with places:
            await ask(dialect.body("scripted", prompt))

    await asyncio.gather(*map(one, asked))


async def by_saelake(url: str, asked: list[Prompt]) -> None:
    """With replies that are kept, and a budget."""
    settings = LanguageSettings(
        base_url=url,
        model="scripted",
        concurrency=AT_ONCE,
        prices=Prices(prompt=0.15, completion=0.6),
        budget=Budget(money=100),
    )
    with tempfile.TemporaryDirectory() as folder:
        async with LanguageModel(settings, run="benchmark", cache=Path(folder)) as model:
            async for _ in model.ask_all(list(enumerate(asked))):
                pass


WAYS: Mapping[str, Way] = {"httpx2": by_http, "openai": by_openai, "saelake": by_saelake}


if __name__ == "__main__":
    typer.run(main)
