"""Commands that ask a language model about features: explain, score."""

from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from saelake.cli.options.lake import (
    CollectionArgument,
    FormatOption,
    changes,
    selected,
    split_names,
    split_numbers,
)
from saelake.cli.options.language import PANEL as MODEL_PANEL
from saelake.cli.options.language import AskedModel, asked_model
from saelake.cli.options.shared import shares
from saelake.cli.show.explained import FeaturesBar, report
from saelake.cli.show.screen import Format, answer, out, say
from saelake.explaining.explainers import Way
from saelake.explaining.run.chosen import FeatureChoice
from saelake.explaining.run.faces import estimated_run, reported
from saelake.explaining.run.options import ExplainOptions, scoring_ways
from saelake.explaining.run.running import ExplainRun
from saelake.lake import Lake
from saelake.store.errors import BudgetSpent

PANEL = "Name"
AskedLake = AbstractContextManager[Lake]
SAID = 5  # features without a label that are said

FeaturesOption = Annotated[
    str | None, typer.Option(help="Only these features: 12,34, of a signed dictionary also -12.")
]
ScoreOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="WAY[,WAY]",
        help="How labels are scored: detection, fuzzing, intruder, simulation, embedding; or none. "
        "[default: detection,fuzzing]",
    ),
]
SentenceModelOption = Annotated[
    str | None, typer.Option(help="The sentence model of the score by embedding.")
]


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    for command in (explain, score):
        app.command(rich_help_panel=PANEL)(command)


@changes()
@shares("asked", asked_model)
def explain(
    collection: CollectionArgument,
    *,
    features: FeaturesOption = None,
    expression: Annotated[
        str | None, typer.Option(help='Only the features of an expression: "12 & 34".')
    ] = None,
    diff: Annotated[
        tuple[str, str] | None,
        typer.Option(
            metavar="SELECTION SELECTION",
            help="Only the features in which two selections differ most; see `saelake diff`.",
        ),
    ] = None,
    unlabelled: Annotated[
        bool, typer.Option("--unlabelled", help="Only those without a label, or an automatic one.")
    ] = False,
    k: Annotated[
        int | None,
        typer.Option(
            "-k", help="At most so many, the most frequent first. [default: all; 50 of --diff]"
        ),
    ] = None,
    way: Annotated[
        Way,
        typer.Option(
            help="How the model is asked: with marked tokens, also with counterexamples, or about "
            "whole passages."
        ),
    ] = "default",
    thoughts: Annotated[
        bool, typer.Option("--thoughts", help="Let it think aloud first (the default way).")
    ] = False,
    score: ScoreOption = None,
    sentence_model: SentenceModelOption = None,
    explainer: Annotated[
        str | None, typer.Option(help="Who is said to have made the labels. [default: the model]")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Ask for other answers to what was asked before.")
    ] = None,
    judge_model: Annotated[
        str | None,
        typer.Option(help="Another model that judges the labels.", rich_help_panel=MODEL_PANEL),
    ] = None,
    judge_url: Annotated[
        str | None, typer.Option(help="The judge's server.", rich_help_panel=MODEL_PANEL)
    ] = None,
    judge_price: Annotated[
        str | None,
        typer.Option(
            metavar="PROMPT/COMPLETION", help="The judge's prices.", rich_help_panel=MODEL_PANEL
        ),
    ] = None,
    judge_key_env: Annotated[
        str | None,
        typer.Option(help="The variable with the judge's key.", rich_help_panel=MODEL_PANEL),
    ] = None,
    judge_key_file: Annotated[
        Path | None,
        typer.Option(help="A file with the judge's key.", rich_help_panel=MODEL_PANEL),
    ] = None,
    format: FormatOption = "table",  # noqa: A002
    asked: AskedModel,
    place: AskedLake,
) -> None:
    """Let a language model say what features are about, score that, and write it as labels.

    The model sees where a feature fires, strongly and less, and where it does not. Its label is
    scored by other documents, that it never saw: a judge tells by it alone where the feature fires;
    0.5 is a guess. Every reply is kept: what was ended or killed goes on with the same command, and
    pays for nothing twice. Ask --dry-run first what it would cost.

    Examples: `saelake explain imdb/l4 -k 100 --model gpt-4o-mini --base-url
    https://api.openai.com/v1 --price 0.15/0.60 --budget 5`,
    `saelake explain imdb/l4 --features 12,34 --model qwen3 --base-url http://localhost:11434/v1`
    (Ollama; vLLM and `transformers serve` have theirs at http://localhost:8000/v1),
    `saelake explain imdb/l4 --diff "imdb/l4 where label = 'pos'" "imdb/l4 where label = 'neg'"
    --model gpt-4o-mini --dry-run`
    """
    options = ExplainOptions(
        way=way,
        thoughts=thoughts,
        scores=scoring_ways(split_names(score)),
        explainer=explainer,
        sentence_model=sentence_model,
        seed=seed,
    )
    judge = asked.other(judge_model, judge_url, judge_price, judge_key_env, judge_key_file)
    with place as found:
        differing = None if diff is None else (selected(found, diff[0]), selected(found, diff[1]))
        run = ExplainRun(
            collection=found[collection],
            model=asked.settings,
            judge=judge,
            options=options,
            choice=FeatureChoice(
                features=split_numbers(features),
                expression=expression,
                differing=differing,
                k=k,
                unlabelled=unlabelled,
            ),
            cache=asked.cache,
            name=asked.run,
        )
        _done(run, format, title=f"Explaining {collection}", dry_run=asked.dry_run)


@changes()
@shares("asked", asked_model)
def score(
    collection: CollectionArgument,
    *,
    explainer: Annotated[
        str, typer.Option(help="Whose labels; auto for those that saelake made by itself.")
    ] = "auto",
    features: FeaturesOption = None,
    k: Annotated[
        int | None, typer.Option("-k", help="At most so many, the most frequent first.")
    ] = None,
    score: ScoreOption = None,
    sentence_model: SentenceModelOption = None,
    format: FormatOption = "table",  # noqa: A002
    asked: AskedModel,
    place: AskedLake,
) -> None:
    """Score labels that are there, as `explain` scores its own, by the same documents.

    So one sees what a language model's labels say more than automatic or imported ones.

    Example: `saelake score imdb/l4 --explainer auto -k 100 --model gpt-4o-mini --base-url
    https://api.openai.com/v1`
    """
    options = ExplainOptions(scores=scoring_ways(split_names(score)), sentence_model=sentence_model)
    with place as found:
        run = ExplainRun(
            collection=found[collection],
            model=asked.settings,
            options=options,
            choice=FeatureChoice(features=split_numbers(features), k=k),
            only_scored=explainer,
            cache=asked.cache,
            name=asked.run,
        )
        _done(run, format, title=f"Scoring {collection}", dry_run=asked.dry_run)


def _done(run: ExplainRun, format: Format, *, title: str, dry_run: bool) -> None:  # noqa: A002
    """Do it, or say what it would take. Raises `BudgetSpent` when what was done is shown."""
    if dry_run:
        estimate = estimated_run(run)
        answer(
            format,
            estimate.to_arrow(),
            document=estimate.to_plain,
            show=lambda: out.print(repr(estimate), markup=False),
        )
        return
    with FeaturesBar(title) as bar:
        found = reported(replace(run, watch=bar))
    answer(format, found.to_arrow(), document=found.to_plain, show=lambda: out.print(report(found)))
    for each in found.unexplained[:SAID]:
        say(f"Feature {each.feature} has no label: {each.why}, {each.reason}")
    if found.stopped is not None:
        raise BudgetSpent(found.stopped)
