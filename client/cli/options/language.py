"""Options of commands that ask a language model."""

import re
from pathlib import Path
from typing import Annotated

import typer

from saelake.language.amounts import Budget, Prices
from saelake.language.keys import read_key
from saelake.language.settings import LanguageSettings
from saelake.store.errors import InvalidInput

PANEL = "The language model"

LanguageModelOption = Annotated[
    str, typer.Option("--model", help="The model, as its server calls it.", rich_help_panel=PANEL)
]
BaseUrlOption = Annotated[
    str,
    typer.Option(
        help="Its OpenAI-compatible server, as http://localhost:8000/v1.",
        rich_help_panel=PANEL,
    ),
]
KeyFileOption = Annotated[
    Path | None,
    typer.Option(
        help="A file with the server's key, in place of the variable OPENAI_API_KEY.",
        rich_help_panel=PANEL,
    ),
]
PricesOption = Annotated[
    str | None,
    typer.Option(
        help="Of a million tokens of prompts and of answers, as 0.15,0.60.", rich_help_panel=PANEL
    ),
]
BudgetOption = Annotated[
    str | None,
    typer.Option(
        help="The most that it may take: 2.50 by --prices, or 3000000tokens.",
        rich_help_panel=PANEL,
    ),
]
ConcurrencyOption = Annotated[
    int, typer.Option(help="Requests that are under way at once.", rich_help_panel=PANEL)
]
ReplyCacheOption = Annotated[
    Path | None,
    typer.Option(
        "--reply-cache",
        help="A folder that keeps replies. [default: in the user's cache]",
        rich_help_panel=PANEL,
    ),
]


def language_settings(
    *,
    model: str,
    base_url: str,
    key_file: Path | None,
    prices: str | None,
    budget: str | None,
    concurrency: int,
) -> LanguageSettings:
    """The model that these options name. Raises `InvalidInput`."""
    return LanguageSettings(
        base_url=base_url,
        model=model,
        key=read_key(file=key_file),
        prices=_prices(prices),
        budget=_budget(budget),
        concurrency=concurrency,
    )


def _prices(text: str | None) -> Prices | None:
    if text is None:
        return None
    try:
        prompt, completion = map(float, text.split(","))
    except ValueError as error:
        raise InvalidInput(f"{text!r} are no prices: write two numbers, as 0.15,0.60.") from error
    return Prices(prompt=prompt, completion=completion)


def _budget(text: str | None) -> Budget:
    if text is None:
        return Budget()
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(tokens?)?", text.strip())
    if found is None or (found[2] and "." in found[1]):
        raise InvalidInput(f"{text!r} is no budget: write 2.50, or 3000000tokens.")
    return Budget(tokens=int(found[1])) if found[2] else Budget(money=float(found[1]))
