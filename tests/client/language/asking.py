"""A process that asks: `python asking.py URL FOLDER FIRST LAST [TOKENS]`, of the prompts between.

It tells each reply when it has it, so that whoever kills it knows what must be on disk.
"""

import asyncio
import sys

from saelake.language.amounts import Budget
from saelake.language.model import LanguageModel
from saelake.language.replies import Reply
from saelake.language.settings import LanguageSettings
from tests.client.language.models import PRICES, prompt


async def ask(url: str, folder: str, first: int, last: int, tokens: int | None) -> None:
    """Ask, and print the number of each prompt as its reply is there."""
    settings = LanguageSettings(
        base_url=url,
        model="scripted",
        prices=PRICES,
        concurrency=8,
        budget=Budget(tokens=tokens),
    )
    step = 1 if first < last else -1
    prompts = [(number, prompt(f"prompt {number}")) for number in range(first, last, step)]
    async with LanguageModel(settings, run="run", cache=folder) as model:
        async for number, reply in model.ask_all(prompts):
            assert isinstance(reply, Reply)
            print(number, flush=True)


if __name__ == "__main__":
    url, folder, first, last, *rest = sys.argv[1:]
    asyncio.run(ask(url, folder, int(first), int(last), int(rest[0]) if rest else None))
