"""One feature: its explanation is asked for and read, and then all its scores at once."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from saelake.explaining.evidence import FeatureEvidence
from saelake.explaining.explainers import explaining
from saelake.explaining.replies import explanation, explanation_in_json
from saelake.explaining.run.explained import (
    ExplainedFeature,
    FeatureOutcome,
    JudgedScore,
    LabelOrigin,
    ScoringWay,
    UnexplainedFeature,
)
from saelake.explaining.run.judgements import GUESS, FoundScore, Judgement, by_embedding, judgement
from saelake.explaining.run.options import ExplainOptions
from saelake.explaining.run.writing import StandingLabel
from saelake.explaining.scores.estimates import UNKNOWN, ScoreEstimate
from saelake.language.model import LanguageModel, ReadReply
from saelake.language.prompts import Prompt
from saelake.language.reading import Unreadable
from saelake.language.replies import Reply, Unanswered
from saelake.store.errors import BudgetSpent
from saelake.store.format.lists import Array
from saelake.store.format.provenance import LabelScore

T = TypeVar("T")
HELD_BACK_ALL = "all documents in which it fires are held back to score by"
NOTHING_TO_TELL = FoundScore(estimate=UNKNOWN)  # of a feature without enough documents held back


@dataclass(slots=True)
class ReplyCount:
    """How many replies a run had, and how many of them it had before."""

    n_replies: int = 0
    n_cached: int = 0

    def add(self, replies: Iterable[Reply]) -> None:
        """Count replies."""
        for reply in replies:
            self.n_replies += 1
            self.n_cached += reply.is_cached


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureWork:
    """What a model and a judge do about each feature; `given` are labels that are only scored.

    `standing` is what the explainer called features before: what the same prompt made is not asked
    for again, nor scores that it has of the same judge.

    Where a budget is spent, `ended` has why: no other feature is to be begun.
    """

    model: LanguageModel
    judge: LanguageModel
    options: ExplainOptions
    explainer: str
    given: Mapping[str, StandingLabel] | None = None
    standing: Mapping[str, StandingLabel] = field(default_factory=dict)
    embed: Callable[[Sequence[str]], Array] | None = None
    count: ReplyCount = field(default_factory=ReplyCount)
    ended: list[BudgetSpent] = field(default_factory=list)

    async def outcome(self, evidence: FeatureEvidence) -> FeatureOutcome | None:
        """What becomes of a feature; None where the budget did not hold its explanation.

        Raises what ends a run at once.
        """
        if self.given is not None:
            label = self.given[str(evidence.feature)]
            return await self._scored(evidence, label.label, label.explainer, None)
        if not evidence.firing:
            return UnexplainedFeature(feature=evidence.feature, why="silent", reason=HELD_BACK_ALL)
        try:
            return await self._explained(evidence)
        except BudgetSpent as error:
            self.ended.append(error)
            return None

    async def _explained(self, evidence: FeatureEvidence) -> FeatureOutcome:
        prompt = self.prompt(evidence)
        if self.stands(evidence, prompt):
            return await self._standing(evidence)
        found = await self._read(self.model, prompt, lambda _, reply: self.label_of(reply))
        if isinstance(found, Unanswered):
            return UnexplainedFeature(feature=evidence.feature, why="failed", reason=found.reason)
        if isinstance(found.value, Unreadable):
            reason = found.value.reason
            return UnexplainedFeature(feature=evidence.feature, why="unreadable", reason=reason)
        made = LabelOrigin.of(
            found.replies,
            model=self.model.settings.model,
            prompt=prompt.hash,
            examples=tuple(window.id for window in evidence.shown),
            time=datetime.now(UTC),
        )
        return await self._scored(evidence, found.value, self.explainer, made)

    async def _standing(self, evidence: FeatureEvidence) -> ExplainedFeature:
        """A label that is there, with the scores that it has, and those that it lacks."""
        there, known = self.standing[str(evidence.feature)], self._known(evidence)
        had = [self._had(way, evidence, score) for way, score in known.items()]
        found = await self._scored(
            evidence, there.label, there.explainer, None, self.lacking(evidence)
        )
        order = self.options.scores.index
        scores = sorted((*had, *found.scores), key=lambda score: order(score.kind))
        return replace(found, scores=tuple(scores), is_new=bool(found.scores))

    def stands(self, evidence: FeatureEvidence, prompt: Prompt) -> bool:
        """Whether the explainer's label of the feature is what this model said to this prompt."""
        there = self.standing.get(str(evidence.feature))
        asked = self.model.settings.model, prompt.hash
        return there is not None and (there.model, there.prompt) == asked

    def lacking(self, evidence: FeatureEvidence) -> list[ScoringWay]:
        """The scores that are wanted and that the standing label of a feature has not."""
        known = self._known(evidence)
        return [way for way in self.options.scores if way not in known]

    def _known(self, evidence: FeatureEvidence) -> dict[ScoringWay, LabelScore]:
        """Scores that are wanted and there: of this judge, and of this collection."""
        there = self.standing[str(evidence.feature)]
        found = {(score.kind, score.by, score.on): score for score in there.scores}
        wanted = {way: (way, self._by(way), evidence.collection) for way in self.options.scores}
        return {way: found[key] for way, key in wanted.items() if key in found}

    def prompt(self, evidence: FeatureEvidence) -> Prompt:
        """The one that asks for the explanation."""
        o = self.options
        return explaining(
            evidence,
            o.way,
            thoughts=o.thoughts,
            max_tokens=o.max_tokens,
            temperature=o.temperature,
            seed=o.seed,
        )

    def label_of(self, reply: Reply) -> str | Unreadable:
        """The explanation in a reply."""
        read = explanation_in_json if self.options.way == "passages" else explanation
        found = read(reply.text)
        if isinstance(found, Unreadable) and reply.is_cut_off:
            n = reply.n_completion_tokens
            return Unreadable(reason=f"it was cut off after {n} tokens, and {found.reason}")
        return found

    # -- Scores.

    async def _scored(
        self,
        evidence: FeatureEvidence,
        label: str,
        explainer: str,
        made: LabelOrigin | None,
        ways: Sequence[ScoringWay] | None = None,
    ) -> ExplainedFeature:
        asked = self.options.scores if ways is None else ways
        found = await together(self._score(way, evidence, label) for way in asked)
        known = [score for score in found if isinstance(score, JudgedScore)]
        return ExplainedFeature(
            feature=evidence.feature,
            label=label,
            explainer=explainer,
            scores=tuple(score for score in known if score.estimate.is_known),
            made=made,
            is_scored=len(known) == len(found),
            n_unread=sum(score.n_unread for score in known),
        )

    async def _score(
        self, way: ScoringWay, evidence: FeatureEvidence, label: str
    ) -> JudgedScore | None:
        """The score of a label; None where an answer is missing."""
        if way == "embedding":
            found: FoundScore | None = await self._by_embedding(evidence, label)
        else:
            asked = judgement(way, evidence, label)
            if asked is None:
                return self._judged(way, evidence, NOTHING_TO_TELL)
            found = await self._answered(asked)
        return None if found is None else self._judged(way, evidence, found)

    def _judged(self, way: ScoringWay, evidence: FeatureEvidence, found: FoundScore) -> JudgedScore:
        return JudgedScore(
            kind=way,
            estimate=found.estimate,
            chance=found.chance,
            n_unread=found.n_unread,
            by=self._by(way),
            on=evidence.collection,
        )

    def _had(self, way: ScoringWay, evidence: FeatureEvidence, score: LabelScore) -> JudgedScore:
        """A score that is in the lake."""
        asked = None if way == "embedding" else judgement(way, evidence, "")
        value = score.value
        return JudgedScore(
            kind=way,
            estimate=ScoreEstimate(
                value=value,
                low=value if score.low is None else score.low,
                high=value if score.high is None else score.high,
                n=score.n or 0,
            ),
            chance=GUESS if asked is None else asked.chance,
            by=score.by or "",
            on=evidence.collection,
        )

    def _by(self, way: str) -> str:
        """Who judges so."""
        return (
            (self.options.sentence_model or "") if way == "embedding" else self.judge.settings.model
        )

    async def _answered(self, asked: Judgement) -> FoundScore | None:
        values = await together(
            self._value(asked, at, prompt) for at, prompt in enumerate(asked.prompts)
        )
        return None if any(value is None for value in values) else asked.score(values)

    async def _value(self, asked: Judgement, at: int, prompt: Prompt) -> Any:
        """What a judge's reply says, or that it is `Unreadable`; None where there is none."""
        try:
            found = await self._read(self.judge, prompt, lambda _, reply: asked.read(at, reply))
        except BudgetSpent as error:
            self.ended.append(error)
            return None
        return None if isinstance(found, Unanswered) else found.value

    async def _by_embedding(self, evidence: FeatureEvidence, label: str) -> FoundScore:
        assert self.embed is not None
        return await asyncio.to_thread(by_embedding, evidence, label, self.embed)

    async def _read(
        self, model: LanguageModel, prompt: Prompt, reader: Callable[[Prompt, Reply], Any]
    ) -> ReadReply[Any] | Unanswered:
        found = await model.ask_and_read(prompt, reader)
        if isinstance(found, ReadReply):
            self.count.add(found.replies)
        return found


async def together(works: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """What all of them give, in order. Raises what one of them does, and cancels the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(work) for work in works]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
