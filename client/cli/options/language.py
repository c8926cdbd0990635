"""Options of commands that ask a language model."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from saelake.cli.options.shared import Command, shares
from saelake.language.amounts import Budget, Prices
from saelake.language.keys import read_key
from saelake.language.settings import LanguageSettings
from saelake.store.errors import InvalidInput

PANEL = "The language model"
BASE_URL = "http://localhost:8000/v1"
TOKENS = re.compile(r"([\d_,]+)\s*tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageChoice:
    """What the options say: None without a model. `cache` has the replies."""

    settings: LanguageSettings | None
    cache: Path | None
    dry_run: bool

    @property
    def model(self) -> LanguageSettings:
        """How the model is asked. Raises `InvalidInput` where none is named."""
        if self.settings is None:
            raise InvalidInput("Name the model to ask, as its server calls it: --model NAME.")
        return self.settings


def language_options(
    *,
    model: Annotated[
        str | None,
        typer.Option(help="The model, as its server calls it.", rich_help_panel=PANEL),
    ] = None,
    base_url: Annotated[
        str,
        typer.Option(
            help="What /chat/completions follows, of any server compatible with OpenAI's.",
            rich_help_panel=PANEL,
        ),
    ] = BASE_URL,
    key_env: Annotated[
        str | None,
        typer.Option(
            help="The variable with the key. [default: OPENAI_API_KEY]", rich_help_panel=PANEL
        ),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(help="A file with the key, in place of a variable.", rich_help_panel=PANEL),
    ] = None,
    concurrency: Annotated[
        int, typer.Option(help="Requests under way at most.", rich_help_panel=PANEL)
    ] = 32,
    timeout: Annotated[
        float, typer.Option(help="Seconds of an attempt at most.", rich_help_panel=PANEL)
    ] = 120.0,
    price: Annotated[
        str | None,
        typer.Option(
            metavar="PROMPT,ANSWER",
            help="Of a million tokens of prompts and of answers, as 0.15,0.6.",
            rich_help_panel=PANEL,
        ),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            help='The most to spend, as 2.5, or as "200000 tokens".', rich_help_panel=PANEL
        ),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(
            help="The folder of the replies. [default: in ~/.cache]", rich_help_panel=PANEL
        ),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Say what it would take; ask nothing.", rich_help_panel=PANEL
        ),
    ] = False,
) -> LanguageChoice:
    """Which model is asked, and how. Raises `InvalidInput`."""
    settings = None
    if model is not None:
        settings = LanguageSettings(
            base_url=base_url,
            model=model,
            key=read_key(variable=key_env, file=key_file),
            concurrency=concurrency,
            timeout_s=timeout,
            prices=_prices(price),
            budget=_budget(budget),
        )
    return LanguageChoice(settings=settings, cache=cache, dry_run=dry_run)


def asks_language(name: str = "language") -> Callable[[Command], Command]:
    """A command with these options, which it is given as its parameter `name`."""
    return shares(name, language_options)


def _prices(text: str | None) -> Prices | None:
    if text is None:
        return None
    try:
        prompt, completion = map(float, text.split(","))
    except ValueError as error:
        raise InvalidInput(f"--price is two numbers, as 0.15,0.6: not {text!r}.") from error
    return Prices(prompt=prompt, completion=completion)


def _budget(text: str | None) -> Budget:
    if text is None:
        return Budget()
    if found := TOKENS.fullmatch(text.strip()):
        return Budget(tokens=int(re.sub("[_,]", "", found[1])))
    try:
        return Budget(money=float(text))
    except ValueError as error:
        raise InvalidInput(
            f'--budget is an amount of money, as 2.5, or "200000 tokens": not {text!r}.'
        ) from error
