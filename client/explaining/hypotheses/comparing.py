"""Two sets of texts compared by a language model, which a test then holds to its word.

Stages: features that differ, in documents that are not held back; each relabelled by texts of both
sides; hypotheses made of these; each judged in documents held back, blind to their side; tested.
What is asked is a function of the lake's state and the options, so that a run which was killed goes
on where it was, and a second one asks nothing.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from saelake.collection import Collection
from saelake.explaining.claims.asking import judge_prompts
from saelake.explaining.claims.decided import decided
from saelake.explaining.claims.reading import VerdictReader
from saelake.explaining.claims.stages import AskedStages, Told, text_verdict
from saelake.explaining.claims.texts import SideText, SideTexts
from saelake.explaining.claims.verdicts import Hypothesis, TextVerdict
from saelake.explaining.hypotheses.asking import proposing, relabelling
from saelake.explaining.hypotheses.contrasts import (
    DifferingFeature,
    FeatureContrast,
    FeatureSource,
    RelabelledFeature,
    contrasts,
    found_differences,
)
from saelake.explaining.hypotheses.drawn import DrawnDocuments, drawn
from saelake.explaining.hypotheses.options import HypothesisOptions
from saelake.explaining.hypotheses.reading import HypothesesReader, label_of
from saelake.explaining.hypotheses.report import HypothesisReport, judged_notes
from saelake.language.model import LanguageModel
from saelake.language.prompts import Prompt
from saelake.language.settings import LanguageSettings
from saelake.store.errors import Unavailable

EXAMPLES = 6  # texts of each side beside the features


@dataclass(frozen=True, slots=True, kw_only=True)
class SidesRead:
    """Everything of the lake that is asked about, before anything is asked."""

    a: str
    b: str
    state: str | None
    options: HypothesisOptions
    documents: DrawnDocuments
    contrasts: tuple[FeatureContrast, ...]
    examples: tuple[SideText, ...]
    judged: tuple[SideText, ...]
    diff_test: str
    n_features_tested: int
    notes: tuple[str, ...]

    @property
    def features(self) -> tuple[DifferingFeature, ...]:
        """Those that differ and fire in a text that can be shown."""
        return tuple(each.of for each in self.contrasts if each.firing)


def read_sides(
    a: Collection,
    b: Collection,
    options: HypothesisOptions,
    source: FeatureSource = found_differences,
) -> SidesRead:
    """What the two sides have, by their own questions.

    Raises `InvalidInput` for sides or a column of which nothing can be compared.
    """
    found = source(a, b, options)
    documents = drawn(a, b, options)
    texts = SideTexts(a, b, options.n_tokens)
    judged = texts.read(documents.judged)
    read = tuple(contrasts(found.features, documents.shown, texts, options))
    shown = texts.read([d for side in "AB" for d in documents.shown if d.side == side])
    examples = [text for side in "AB" for text in [t for t in shown if t.side == side][:EXAMPLES]]
    return SidesRead(
        a=str(a.selection),
        b=str(b.selection),
        state=found.state,
        options=options,
        documents=documents,
        contrasts=read,
        examples=tuple(examples),
        judged=judged,
        diff_test=found.test,
        n_features_tested=found.n_tested,
        notes=(*found.notes, *documents.notes, *_left_out(read, found.features, options)),
    )


def _left_out(
    read: Sequence[FeatureContrast],
    features: Sequence[DifferingFeature],
    options: HypothesisOptions,
) -> list[str]:
    notes = []
    if not features:
        notes.append(
            f"No feature differs at q < {options.feature_level:g} in the documents that are not "
            "held back, so nothing was asked."
        )
    if n := sum(not each.firing for each in read):
        notes.append(f"{n} of the features fire in none of the texts that can be shown.")
    return notes


class HypothesisRun:
    """The stages of one comparison, each asked of a model when the one before is known."""

    def __init__(self, sides: SidesRead, model: LanguageModel, told: Told | None = None) -> None:
        self.sides, self.options = sides, sides.options
        self.stages = AskedStages(model, told)

    async def report(self) -> HypothesisReport:
        """Everything, one stage after the other. Raises what ends a run; see `ask_and_read`."""
        labels = await self.labels()
        hypotheses, notes = await self.hypotheses(labels)
        verdicts = await self.verdicts(hypotheses)
        rows = decided(hypotheses, verdicts, self.options.rule)
        sides, judged = self.sides, self.sides.judged
        return HypothesisReport(
            a=sides.a,
            b=sides.b,
            state=sides.state,
            options=self.options,
            hypotheses=rows,
            features=labels,
            test=self.options.rule.test,
            diff_test=sides.diff_test,
            n_features_tested=sides.n_features_tested,
            n_judged_a=sum(text.side == "A" for text in judged),
            n_judged_b=sum(text.side == "B" for text in judged),
            n_cut=sum(text.is_cut for text in judged),
            notes=(*sides.notes, *notes, *judged_notes(rows)),
            asked=await self.stages.asked(),
        )

    async def labels(self) -> tuple[RelabelledFeature, ...]:
        """The differing features, relabelled by texts of both sides."""
        stage = await self.stages.ask("features relabelled", self.label_prompts(), label_of)
        return tuple(
            RelabelledFeature(
                of=each.of,
                label=stage.values.get(number),
                why=stage.why.get(number, "" if each.firing else "it fires in no shown text"),
            )
            for number, each in enumerate(self.sides.contrasts)
        )

    def label_prompts(self) -> list[tuple[int, Prompt]]:
        """One for each feature that fires in a shown text."""
        every = enumerate(self.sides.contrasts)
        return [(number, relabelling(each)) for number, each in every if each.firing]

    async def hypotheses(
        self, labels: Sequence[RelabelledFeature]
    ) -> tuple[tuple[Hypothesis, ...], list[str]]:
        """The hypotheses, and what must be told of them. Raises `Unavailable` without an answer."""
        known = [(each.of, each.label) for each in labels if each.label is not None]
        if not known:
            return (), ["No feature has a label, so no hypothesis was made."] if labels else []
        reader = HypothesesReader([of.feature for of, _ in known])
        prompts = [(0, self.proposing(known))]
        stage = await self.stages.ask("hypotheses made", prompts, reader)
        if stage.n_unanswered:
            raise Unavailable(f"No answer to which hypotheses there are: {stage.why[0]}.")
        if 0 in stage.why:
            return (), [f"The hypotheses of the model could not be read: {stage.why[0]}."]
        return stage.values[0], [] if stage.values[0] else ["The model made no hypothesis."]

    def proposing(self, known: Sequence[tuple[DifferingFeature, str]]) -> Prompt:
        """The prompt that asks for hypotheses."""
        o = self.options
        return proposing(known, self.sides.examples, o.n_hypotheses, o.n_excerpt)

    async def verdicts(self, hypotheses: Sequence[Hypothesis]) -> list[list[TextVerdict]]:
        """Of each hypothesis the verdicts on all texts, in the order in which these were drawn."""
        reader = VerdictReader()
        prompts = self.judge_prompts([each.statement for each in hypotheses], reader)
        stage = await self.stages.ask("verdicts", prompts, reader)
        return [
            [text_verdict(text, stage, (h, t)) for t, text in enumerate(self.sides.judged)]
            for h in range(len(hypotheses))
        ]

    def judge_prompts(
        self, statements: Sequence[str], reader: VerdictReader
    ) -> list[tuple[tuple[int, int], Prompt]]:
        """One for each hypothesis and text."""
        return judge_prompts(self.sides.judged, statements, self.options.seed, reader)


async def compared(
    a: Collection,
    b: Collection,
    model: LanguageModel,
    options: HypothesisOptions | None = None,
    told: Told | None = None,
    source: FeatureSource = found_differences,
) -> HypothesisReport:
    """What differs between two selections, in words, by a model that is open.

    Raises `BudgetSpent` and what else ends a run; what was answered is kept, and not asked again.
    """
    sides = await asyncio.to_thread(read_sides, a, b, options or HypothesisOptions(), source)
    return await HypothesisRun(sides, model, told).report()


def compare(
    a: Collection,
    b: Collection,
    settings: LanguageSettings,
    *,
    options: HypothesisOptions | None = None,
    run: str | None = None,
    cache: Path | str | None = None,
    told: Told | None = None,
    source: FeatureSource = found_differences,
) -> HypothesisReport:
    """What differs between two selections, in words, by a model of a server.

    `source` finds the features from which it is told: by default those that fire more often on a
    side. The budget of the settings is for all that is asked under the name `run`, which is by
    default made of the selections' names. Where an event loop runs already, await `compared`.
    Raises `BudgetSpent` and what else ends a run.

    >>> compare(
    ...     reviews.where("label = 'pos'"), reviews.where("label = 'neg'"), settings
    ... )  # doctest: +SKIP
    """

    async def ask() -> HypothesisReport:
        name = run or run_name(a, b)
        async with LanguageModel(settings, run=name, cache=cache) as model:
            return await compared(a, b, model, options, told, source)

    return asyncio.run(ask())


def run_name(a: Collection, b: Collection) -> str:
    """Under which name it is asked, if no other is given."""
    return f"diff {a.selection} | {b.selection}"
