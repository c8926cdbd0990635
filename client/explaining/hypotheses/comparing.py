"""Two sets of texts compared by a language model, which a test then holds to its word.

Stages: features that differ, in documents that are not held back; each relabelled by texts of both
sides; hypotheses made of these; each judged in documents held back, blind to their side; tested.
What is asked is a function of the lake's state and the options, so that a run which was killed goes
on where it was, and a second one asks nothing.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from saelake.collection import Collection
from saelake.explaining.hypotheses.asking import judging, proposing, relabelling
from saelake.explaining.hypotheses.contrasts import (
    DifferingFeature,
    FeatureContrast,
    contrasts,
    found_differences,
)
from saelake.explaining.hypotheses.decided import OF_PAIRS, OF_SEPARATE, TextVerdict, decided
from saelake.explaining.hypotheses.drawn import DrawnDocuments, drawn
from saelake.explaining.hypotheses.options import HypothesisOptions
from saelake.explaining.hypotheses.reading import (
    HypothesesReader,
    Hypothesis,
    ReadVerdict,
    VerdictReader,
    label_of,
)
from saelake.explaining.hypotheses.report import (
    HypothesisReport,
    ModelAsked,
    RelabelledFeature,
    StageCount,
    judged_notes,
)
from saelake.explaining.hypotheses.texts import SideText, SideTexts
from saelake.language.model import LanguageModel, Reader, ReadReply
from saelake.language.prompts import Prompt
from saelake.language.reading import Unreadable
from saelake.language.replies import Unanswered
from saelake.language.settings import LanguageSettings
from saelake.store.errors import Unavailable

T = TypeVar("T")
EXAMPLES = 6  # texts of each side beside the features
Told = Callable[[str, int, int], object]  # a stage, how many are done, and of how many


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


def read_sides(a: Collection, b: Collection, options: HypothesisOptions) -> SidesRead:
    """What the two sides have, by their own questions.

    Raises `InvalidInput` for sides or a column of which nothing can be compared.
    """
    found, features = found_differences(a, b, options)
    documents = drawn(a, b, options)
    texts = SideTexts(a, b, options.n_tokens)
    judged = texts.read(documents.judged)
    read = tuple(contrasts(features, documents.shown, texts, options))
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
        notes=(*found.notes, *documents.notes, *_left_out(read, features, options)),
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


@dataclass(slots=True)
class AnswerStage(Generic[T]):
    """The answers of a stage by their keys, and how many could not be read or never came."""

    name: str
    n: int
    told: Told | None
    values: dict[int, T]
    why: dict[int, str]
    n_unanswered: int = 0

    @classmethod
    def of(cls, name: str, n: int, told: Told | None) -> "AnswerStage[T]":
        """A stage of which nothing is known yet."""
        return cls(name, n, told, {}, {})

    def add(self, key: int, found: ReadReply[T] | Unanswered) -> list[str]:
        """Keep what came; the models that said it."""
        if isinstance(found, Unanswered):
            self.why[key], self.n_unanswered = found.reason, self.n_unanswered + 1
        elif isinstance(found.value, Unreadable):
            self.why[key] = found.value.reason
        else:
            self.values[key] = found.value
        if self.told is not None:
            self.told(self.name, len(self.values) + len(self.why), self.n)
        return [] if isinstance(found, Unanswered) else [reply.model for reply in found.replies]

    @property
    def count(self) -> StageCount:
        """How many there were."""
        n_unread = len(self.why) - self.n_unanswered
        return StageCount(
            stage=self.name, n_prompts=self.n, n_unread=n_unread, n_unanswered=self.n_unanswered
        )


class HypothesisRun:
    """The stages of one comparison, each asked of a model when the one before is known."""

    def __init__(self, sides: SidesRead, model: LanguageModel, told: Told | None = None) -> None:
        self.sides, self.options = sides, sides.options
        self._model, self._told = model, told
        self._counts: list[StageCount] = []
        self._said: set[str] = set()

    async def report(self) -> HypothesisReport:
        """Everything, one stage after the other. Raises what ends a run; see `ask_and_read`."""
        labels = await self.labels()
        hypotheses, notes = await self.hypotheses(labels)
        verdicts = await self.verdicts(hypotheses)
        rows = decided(hypotheses, verdicts, self.options)
        sides, judged = self.sides, self.sides.judged
        return HypothesisReport(
            a=sides.a,
            b=sides.b,
            state=sides.state,
            options=self.options,
            hypotheses=rows,
            features=labels,
            test=OF_PAIRS if self.options.align is not None else OF_SEPARATE,
            diff_test=sides.diff_test,
            n_features_tested=sides.n_features_tested,
            n_judged_a=sum(text.side == "A" for text in judged),
            n_judged_b=sum(text.side == "B" for text in judged),
            n_cut=sum(text.is_cut for text in judged),
            notes=(*sides.notes, *notes, *judged_notes(rows)),
            asked=await self._asked(),
        )

    async def labels(self) -> tuple[RelabelledFeature, ...]:
        """The differing features, relabelled by texts of both sides."""
        stage = await self._stage("features relabelled", self.label_prompts(), label_of)
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
        stage = await self._stage("hypotheses made", prompts, reader)
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
        stage = await self._stage("verdicts", prompts, reader)
        n = len(self.sides.judged)
        return [
            [_verdict(text, stage, h * n + t) for t, text in enumerate(self.sides.judged)]
            for h in range(len(hypotheses))
        ]

    def judge_prompts(
        self, statements: Sequence[str], reader: VerdictReader
    ) -> list[tuple[int, Prompt]]:
        """One for each hypothesis and text. Texts of both sides come mixed, by chance."""
        texts = list(enumerate(self.sides.judged))
        random.Random(f"{self.options.seed}:judged").shuffle(texts)
        return [
            (h * len(texts) + t, reader.about(judging(text.text, said, statements), text.text))
            for t, text in texts
            for h, said in enumerate(statements)
        ]

    async def _stage(
        self, name: str, prompts: Sequence[tuple[int, Prompt]], reader: Reader[T]
    ) -> AnswerStage[T]:
        stage: AnswerStage[T] = AnswerStage.of(name, len(prompts), self._told)
        async for key, found in self._model.read_all(prompts, reader):
            self._said.update(stage.add(key, found))
        self._counts.append(stage.count)
        return stage

    async def _asked(self) -> ModelAsked:
        settings, spending = self._model.settings, await self._model.spent()
        return ModelAsked(
            model=settings.model,
            base_url=settings.base_url,
            said=tuple(sorted(self._said)),
            stages=tuple(self._counts),
            run=self._model.run,
            spending=spending,
            cost=None if settings.prices is None else spending.cost,
            cache=str(self._model.cache),
        )


def _verdict(text: SideText, stage: AnswerStage[ReadVerdict], key: int) -> TextVerdict:
    found = stage.values.get(key)
    return TextVerdict(
        doc=text.doc,
        id=text.id,
        side=text.side,
        unit=text.unit,
        holds=None if found is None else found.holds,
        quote="" if found is None else found.quote,
        why=stage.why.get(key, ""),
    )


async def compared(
    a: Collection,
    b: Collection,
    model: LanguageModel,
    options: HypothesisOptions | None = None,
    told: Told | None = None,
) -> HypothesisReport:
    """What differs between two selections, in words, by a model that is open.

    Raises `BudgetSpent` and what else ends a run; what was answered is kept, and not asked again.
    """
    sides = await asyncio.to_thread(read_sides, a, b, options or HypothesisOptions())
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
) -> HypothesisReport:
    """What differs between two selections, in words, by a model of a server.

    The budget of the settings is for all that is asked under the name `run`, which is by default
    made of the selections' names. Where an event loop runs already, await `compared`. Raises
    `BudgetSpent` and what else ends a run.

    >>> compare(
    ...     reviews.where("label = 'pos'"), reviews.where("label = 'neg'"), settings
    ... )  # doctest: +SKIP
    """

    async def ask() -> HypothesisReport:
        name = run or run_name(a, b)
        async with LanguageModel(settings, run=name, cache=cache) as model:
            return await compared(a, b, model, options, told)

    return asyncio.run(ask())


def run_name(a: Collection, b: Collection) -> str:
    """Under which name it is asked, if no other is given."""
    return f"diff {a.selection} | {b.selection}"
