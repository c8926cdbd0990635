"""Groups named by a language model, each name then judged by documents that were held back.

Stages: a name for each group; of groups with one name the later ones again, told which are taken;
and each name judged in documents of its group and in others, blind to which these are.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from saelake.answers.clusters import Clusters
from saelake.answers.families import Families
from saelake.collection import Collection
from saelake.explaining.claims.asking import judge_prompts
from saelake.explaining.claims.decided import JudgedHypothesis, decided
from saelake.explaining.claims.reading import VerdictReader
from saelake.explaining.claims.stages import AskedStages, Told, text_verdict
from saelake.explaining.claims.verdicts import Hypothesis
from saelake.explaining.naming.asking import STATEMENT, naming
from saelake.explaining.naming.evidence import GroupsRead, read_groups
from saelake.explaining.naming.named import NamedGroup
from saelake.explaining.naming.options import NamingOptions
from saelake.explaining.naming.reading import NameReader, key_of
from saelake.explaining.naming.report import NamingReport, naming_notes
from saelake.language.model import LanguageModel
from saelake.language.prompts import Prompt
from saelake.language.settings import LanguageSettings
from saelake.store.errors import Unavailable

JudgeKey = tuple[int, int]  # a group, and one of its texts


@dataclass(frozen=True, slots=True)
class GroupNames:
    """The names of groups by their places, and why others have none."""

    of: dict[int, str]
    why: dict[int, str]


class NamingRun:
    """The stages of naming, each asked of a model when the one before is known."""

    def __init__(self, read: GroupsRead, model: LanguageModel, told: Told | None = None) -> None:
        self.read, self.options = read, read.options
        self.stages = AskedStages(model, told)

    async def report(self) -> NamingReport:
        """Everything, one stage after the other. Raises what ends a run; see `ask_and_read`."""
        names = await self.distinct(await self.names())
        judged = await self.judged(names)
        groups = tuple(
            NamedGroup(
                number=group.number,
                size=group.size,
                features=group.features,
                name=names.of.get(place),
                why=names.why.get(place, ""),
                judged=judged.get(place),
            )
            for place, group in enumerate(self.read.groups)
        )
        return NamingReport(
            kind=self.read.kind,
            selection=self.read.selection,
            state=self.read.state,
            options=self.options,
            groups=groups,
            notes=tuple(naming_notes(groups)),
            asked=await self.stages.asked(),
        )

    def name_prompts(
        self, places: Sequence[int] | None = None, taken: Sequence[str] = ()
    ) -> list[tuple[int, Prompt]]:
        """One for each group of which a text can be shown."""
        every = range(len(self.read.groups)) if places is None else places
        groups = [(place, self.read.groups[place]) for place in every]
        kind, n_words = self.read.kind, self.options.n_words
        return [(i, naming(group, kind, n_words, taken)) for i, group in groups if group.shown]

    async def names(self) -> GroupNames:
        """What each group is called; several may be called the same.

        Raises `Unavailable` where nothing was answered.
        """
        reader = NameReader(self.options.n_words)
        stage = await self.stages.ask("groups named", self.name_prompts(), reader)
        if 0 < stage.n == stage.n_unanswered:
            raise Unavailable(f"No answer to what a group is called: {min(stage.why.values())}.")
        silent = [i for i, group in enumerate(self.read.groups) if not group.shown]
        why = dict.fromkeys(silent, "no text of it can be shown")
        return GroupNames(dict(sorted(stage.values.items())), why | stage.why)

    async def distinct(self, names: GroupNames) -> GroupNames:
        """The names, of which no two are one: later groups are asked again."""
        kept, again = settled(names.of)
        if not again:
            return names
        taken = list(kept.values())
        reader = NameReader(self.options.n_words, taken)
        prompts = self.name_prompts(again, taken)
        stage = await self.stages.ask("names that were taken", prompts, reader)
        other, twice = settled(kept | dict(sorted(stage.values.items())))
        alike = {i: f"its name {stage.values[i]!r} is that of another group" for i in twice}
        return GroupNames(other, names.why | stage.why | alike)

    async def judged(self, names: GroupNames) -> dict[int, JudgedHypothesis]:
        """Of each named group what the judge said of its name, by the group's place."""
        reader = VerdictReader()
        stage = await self.stages.ask("verdicts", self.judge_prompts(names.of, reader), reader)
        claims = {
            place: Hypothesis(more_in="A", statement=name, features=())
            for place, name in names.of.items()
            if self.read.groups[place].judged
        }
        verdicts = [
            [
                text_verdict(text, stage, (place, number))
                for number, text in enumerate(self.read.groups[place].judged)
            ]
            for place in claims
        ]
        rows = decided(list(claims.values()), verdicts, self.options.rule)
        found = {row.hypothesis.statement: row for row in rows}
        return {place: found[claim.statement] for place, claim in claims.items()}

    def judge_prompts(
        self, names: dict[int, str], reader: VerdictReader
    ) -> list[tuple[JudgeKey, Prompt]]:
        """One for each name and text that judges it."""
        return [
            ((place, text), prompt)
            for place, name in names.items()
            for (_, text), prompt in judge_prompts(
                self.read.groups[place].judged,
                [STATEMENT.format(name=name)],
                self.options.seed,
                reader,
            )
        ]


def settled(names: dict[int, str]) -> tuple[dict[int, str], list[int]]:
    """The names by place, each with the first group that has it; and the groups that come later."""
    first: dict[str, int] = {}
    for place, name in names.items():
        first.setdefault(key_of(name), place)
    kept = {place: name for place, name in names.items() if first[key_of(name)] == place}
    return kept, [place for place in names if place not in kept]


async def groups_named(
    collection: Collection,
    groups: Clusters | Families,
    model: LanguageModel,
    options: NamingOptions | None = None,
    told: Told | None = None,
) -> NamingReport:
    """Names for clusters or families of a collection, by a model that is open.

    Raises `BudgetSpent` and what else ends a run; what was answered is kept, and not asked again.
    """
    read = await asyncio.to_thread(read_groups, collection, groups, options or NamingOptions())
    return await NamingRun(read, model, told).report()


def name_groups(
    collection: Collection,
    groups: Clusters | Families,
    settings: LanguageSettings,
    *,
    options: NamingOptions | None = None,
    run: str | None = None,
    cache: Path | str | None = None,
    told: Told | None = None,
) -> NamingReport:
    """Names for clusters or families of a collection, by a model of a server, each one judged.

    The budget of the settings is for all that is asked under the name `run`, which is by default
    made of the selection's name. Where an event loop runs already, await `groups_named`. Raises
    `BudgetSpent` and what else ends a run.

    >>> name_groups(reviews, reviews.cluster(5), settings)  # doctest: +SKIP
    """

    async def ask() -> NamingReport:
        name = run or f"name {collection.selection}"
        async with LanguageModel(settings, run=name, cache=cache) as model:
            return await groups_named(collection, groups, model, options, told)

    return asyncio.run(ask())
