"""`saelake diff --explain`: what differs, in words."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from saelake.cli.options.language import (
    PANEL as LANGUAGE,
)
from saelake.cli.options.language import (
    AskedModel,
    BudgetOption,
    CacheOption,
    ConcurrencyOption,
    DryRunOption,
    KeyEnvOption,
    KeyFileOption,
    PriceOption,
    RunOption,
    TimeoutOption,
    asked_model,
)
from saelake.cli.show.hypotheses import shown, stage_document, stage_table, stages_shown
from saelake.cli.show.screen import Format, answer, err, out, say
from saelake.cli.show.waiting import AnswerBar, waiting
from saelake.collection import Collection
from saelake.explaining.hypotheses.comparing import Told, compare
from saelake.explaining.hypotheses.estimating import estimate
from saelake.explaining.hypotheses.options import Correction, HypothesisOptions
from saelake.explaining.hypotheses.written import check_form, write_report
from saelake.store.errors import InvalidInput
from saelake.store.requests.checks import Selection
from saelake.store.requests.diff import DiffQuery
from saelake.store.requests.waited.progress import Progress

PANEL = "What differs, in words"
DEFAULT = HypothesisOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class InWords:
    """What is asked of a language model about a diff, and where its report goes."""

    explain: bool
    report: Path | None
    options: HypothesisOptions


def in_words_options(
    *,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="State what differs in words, and test that, by a language model.",
            rich_help_panel=PANEL,
        ),
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write it all to FILE.md, .html or .json.", rich_help_panel=PANEL
        ),
    ] = None,
    n_hypotheses: Annotated[
        int, typer.Option(help="Hypotheses at most, up to 10.", rich_help_panel=PANEL)
    ] = DEFAULT.n_hypotheses,
    n_features: Annotated[
        int, typer.Option(help="Differing features that are looked at.", rich_help_panel=PANEL)
    ] = DEFAULT.n_features,
    n_judged: Annotated[
        int, typer.Option(help="Texts of each side that are judged.", rich_help_panel=PANEL)
    ] = DEFAULT.n_judged,
    n_tokens: Annotated[
        int, typer.Option(help="Tokens of a text that are read.", rich_help_panel=PANEL)
    ] = DEFAULT.n_tokens,
    correction: Annotated[
        Correction,
        typer.Option(help="How p-values are corrected for all hypotheses.", rich_help_panel=PANEL),
    ] = DEFAULT.correction,
    seed: Annotated[
        int, typer.Option(help="By which texts are drawn.", rich_help_panel=PANEL)
    ] = DEFAULT.seed,
) -> InWords:
    """What is asked. Raises `InvalidInput`."""
    if report is not None:
        if not explain:
            raise InvalidInput("--report is for --explain: give both.")
        check_form(report)
    options = HypothesisOptions(
        n_hypotheses=n_hypotheses,
        n_features=n_features,
        n_judged=n_judged,
        n_tokens=n_tokens,
        correction=correction,
        seed=seed,
    )
    return InWords(explain=explain, report=report, options=options)


def diff_model(
    *,
    model: Annotated[
        str | None,
        typer.Option(help="The model, as its server calls it.", rich_help_panel=LANGUAGE),
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option(
            help="Its server, which is OpenAI-compatible: http://localhost:8000/v1.",
            envvar="OPENAI_BASE_URL",
            rich_help_panel=LANGUAGE,
        ),
    ] = None,
    key_env: KeyEnvOption = None,
    key_file: KeyFileOption = None,
    concurrency: ConcurrencyOption = 32,
    timeout: TimeoutOption = 120.0,
    price: PriceOption = None,
    budget: BudgetOption = None,
    cache: CacheOption = None,
    run: RunOption = None,
    dry_run: DryRunOption = False,
) -> AskedModel | None:
    """The model that is named, if one is. Raises `InvalidInput`."""
    if model is None:
        return None
    if base_url is None:
        raise InvalidInput("Name the model's server: --base-url http://localhost:8000/v1.")
    return asked_model(
        model=model,
        base_url=base_url,
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


def explain_diff(
    sides: Sequence[Collection],
    words: InWords,
    language: AskedModel | None,
    asked: Mapping[str, Any],
    chosen: Format,
) -> None:
    """Say what differs, or what saying so would take. `asked` is what else was said of the diff.

    Raises `InvalidInput` for what hypotheses are not judged by.
    """
    options = _options(words, asked)
    if language is None:
        raise InvalidInput("Name the model to ask, as its server calls it: --model NAME.")
    if len(sides) != 2:
        raise InvalidInput("--explain compares two selections: leave out the others.")
    a, b = sides
    if language.dry_run:
        _estimate(a, b, options, language, chosen)
        return
    with _told(chosen) as told:
        made = compare(
            a,
            b,
            language.settings,
            options=options,
            run=language.run,
            cache=language.cache,
            told=told,
        )
    if words.report is not None:
        write_report(made, words.report)
        say(f"The report is in {words.report}.")
    answer(chosen, made.to_arrow(), document=made.to_plain, show=lambda: out.print(shown(made)))


def _estimate(
    a: Collection, b: Collection, options: HypothesisOptions, language: AskedModel, chosen: Format
) -> None:
    with waiting(chosen):
        stages = estimate(a, b, language.settings, options=options, cache=language.cache)
    answer(
        chosen,
        stage_table(stages),
        document=lambda: stage_document(stages),
        show=lambda: out.print(stages_shown(stages)),
    )


def _options(words: InWords, asked: Mapping[str, Any]) -> HypothesisOptions:
    """The options, with what was said of the diff; the rest of that must be as it is by default."""
    kept = {"align", "cluster_by", "confirm", "confirm_share"}
    usual = DiffQuery(a=Selection(collection="a/b"), others=(Selection(collection="a/b"),))
    others = sorted(n for n in asked if n not in kept and asked[n] != getattr(usual, n))
    if others:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in others)
        raise InvalidInput(f"--explain does not keep to {names}: leave these out.")
    return replace(
        words.options,
        align=asked["align"],
        cluster_by=asked["cluster_by"],
        held_back=asked["confirm_share"],
    )


def check_explains(words: InWords, language: AskedModel | None) -> None:
    """Raise `InvalidInput` where a model is named, and nothing to ask it."""
    if language is not None and not words.explain:
        raise InvalidInput("--model is for --explain: give both.")


@contextmanager
def _told(chosen: Format) -> Iterator[Told | None]:
    """Whom it is told how far it is: a bar on a terminal, for people."""
    if chosen != "table" or not err.is_terminal:
        yield None
        return
    steps: dict[str, int] = {}
    with AnswerBar() as bar:

        def told(stage: str, done: int, total: int) -> None:
            step = steps.setdefault(stage, len(steps) + 1)
            bar(Progress(step=step, stage=stage, done=done, total=total))

        yield told
