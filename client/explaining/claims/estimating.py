"""What stages of a run would take. Nothing is asked.

A stage whose prompts are made of answers that are there already is counted exactly; one that waits
for others is counted at its most, with texts of a likely length in place of those answers.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from saelake.language.amounts import Budget
from saelake.language.estimates import RunEstimate
from saelake.language.model import LanguageModel
from saelake.language.prompts import Prompt
from saelake.language.settings import LanguageSettings

T = TypeVar("T")
LIKELY = "a property of texts, as long as such properties mostly are in practice, number {}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StagePrompts:
    """The prompts of a stage; `is_known`: the very ones that it would ask."""

    stage: str
    prompts: Sequence[tuple[Hashable, Prompt]]
    is_known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEstimate:
    """What a stage would take; `is_known`: of the very prompts that it would ask."""

    stage: str
    is_known: bool
    estimate: RunEstimate


async def stage_estimates(
    model: LanguageModel, stages: Sequence[StagePrompts]
) -> tuple[StageEstimate, ...]:
    """What each stage would take."""
    return tuple(
        [
            StageEstimate(
                stage=each.stage,
                is_known=each.is_known,
                estimate=await model.estimate(each.prompts),
            )
            for each in stages
        ]
    )


def asking_nothing(
    settings: LanguageSettings,
    cache: Path | str | None,
    ask: Callable[[LanguageModel], Awaitable[T]],
) -> T:
    """What comes of a run whose budget is nothing: only replies that are kept are there."""
    nothing = replace(settings, budget=Budget(tokens=0))

    async def asked() -> T:
        async with LanguageModel(nothing, run="dry run", cache=cache) as model:
            return await ask(model)

    return asyncio.run(asked())
