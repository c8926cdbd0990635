"""Options of commands that ask a language model."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from saelake.cli.options.shared import shares
from saelake.language.amounts import Budget, Prices
from saelake.language.keys import read_key
from saelake.language.settings import LanguageSettings
from saelake.store.errors import InvalidInput

PANEL = "The language model"

_MODEL = typer.Option(help="The model, as its server calls it: gpt-4o-mini.", rich_help_panel=PANEL)
_URL = typer.Option(
    help="Its server, which is OpenAI-compatible: http://localhost:8000/v1.",
    envvar="OPENAI_BASE_URL",
    rich_help_panel=PANEL,
)
ModelOption = Annotated[str, _MODEL]
NamedModelOption = Annotated[str | None, _MODEL]
BaseUrlOption = Annotated[str, _URL]
NamedUrlOption = Annotated[str | None, _URL]
KeyEnvOption = Annotated[
    str | None,
    typer.Option(
        help="The variable that has the server's key. [default: OPENAI_API_KEY, if there is]",
        rich_help_panel=PANEL,
    ),
]
KeyFileOption = Annotated[
    Path | None,
    typer.Option(help="A file with the key, that others cannot read.", rich_help_panel=PANEL),
]
ConcurrencyOption = Annotated[
    int, typer.Option(help="How many requests are under way at once.", rich_help_panel=PANEL)
]
TimeoutOption = Annotated[
    float, typer.Option(help="Seconds in which an answer must come.", rich_help_panel=PANEL)
]
PriceOption = Annotated[
    str | None,
    typer.Option(
        metavar="PROMPT/COMPLETION",
        help="Prices of a million tokens, as 0.15/0.60, in any currency.",
        rich_help_panel=PANEL,
    ),
]
BudgetOption = Annotated[
    str | None,
    typer.Option(
        help="What all runs of this name may take: 5.00, by --price, or 2M tokens.",
        rich_help_panel=PANEL,
    ),
]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        help="The folder that keeps replies. [default: ~/.cache/saelake/language]",
        rich_help_panel=PANEL,
    ),
]
RunOption = Annotated[
    str | None,
    typer.Option(
        help="The name by which a budget is counted. [default: of the command, the collection and "
        "the explainer]",
        rich_help_panel=PANEL,
    ),
]
DryRunOption = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Say what it would take, and ask nothing.", rich_help_panel=PANEL
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedModel:
    """The model that a command's options name, and how a run of it is counted and kept."""

    settings: LanguageSettings
    cache: Path | None
    run: str | None
    dry_run: bool

    def other(
        self,
        model: str | None,
        base_url: str | None,
        price: str | None,
        key_env: str | None,
        key_file: Path | None,
    ) -> LanguageSettings | None:
        """Another model, at the same server or at another; None where none is named.

        A key goes to the server that it was given for: another one has its own, or none.
        """
        if model is None and base_url is None:
            return None
        if self.settings.prices is not None and price is None:
            raise InvalidInput("The judge is another model: what does it cost? Give --judge-price.")
        is_there = base_url is None or base_url.rstrip("/") == self.settings.base_url
        own = key_env is not None or key_file is not None
        key = read_key(variable=key_env, file=key_file) if own else None
        return replace(
            self.settings,
            model=model or self.settings.model,
            base_url=base_url or self.settings.base_url,
            key=self.settings.key if is_there and not own else key,
            prices=self.settings.prices if price is None else Prices.parse(price),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedHow:
    """How a model is asked, whichever it is."""

    key_env: str | None
    key_file: Path | None
    concurrency: int
    timeout: float
    price: str | None
    budget: str | None
    cache: Path | None
    run: str | None
    dry_run: bool

    def of(self, model: str, base_url: str) -> AskedModel:
        """A model that is asked so. Raises `InvalidInput`."""
        settings = LanguageSettings(
            base_url=base_url,
            model=model,
            key=read_key(variable=self.key_env, file=self.key_file),
            concurrency=self.concurrency,
            timeout_s=self.timeout,
            prices=None if self.price is None else Prices.parse(self.price),
            budget=Budget() if self.budget is None else Budget.parse(self.budget),
        )
        return AskedModel(settings=settings, cache=self.cache, run=self.run, dry_run=self.dry_run)


def asked_how(
    *,
    key_env: KeyEnvOption = None,
    key_file: KeyFileOption = None,
    concurrency: ConcurrencyOption = 32,
    timeout: TimeoutOption = 120.0,
    price: PriceOption = None,
    budget: BudgetOption = None,
    cache: CacheOption = None,
    run: RunOption = None,
    dry_run: DryRunOption = False,
) -> AskedHow:
    """How these options say that a model is asked."""
    return AskedHow(
        key_env=key_env,
        key_file=key_file,
        concurrency=concurrency,
        timeout=timeout,
        price=price,
        budget=budget,
        cache=cache,
        run=run,
        dry_run=dry_run,
    )


@shares("how", asked_how)
def asked_model(*, model: ModelOption, base_url: BaseUrlOption, how: AskedHow) -> AskedModel:
    """The model that these options name. Raises `InvalidInput`."""
    return how.of(model, base_url)


@shares("how", asked_how)
def named_model(
    *, model: NamedModelOption = None, base_url: NamedUrlOption = None, how: AskedHow
) -> AskedModel | None:
    """The model that is named, if one is. Raises `InvalidInput`."""
    if model is None:
        return None
    if base_url is None:
        raise InvalidInput("Name the model's server: --base-url http://localhost:8000/v1.")
    return how.of(model, base_url)
