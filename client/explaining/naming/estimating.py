"""What naming groups would take, stage by stage. Nothing is asked."""

from pathlib import Path

from saelake.answers.clusters import Clusters
from saelake.answers.families import Families
from saelake.collection import Collection
from saelake.explaining.claims.estimating import (
    StageEstimate,
    StagePrompts,
    asking_nothing,
    stage_estimates,
)
from saelake.explaining.claims.reading import VerdictReader
from saelake.explaining.naming.evidence import GroupsRead, read_groups
from saelake.explaining.naming.options import NamingOptions
from saelake.explaining.naming.running import GroupNames, NamingRun, settled
from saelake.language.model import LanguageModel
from saelake.language.settings import LanguageSettings
from saelake.store.errors import BudgetSpent

LIKELY = "a name of a few words {}"


async def naming_estimated(read: GroupsRead, model: LanguageModel) -> tuple[StageEstimate, ...]:
    """What each stage would take, by a model whose budget is nothing."""
    naming = NamingRun(read, model)
    first = naming.name_prompts()
    stages = [StagePrompts(stage="groups named", prompts=first)]
    likely = {place: LIKELY.format(place) for place, _ in first}
    names, is_known = GroupNames(likely, {}), True
    try:
        names = await naming.names()
        kept, again = settled(names.of)
    except BudgetSpent:  # of groups with one name all but the first are asked again
        kept, again, is_known = likely, list(likely)[1:], False
    prompts = naming.name_prompts(again, list(kept.values())) if again else []
    stages.append(StagePrompts(stage="names that were taken", prompts=prompts, is_known=is_known))
    if is_known:
        try:
            names = await naming.distinct(names)
        except BudgetSpent:
            names, is_known = GroupNames(likely, {}), False
    judging = naming.judge_prompts(names.of, VerdictReader())
    stages.append(StagePrompts(stage="verdicts", prompts=judging, is_known=is_known))
    return await stage_estimates(model, stages)


def estimate_names(
    collection: Collection,
    groups: Clusters | Families,
    settings: LanguageSettings,
    *,
    options: NamingOptions | None = None,
    cache: Path | str | None = None,
) -> tuple[StageEstimate, ...]:
    """What `name_groups` would take, stage by stage; the lake is read, and nothing asked."""
    read = read_groups(collection, groups, options or NamingOptions())
    return asking_nothing(settings, cache, lambda model: naming_estimated(read, model))
