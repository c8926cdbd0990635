"""The command that judges documents by a rubric in words."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated

import typer

from saelake.answers.text import several
from saelake.cli.options.lake import WhereOption, changes, split_numbers
from saelake.cli.options.language import AskedModel, asked_model
from saelake.cli.options.shared import shares
from saelake.cli.show.progress import Counter
from saelake.cli.show.screen import say
from saelake.lake import Lake
from saelake.store.errors import InvalidInput

if TYPE_CHECKING:
    from saelake.judging import JudgeReport
    from saelake.language.estimates import RunEstimate

PANEL = "Name"
AskedLake = AbstractContextManager[Lake]


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel=PANEL)(judge)


@changes()
@shares("asked", asked_model, without=["run"])
def judge(
    corpus: Annotated[str, typer.Argument(metavar="CORPUS", help="The corpus, as imdb.")],
    question: Annotated[
        str, typer.Argument(metavar="RUBRIC", help='In words, as "Is the review sarcastic?".')
    ],
    *,
    column: Annotated[str, typer.Option("--as", help="What the column of verdicts is called.")],
    where: WhereOption = None,
    sample: Annotated[int | None, typer.Option(help="Only so many of the documents.")] = None,
    seed: Annotated[int, typer.Option(help="Which --sample: always the same.")] = 0,
    scale: Annotated[
        str, typer.Option(help="yes-no, 1-5, or names, as praise,blame,neither.")
    ] = "yes-no",
    characters: Annotated[
        int, typer.Option(help="Longer documents are cut to so many characters.")
    ] = 8000,
    around: Annotated[
        str | None,
        typer.Option(metavar="COLLECTION", help="Cut them where --features of this are strongest."),
    ] = None,
    features: Annotated[str | None, typer.Option(help="Of --around: 12,34.")] = None,
    asked: AskedModel,
    place: AskedLake,
) -> None:
    """Have a language model judge documents by a rubric, as a column that filters know.

    Beside each verdict is a quote, in the column NAME_quote. Interrupted, what was judged is kept;
    the same command judges the rest.

    Example: `saelake judge imdb "Is the review sarcastic?" --as sarcastic --sample 500
    --model qwen3 --base-url http://localhost:8000/v1`
    """
    from saelake.judging import JudgingPlan, estimate_judging
    from saelake.judging import judge as judged

    if (around is None) != (features is None):
        raise InvalidInput("--around names a collection, and --features which of its features.")
    plan = JudgingPlan(
        corpus=corpus,
        question=question,
        column=column,
        where=where,
        sample=sample,
        seed=seed,
        scale=scale,
        characters=characters,
        around=None if around is None else (around, tuple(split_numbers(features) or ())),
    )
    with place as found:
        if asked.dry_run:
            say_estimate(estimate_judging(found, plan, asked.settings, cache=asked.cache))
            return
        with Counter(f"Judging {corpus}", "documents") as counter:
            report = judged(found, plan, asked.settings, cache=asked.cache, on_progress=counter)
    say_report(report)


def say_estimate(estimate: "RunEstimate") -> None:
    """What asking would take."""
    cost = "" if estimate.cost is None else f", cost about {estimate.cost:.4g}"
    most = "" if estimate.most_cost is None else f", cost {estimate.most_cost:.4g}"
    say(
        f"It would ask about {several(estimate.n_requests, 'document')} "
        f"({estimate.n_cached:,} have a reply that is kept): about "
        f"{estimate.n_prompt_tokens + estimate.n_completion_tokens:,} tokens{cost}; "
        f"at most {estimate.most.n_tokens:,} tokens{most}"
    )


def say_report(report: "JudgeReport") -> None:
    """What came of it."""
    selection = report.selection
    counted = ", ".join(
        f"{shown(value)} {n:,}" for value, n in sorted(report.verdicts.items(), key=str)
    )
    say(f"Done: {report.column} of {report.drawn}")
    say(f"{several(report.n_judged, 'verdict')}: {counted or 'none'}")
    for n, what in (
        (report.n_before, "were judged before"),
        (selection.n_cut, "were longer than what was shown of them"),
        (selection.n_unquoted, "have no quote, as the one that was given is not in the document"),
        (selection.n_unreadable, "have no verdict: the answer could not be read, twice"),
        (selection.n_unanswered, "have no verdict: there was no answer; run it again"),
        (report.n_gone, "were deleted or replaced meanwhile"),
    ):
        if n:
            say(f"{n:,} {what}")
    say(f"Asked so far for this column: {report.spending}")


def shown(value: bool | int | str) -> str:
    """A verdict, as filters name it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
