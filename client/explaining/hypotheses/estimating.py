"""What a comparison would take. Nothing is asked.

A stage whose prompts are made of answers that are there already is counted exactly; one that waits
for others is counted at its most: as many hypotheses as may be made, of a likely length.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from saelake.collection import Collection
from saelake.explaining.hypotheses.comparing import HypothesisRun, SidesRead, read_sides
from saelake.explaining.hypotheses.options import HypothesisOptions
from saelake.explaining.hypotheses.reading import VerdictReader
from saelake.explaining.hypotheses.report import RelabelledFeature
from saelake.language.amounts import Budget
from saelake.language.estimates import RunEstimate
from saelake.language.model import LanguageModel
from saelake.language.prompts import Prompt
from saelake.language.settings import LanguageSettings
from saelake.store.errors import BudgetSpent

LIKELY = "a property of texts, as long as such properties mostly are in practice, number {}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEstimate:
    """What a stage would take; `is_known`: of the very prompts that it would ask."""

    stage: str
    is_known: bool
    estimate: RunEstimate


async def estimated(sides: SidesRead, model: LanguageModel) -> tuple[StageEstimate, ...]:
    """What each stage would take, by a model whose budget is nothing."""
    comparing = HypothesisRun(sides, model)
    prompts = [comparing.label_prompts()]
    is_known = [True]
    try:
        labels = await comparing.labels()
    except BudgetSpent:
        is_known.append(False)
        labels = tuple(RelabelledFeature(of=of, label=LIKELY) for of in sides.features)
    else:
        is_known.append(True)
    known = [(each.of, each.label) for each in labels if each.label is not None]
    prompts.append([(0, comparing.proposing(known))] if known else [])
    statements, is_made = await _statements(comparing, labels, is_known[-1])
    prompts.append(comparing.judge_prompts(statements if known else (), VerdictReader()))
    is_known.append(is_made)
    return await _stages(model, prompts, is_known)


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


async def _stages(
    model: LanguageModel, prompts: Sequence[Sequence[tuple[int, Prompt]]], is_known: Sequence[bool]
) -> tuple[StageEstimate, ...]:
    names = ("features relabelled", "hypotheses made", "verdicts")
    return tuple(
        [
            StageEstimate(stage=name, is_known=known, estimate=await model.estimate(of))
            for name, of, known in zip(names, prompts, is_known, strict=True)
        ]
    )


def estimate(
    a: Collection,
    b: Collection,
    settings: LanguageSettings,
    *,
    options: HypothesisOptions | None = None,
    cache: Path | str | None = None,
) -> tuple[StageEstimate, ...]:
    """What `compare` would take, stage by stage; of the lake everything is read, nothing asked."""
    nothing = replace(settings, budget=Budget(tokens=0))

    async def ask() -> tuple[StageEstimate, ...]:
        sides = await asyncio.to_thread(read_sides, a, b, options or HypothesisOptions())
        async with LanguageModel(nothing, run="dry run", cache=cache) as model:
            return await estimated(sides, model)

    return asyncio.run(ask())
