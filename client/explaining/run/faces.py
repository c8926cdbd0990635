"""Explaining and scoring features of a collection, as functions."""

from collections.abc import Sequence
from pathlib import Path

from saelake.collection import Collection, FeatureName
from saelake.explaining.run.chosen import FeatureChoice
from saelake.explaining.run.estimating import ExplainEstimate
from saelake.explaining.run.options import ExplainOptions
from saelake.explaining.run.report import ExplainReport
from saelake.explaining.run.running import ExplainRun, Watch
from saelake.explaining.run.waiting import waited
from saelake.language.settings import LanguageSettings

DEFAULT = ExplainOptions()


async def explain_awaited(
    collection: Collection,
    model: LanguageSettings,
    *,
    features: Sequence[FeatureName] | None = None,
    expression: str | None = None,
    differing: tuple[Collection, Collection] | None = None,
    k: int | None = None,
    unlabelled: bool = False,
    options: ExplainOptions = DEFAULT,
    judge: LanguageSettings | None = None,
    cache: Path | str | None = None,
    run: str | None = None,
    watch: Watch | None = None,
) -> ExplainReport:
    """Ask a language model what features are about, score what it says, and write the labels.

    The features are those given (see `FeatureChoice`), or all that fire. `judge` is asked for the
    scores in place of the model itself; both keep to the bound and the budget of `model`. Replies
    are kept in the folder `cache`: a run that was ended or killed goes on where it was. `run` names
    what a budget is counted for. Labels that are done are written whatever ends it: where the
    budget is spent the report says so in `stopped`, and other errors are raised.

    Raises `MissingExtra`, `InvalidInput`, `NotFound`, and what `LanguageModel.ask` does.
    """
    choice = FeatureChoice(
        features=features, expression=expression, differing=differing, k=k, unlabelled=unlabelled
    )
    whole = ExplainRun(
        collection=collection,
        model=model,
        judge=judge,
        options=options,
        choice=choice,
        cache=cache,
        name=run,
        watch=watch,
    )
    return await whole.report()


async def score_labels_awaited(
    collection: Collection,
    model: LanguageSettings,
    explainer: str = "auto",
    *,
    features: Sequence[FeatureName] | None = None,
    k: int | None = None,
    options: ExplainOptions = DEFAULT,
    cache: Path | str | None = None,
    run: str | None = None,
    watch: Watch | None = None,
) -> ExplainReport:
    """Score what an explainer called features, as `explain` scores its own labels.

    `auto` are the labels that saelake made by itself. The documents are those by which a language
    model's labels are scored too, so that one sees what it adds. Raises `InvalidInput` where none
    of the features has a label by the explainer, and what `explain` does.
    """
    whole = ExplainRun(
        collection=collection,
        model=model,
        options=options,
        choice=FeatureChoice(features=features, k=k),
        only_scored=explainer,
        cache=cache,
        name=run,
        watch=watch,
    )
    return await whole.report()


async def _reported(run: ExplainRun) -> ExplainReport:
    return await run.report()


async def _estimated(run: ExplainRun) -> ExplainEstimate:
    return await run.estimate()


reported, estimated_run = waited(_reported), waited(_estimated)
explain = waited(explain_awaited)
score_labels = waited(score_labels_awaited)
