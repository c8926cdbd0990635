"""What a comparison would take, stage by stage. Nothing is asked."""

from collections.abc import Sequence
from pathlib import Path

from saelake.collection import Collection
from saelake.explaining.claims.estimating import (
    LIKELY,
    StageEstimate,
    StagePrompts,
    asking_nothing,
    stage_estimates,
)
from saelake.explaining.claims.reading import VerdictReader
from saelake.explaining.hypotheses.comparing import HypothesisRun, SidesRead, read_sides
from saelake.explaining.hypotheses.contrasts import (
    FeatureSource,
    RelabelledFeature,
    found_differences,
)
from saelake.explaining.hypotheses.options import HypothesisOptions
from saelake.language.model import LanguageModel
from saelake.language.settings import LanguageSettings
from saelake.store.errors import BudgetSpent


async def estimated(sides: SidesRead, model: LanguageModel) -> tuple[StageEstimate, ...]:
    """What each stage would take, by a model whose budget is nothing."""
    comparing = HypothesisRun(sides, model)
    stages = [StagePrompts(stage="features relabelled", prompts=comparing.label_prompts())]
    labels, are_known = await _labels(comparing, sides)
    known = [(each.of, each.label) for each in labels if each.label is not None]
    proposing = [(0, comparing.proposing(known))] if known else []
    stages.append(StagePrompts(stage="hypotheses made", prompts=proposing, is_known=are_known))
    statements, are_made = await _statements(comparing, labels, are_known)
    judging = comparing.judge_prompts(statements if known else (), VerdictReader())
    stages.append(StagePrompts(stage="verdicts", prompts=judging, is_known=are_made))
    return await stage_estimates(model, stages)


async def _labels(
    comparing: HypothesisRun, sides: SidesRead
) -> tuple[tuple[RelabelledFeature, ...], bool]:
    """The labels that were made, or likely ones."""
    try:
        return await comparing.labels(), True
    except BudgetSpent:
        return tuple(RelabelledFeature(of=of, label=LIKELY) for of in sides.features), False


async def _statements(
    comparing: HypothesisRun,
    labels: Sequence[RelabelledFeature],
    is_known: bool,
) -> tuple[list[str], bool]:
    """The hypotheses that were made, or as many as may be."""
    if is_known:
        try:
            made, _ = await comparing.hypotheses(labels)
            return [each.statement for each in made], True
        except BudgetSpent:
            pass
    return [LIKELY.format(n) for n in range(comparing.options.n_hypotheses)], False


def estimate(
    a: Collection,
    b: Collection,
    settings: LanguageSettings,
    *,
    options: HypothesisOptions | None = None,
    cache: Path | str | None = None,
    source: FeatureSource = found_differences,
) -> tuple[StageEstimate, ...]:
    """What `compare` would take, stage by stage; of the lake everything is read, nothing asked."""
    sides = read_sides(a, b, options or HypothesisOptions(), source)
    return asking_nothing(settings, cache, lambda model: estimated(sides, model))
